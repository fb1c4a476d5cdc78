import { decodeAnnounce, encodeAnnounce, FrameType, headerBytes, offset, readU32, writeU32 } from '@sealway/protocol'
import type { Seeded } from '../../client-lib/src/testing/seeded.js'
import type { Direction } from '../../client-lib/src/testing/wire.js'

/**
 * A mediator that lies: it says that frames come from somebody else, replays what it has seen, hands it to others, and
 * changes a bit here and there. It cannot be kept from losing messages; it must not get anything wrong handled.
 */
export class Hostile {
  private readonly seen: Uint8Array[] = []
  private readonly routes = new Map<string, number[]>()
  private resting = false

  constructor(
    private readonly chances: Seeded,
    private readonly names: readonly string[],
  ) {}

  /** It has had its fun. What it announced wrongly stays wrong. */
  rest(): void {
    this.resting = true
  }

  twist(frame: Uint8Array, direction: Direction, node: string): Uint8Array[] {
    if (direction === 'up' || this.resting) return [frame]
    if (frame[4] === FrameType.announce) return [this.relabelled(frame, node)]
    if (frame[4] === FrameType.retire) this.forget(node, readU32(frame, 8))
    if (frame[4] !== FrameType.deliver) return [frame]
    this.seen.push(frame)
    const frames = [this.chances.chance(0.03) ? this.flipped(frame) : frame]
    if (this.chances.chance(0.1)) frames.push(this.onRoute(this.chances.pick(this.seen), node))
    return frames
  }

  private relabelled(frame: Uint8Array, node: string): Uint8Array {
    const route = readU32(frame, 8)
    this.routes.set(node, [...(this.routes.get(node) ?? []), route])
    if (!this.chances.chance(0.1)) return frame
    const { from, to, scope } = decodeAnnounce(frame.subarray(headerBytes))
    const others = this.names.filter((name) => name !== from && name !== node)
    return others.length === 0 ? frame : encodeAnnounce(route, this.chances.pick(others), to, scope)
  }

  private forget(node: string, route: number): void {
    const routes = this.routes.get(node) ?? []
    this.routes.set(
      node,
      routes.filter((other) => other !== route),
    )
  }

  /** On a route that this node knows, or it would end the link. */
  private onRoute(frame: Uint8Array, node: string): Uint8Array {
    const replayed = new Uint8Array(frame)
    const routes = this.routes.get(node) ?? []
    if (!routes.includes(readU32(frame, 8)) || this.chances.chance(0.3))
      writeU32(replayed, 8, this.chances.pick(routes))
    return replayed
  }

  private flipped(frame: Uint8Array): Uint8Array {
    const bytes = new Uint8Array(frame)
    // Not in the key's name nor in the incarnation: what these refuse comes back as a hint that is not authenticated,
    // and says no more than the mediator could say itself by a reject.
    const fields = frame.length - headerBytes
    const places = Array.from({ length: fields }, (_, i) => i).filter((i) => !inKid(i) && !inIncarnation(i))
    const at = headerBytes + this.chances.pick(places)
    bytes[at]! ^= 1 << Math.floor(this.chances.next() * 8)
    return bytes
  }
}

const inKid = (at: number): boolean => at >= offset.kid && at < offset.salt
const inIncarnation = (at: number): boolean => at >= offset.inc && at < offset.inc + 4
