import { parseIp } from './direct/ip.js'

export interface StrangersParts {
  /** Requests a second from one address, on average; as many as in two seconds may come at once. */
  readonly perSecond: number
  /** Requests of one address that are under way at once, switched connections among them. */
  readonly atOnce: number
  /** Coarse clock, ms. */
  readonly now: () => number
}

interface Stranger {
  /** Requests that may still come now. */
  left: number
  refilledAt: number
  underWay: number
}

/** A burst is what a page with all its parts asks for; so many seconds of the rate. */
const burstSeconds = 2
/** Addresses that are told apart; all others share what is allowed to one. */
const maxAddresses = 10_000
const sweepEveryMs = 1_000

/** Who asks without a token, for public routes: none of them may use up what is there for all. */
export class Strangers {
  private readonly byAddress = new Map<string, Stranger>()
  private sweptAt: number

  constructor(private readonly parts: StrangersParts) {
    this.sweptAt = parts.now()
  }

  /** @returns to be called when its request is over; undefined: not now */
  enter(address: string): (() => void) | undefined {
    const stranger = this.of(keyOf(address))
    this.refill(stranger)
    if (stranger.left < 1 || stranger.underWay >= this.parts.atOnce) return undefined
    stranger.left--
    stranger.underWay++
    let inside = true
    return () => {
      if (inside) stranger.underWay--
      inside = false
    }
  }

  private of(key: string): Stranger {
    const known = this.byAddress.get(key)
    if (known) return known
    const full = this.byAddress.size >= maxAddresses && key !== others
    if (full) return this.of(others)
    const stranger = { left: this.most, refilledAt: this.parts.now(), underWay: 0 }
    this.byAddress.set(key, stranger)
    return stranger
  }

  private get most(): number {
    return Math.max(1, this.parts.perSecond * burstSeconds)
  }

  private refill(stranger: Stranger): void {
    const now = this.parts.now()
    // A clock that was set back gives nothing, and takes nothing.
    const elapsedMs = Math.max(0, now - stranger.refilledAt)
    stranger.refilledAt = now
    stranger.left = Math.min(this.most, stranger.left + (elapsedMs * this.parts.perSecond) / 1_000)
  }

  /** Addresses that are told apart now. */
  get size(): number {
    return this.byAddress.size
  }

  /** Forgets those of whom nothing is left to know. */
  tick(now: number): void {
    if (Math.abs(now - this.sweptAt) < sweepEveryMs) return
    this.sweptAt = now
    for (const [key, stranger] of this.byAddress) {
      this.refill(stranger)
      if (stranger.underWay === 0 && stranger.left >= this.most) this.byAddress.delete(key)
    }
  }
}

const others = 'others'

/** Whoever has an IPv6 address has a /64 of them (RFC 6177 s2). */
function keyOf(address: string): string {
  if (!address.includes(':')) return address
  const ip = parseIp(address)
  return ip ? `/64 ${ip.value >> 64n}` : address
}
