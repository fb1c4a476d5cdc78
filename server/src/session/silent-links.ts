import type { Session } from './session.js'

/** Shortest and longest time after which a link that lost its place is told to come back, ms. */
const minReturnMs = 100
const maxReturnMs = 1_000
/** Time that the returns are spread over, for each link that lost its place within the last second, ms. */
const spreadPerLinkMs = 4

export interface SilentLinksParts {
  readonly maxLinks: number
  readonly maxPerAddress: number
  /** Coarse clock, ms, never set back. */
  readonly now: () => number
  readonly random: () => number
  /** Ends a link that made room for a newer one. */
  readonly end: (session: Session, reconnectInMs: number) => void
}

/**
 * Links that have not said hello yet, in total and per address. A new link always gets a place: when there is none left,
 * the link that has been silent for longest gives up its own. So connections that never say anything keep nobody out,
 * however often they are renewed.
 */
export class SilentLinks {
  /** By address, in the order in which they came. */
  private readonly byAddress = new Map<unknown, Set<Session>>()
  private count = 0
  private lostSince = 0
  private lost = 0

  constructor(private readonly parts: SilentLinksParts) {}

  get size(): number {
    return this.count
  }

  /** @param address what links are counted by */
  add(session: Session, address: unknown): void {
    const { maxLinks, maxPerAddress } = this.parts
    let here = this.byAddress.get(address)
    if (!here) {
      here = new Set()
      this.byAddress.set(address, here)
    }
    here.add(session)
    this.count++
    if (here.size > maxPerAddress) this.endOldest(here)
    else if (this.count > maxLinks) this.endOldest(this.largest())
  }

  /** The link has said hello, or ended. */
  delete(session: Session, address: unknown): void {
    const here = this.byAddress.get(address)
    if (!here?.delete(session)) return
    this.count--
    if (here.size === 0) this.byAddress.delete(address)
  }

  private endOldest(links: ReadonlySet<Session>): void {
    for (const session of links) {
      this.parts.end(session, this.returnMs())
      return
    }
  }

  /** Links of the address that has most of them: an address that fills the mediator pays for it first. */
  private largest(): ReadonlySet<Session> {
    let largest: ReadonlySet<Session> = new Set()
    for (const links of this.byAddress.values()) if (links.size > largest.size) largest = links
    return largest
  }

  /** The more links lose their place, the further their returns are spread: a few are back at once. */
  private returnMs(): number {
    const now = this.parts.now()
    if (now - this.lostSince >= 1_000) {
      this.lostSince = now
      this.lost = 0
    }
    this.lost++
    const spreadMs = Math.min(this.lost * spreadPerLinkMs, maxReturnMs - minReturnMs)
    return Math.round(minReturnMs + this.parts.random() * spreadMs)
  }
}
