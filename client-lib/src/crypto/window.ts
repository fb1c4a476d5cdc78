/** Counters behind the newest that are still told apart. */
export const windowFrames = 4_096

/** One word more than the window, so that the word being filled never overlaps the oldest one (RFC 6479 s2). */
const ringWords = windowFrames / 32 + 1

/** Which counters of a flow were seen: an RFC 6479 ring over 32-bit words. Counters are below 2^53. */
export class ReplayWindow {
  private readonly ring = new Uint32Array(ringWords)
  private last = -1

  /** The highest counter marked; -1 before the first. */
  get newest(): number {
    return this.last
  }

  /** `old` is behind the window: whether it was seen is no longer known, so it must not be delivered. */
  check(counter: number): 'new' | 'seen' | 'old' {
    if (counter > this.last) return 'new'
    if (this.last - counter >= windowFrames) return 'old'
    return this.ring[wordOf(counter) % ringWords]! & (1 << (counter % 32)) ? 'seen' : 'new'
  }

  /** Marks a counter that `check` called new. */
  mark(counter: number): void {
    const word = wordOf(counter)
    if (counter > this.last) {
      const lastWord = wordOf(this.last)
      if (word - lastWord >= ringWords) this.ring.fill(0)
      else for (let w = lastWord + 1; w <= word; w++) this.ring[w % ringWords] = 0
      this.last = counter
    }
    this.ring[word % ringWords]! |= 1 << (counter % 32)
  }
}

/** Exact up to 2^53, where shifting would wrap at 2^32. The word before the first is -1. */
const wordOf = (counter: number): number => Math.floor(counter / 32)
