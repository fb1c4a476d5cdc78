import { type Address, type Code, encodeCredit, formatAddress, type Limits } from '@sealway/protocol'
import type { LinkEnd } from './link-end.js'

/** One address that one link sends to, with its window. */
export class Route {
  /** Canonical text of the address. */
  readonly to: string
  /** Receivers that know it. */
  readonly announcedTo = new Set<LinkEnd>()
  /** Why it is refused while nobody answers to it. */
  absence: Code | undefined
  private usedBytes = 0
  private usedFrames = 0
  private freedBytes = 0
  private freedFrames = 0
  private closed = false

  constructor(
    /** The mediator's number for it, the same towards every receiver. */
    readonly id: number,
    readonly number: number,
    readonly sender: LinkEnd,
    readonly address: Address,
    readonly scope: string,
    /** Opened while the mediator drains: nothing goes there but answers. */
    readonly isNewWork: boolean,
    private readonly limits: Limits,
  ) {
    this.to = formatAddress(address)
  }

  /** Its sender uses more than it was given. */
  overruns(bytes: number): boolean {
    const { routeWindowBytes, routeWindowFrames, maxFrameBytes } = this.limits
    return this.usedBytes + bytes > routeWindowBytes + maxFrameBytes || this.usedFrames >= 2 * routeWindowFrames
  }

  accept(bytes: number): void {
    this.usedBytes += bytes
    this.usedFrames++
  }

  /** Gives the window back, a quarter at a time. */
  release(bytes: number): void {
    this.usedBytes -= bytes
    this.usedFrames--
    this.freedBytes += bytes
    this.freedFrames++
    const { routeWindowBytes, routeWindowFrames } = this.limits
    if (this.closed || (this.freedBytes * 4 < routeWindowBytes && this.freedFrames * 4 < routeWindowFrames)) return
    const credit = encodeCredit(this.number, this.freedBytes, this.freedFrames)
    this.freedBytes = 0
    this.freedFrames = 0
    this.sender.say(credit)
  }

  close(): void {
    this.closed = true
  }
}
