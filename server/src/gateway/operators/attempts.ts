/** RELIABILITY W7. */
const maxFailures = 5
const windowMs = 60_000
/** Addresses that are remembered; beyond it the longest unseen one is forgotten. */
const maxAddresses = 10_000

/**
 * Failed logins by address, in a sliding minute. An attempt counts as failed until it has succeeded,
 * so that a hundred at once are not a hundred guesses.
 */
export class Attempts {
  private readonly failures = new Map<string, number[]>()
  private readonly clock: () => number

  constructor(clock: () => number) {
    this.clock = clock
  }

  /** 0: go on, and the attempt counts. Else: refused, for so long, ms. */
  begin(address: string): number {
    const source = sourceOf(address)
    const now = this.clock()
    const recent = this.recent(source, now)
    if (recent.length >= maxFailures) return Math.max(1, recent[0]! + windowMs - now)
    recent.push(now)
    this.failures.delete(source)
    this.failures.set(source, recent)
    if (this.failures.size > maxAddresses) this.failures.delete(this.failures.keys().next().value!)
    return 0
  }

  /** How long this address is refused, ms; 0: it is not. Counts nothing. */
  blockedMs(address: string): number {
    const now = this.clock()
    const recent = this.recent(sourceOf(address), now)
    return recent.length < maxFailures ? 0 : Math.max(1, recent[0]! + windowMs - now)
  }

  /** The last attempt was good after all. */
  succeed(address: string): void {
    this.failures.get(sourceOf(address))?.pop()
  }

  /** Failures within the last minute; a clock that was set back makes none older. */
  private recent(source: string, now: number): number[] {
    return (this.failures.get(source) ?? []).filter((at) => now - at < windowMs)
  }
}

/** One subscriber has a whole /64 of IPv6 (RFC 6177), so addresses within one count together. */
function sourceOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/, '')
  if (!plain.includes(':')) return plain
  const [head = '', tail] = plain.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - left.length - right.length }, () => '0')
  return [...left, ...zeros, ...right].slice(0, 4).join(':')
}
