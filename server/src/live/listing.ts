import { headerBytes, sealedHeaderBytes } from '@sealway/protocol'
import type { Route } from '../session/route.js'
import { framesOf, type Session } from '../session/session.js'
import type { FrameFilter, LiveFrame } from './events.js'

/** Frames that are listed at once; others are counted. Four times a second, so a page can show them. */
export const maxListed = 200
/** The header, and so much of the ciphertext that it is seen to be some. */
const shownBytes = sealedHeaderBytes + 48

/** A frame whose time is filled in when it is written. */
export type ListedFrame = { -readonly [Field in keyof LiveFrame]: LiveFrame[Field] }

/** The frames that match one filter, for all who watch with it. */
export class Listing {
  private frames: ListedFrame[] = []
  private skipped = 0

  constructor(private readonly filter: FrameFilter) {}

  matches(route: Route, target: Session | undefined, outcome: string): boolean {
    const { from, to, group, outcome: wanted } = this.filter
    if (wanted !== undefined && wanted !== outcome) return false
    if (from !== undefined && !fits(from, route.sender.member!.name)) return false
    if (to !== undefined && !(target && fits(to, target.member!.name)) && !fits(to, route.to) && !named(to, route)) {
      return false
    }
    return group === undefined || isOf(group, route, target)
  }

  /** Further ones are only counted, until the list is taken. */
  get isFull(): boolean {
    return this.frames.length >= maxListed
  }

  skip(frames: number): void {
    this.skipped += frames
  }

  /** @returns those that were listed, whose time is not known yet */
  add(route: Route, target: Session | undefined, run: Uint8Array, count: number, outcome: string, at: number) {
    const listed: ListedFrame[] = []
    const room = Math.min(maxListed - this.frames.length, count)
    if (room > 0) {
      for (const frame of framesOf(run)) {
        if (listed.length === room) break
        listed.push({
          at,
          from: route.sender.member!.name,
          to: route.to,
          taker: target?.member?.name ?? null,
          bytes: frame.length,
          outcome,
          ms: null,
          sealed: hex(frame.subarray(headerBytes, headerBytes + shownBytes)),
        })
      }
      this.frames.push(...listed)
    }
    this.skipped += count - listed.length
    return listed
  }

  /** What came since it was last asked. */
  take(): { readonly frames: readonly LiveFrame[]; readonly skipped: number } {
    const batch = { frames: this.frames, skipped: this.skipped }
    this.frames = []
    this.skipped = 0
    return batch
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')

const fits = (wanted: string, name: string): boolean =>
  wanted.endsWith('*') ? name.startsWith(wanted.slice(0, -1)) : name === wanted

/** The name of whom a route leads to, or of its group: `orders` is `node:orders`, `any:orders` and `group:orders`. */
const named = (wanted: string, { address }: Route): boolean =>
  fits(wanted, address.type === 'node' ? address.name : address.group)

const isOf = (group: string, { address, sender }: Route, target: Session | undefined): boolean =>
  (address.type !== 'node' && address.group === group) ||
  (sender.member!.groups as readonly string[]).includes(group) ||
  (target?.member?.groups as readonly string[] | undefined)?.includes(group) === true
