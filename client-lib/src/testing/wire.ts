import {
  type Connection,
  decodeAnnounce,
  FrameReader,
  FrameType,
  headerBytes,
  memoryPair,
  readU32,
} from '@sealway/protocol'
import type { VirtualClock } from './clock.js'
import type { Rates } from './faults.js'
import type { Seeded } from './seeded.js'

/** `up`: from the node to the mediator. */
export type Direction = 'up' | 'down'

export interface WireParts {
  readonly clock: VirtualClock
  readonly chances: Seeded
  readonly rates: () => Rates
  /** Whether nothing passes from one node to the other. */
  readonly parted: (from: string, to: string) => boolean
  /** What becomes of a whole frame before any fault: what it returns arrives in its place. */
  readonly intercept: (frame: Uint8Array, direction: Direction, node: string) => readonly Uint8Array[]
}

/** As a socket's buffers: beyond this a writer is told to wait, bytes. */
const socketBytes = 64 * 1024
const maxFrameBytes = 16 * 1024 * 1024

/** A link in two halves, and everything that can happen to it in between. */
export class Wire {
  readonly nodeEnd: Connection
  readonly mediatorEnd: Connection
  private readonly up: Lane
  private readonly down: Lane
  private readonly ends: readonly Connection[]

  /** @param over both ends are closed */
  constructor(
    parts: WireParts,
    readonly node: string,
    over: (wire: Wire) => void,
  ) {
    const options = { schedule: parts.clock.soon, highWaterBytes: socketBytes }
    const [nodeEnd, nearNode] = memoryPair(options)
    const [nearMediator, mediatorEnd] = memoryPair(options)
    this.nodeEnd = nodeEnd
    this.mediatorEnd = mediatorEnd
    this.ends = [nearNode, nearMediator]
    const cut = (): void => this.cut()
    this.up = new Lane(parts, node, 'up', nearNode, nearMediator, cut)
    this.down = new Lane(parts, node, 'down', nearMediator, nearNode, cut)
    let open = 2
    const closed = (): void => {
      if (--open === 0) over(this)
    }
    this.up.start(this.down, closed)
    this.down.start(this.up, closed)
  }

  /** Both ends see a link that broke; what was on the way is lost. */
  cut(): void {
    this.up.stop()
    this.down.stop()
    for (const end of this.ends) end.destroy()
  }

  /** Nothing passes, and neither end hears of it, until `heal`: then all of it arrives, as retransmissions would. */
  hold(): void {
    this.up.hold()
    this.down.hold()
  }

  heal(): void {
    this.up.release()
    this.down.release()
    this.pace(Number.POSITIVE_INFINITY)
  }

  /** The node takes no more than so many bytes in a second. */
  pace(bytesPerSecond: number): void {
    this.down.pace(bytesPerSecond)
  }
}

/** One direction. */
class Lane {
  private readonly reader = new FrameReader(maxFrameBytes)
  /** Who sends on a delivery route. */
  private readonly senders = new Map<number, string>()
  private held: (() => void)[] | undefined
  private stopped = false
  /** When the last frame that keeps its order arrives, and the last of all. */
  private floor = 0
  private latest = 0
  private under = 0
  private bytesPerSecond = Number.POSITIVE_INFINITY
  private blocked = false
  private waiting = false

  constructor(
    private readonly parts: WireParts,
    private readonly node: string,
    private readonly direction: Direction,
    private readonly from: Connection,
    private readonly to: Connection,
    private readonly cut: () => void,
  ) {}

  start(back: Lane, closed: () => void): void {
    this.from.start({
      data: (chunk) => this.receive(chunk),
      drain: () => back.drained(),
      close: () => {
        closed()
        if (!this.stopped) this.at(Math.max(this.latest, this.arrival()), () => this.to.end())
      },
    })
  }

  private receive(chunk: Uint8Array): void {
    this.reader.push(chunk, (bytes, at, end) => {
      const whole = new Uint8Array(bytes.subarray(at, end))
      for (const frame of this.parts.intercept(whole, this.direction, this.node)) this.pass(frame)
    })
    if (this.bytesPerSecond === Number.POSITIVE_INFINITY) return
    this.block()
    const ms = (chunk.length / this.bytesPerSecond) * 1_000
    if (Number.isFinite(ms)) this.parts.clock.set(() => this.unblock(), ms)
  }

  private pass(frame: Uint8Array): void {
    const { chances, clock } = this.parts
    const rates = this.parts.rates()
    const type = frame[4]!
    const write = (): void => this.write(frame)
    if (type === FrameType.announce) {
      this.senders.set(readU32(frame, 8), decodeAnnounce(frame.subarray(headerBytes)).from)
    }
    const sealed = type === FrameType.deliver || type === FrameType.send
    if (sealed && chances.chance(rates.disconnect)) {
      this.cut()
      return
    }
    if (type === FrameType.deliver) {
      const from = this.senders.get(readU32(frame, 8))
      if (from !== undefined && this.parts.parted(from, this.node)) return
      // Later than what keeps its order, or it would arrive before its route was announced.
      const late = (): number => Math.max(this.floor, this.arrival()) + 1 + Math.floor(chances.next() * rates.spread)
      if (chances.chance(rates.drop)) return
      if (chances.chance(rates.duplicate)) this.at(late(), () => this.write(new Uint8Array(frame)))
      if (chances.chance(rates.reorder)) {
        this.at(late(), write)
        return
      }
    }
    // Nothing that came before the end of a route may come after it.
    const first = type === FrameType.retire ? this.latest : this.floor
    const due = Math.max(first, this.arrival())
    this.floor = due
    if (due <= clock.now() && this.under === 0) this.now(write)
    else this.at(due, write)
  }

  private arrival(): number {
    const [least, most] = this.parts.rates().delay
    const ms = most > least ? least + Math.floor(this.parts.chances.next() * (most - least + 1)) : least
    return this.parts.clock.now() + ms
  }

  private at(due: number, work: () => void): void {
    const { clock } = this.parts
    this.latest = Math.max(this.latest, due)
    this.under++
    clock.set(() => {
      this.under--
      this.now(work)
    }, due - clock.now())
  }

  private now(work: () => void): void {
    if (this.stopped) return
    if (this.held) this.held.push(work)
    else work()
  }

  private write(frame: Uint8Array): void {
    if (this.to.write([frame])) return
    this.waiting = true
    this.from.pause()
  }

  /** Its reader took everything. */
  private drained(): void {
    this.waiting = false
    this.resume()
  }

  pace(bytesPerSecond: number): void {
    this.bytesPerSecond = bytesPerSecond
    if (bytesPerSecond > 0) this.unblock()
    else this.block()
  }

  private block(): void {
    this.blocked = true
    this.from.pause()
  }

  private unblock(): void {
    this.blocked = false
    this.resume()
  }

  private resume(): void {
    if (!this.blocked && !this.waiting) this.from.resume()
  }

  hold(): void {
    this.held ??= []
  }

  release(): void {
    const held = this.held ?? []
    this.held = undefined
    for (const work of held) this.now(work)
  }

  stop(): void {
    this.stopped = true
  }
}
