import type { Timers } from '../../client-lib/src/session/timers.js'
import { turns } from './until.js'

interface Due {
  readonly at: number
  readonly work: () => void
}

/** Time that moves when it is told to, for clock and timers alike. */
export class VirtualTime implements Timers {
  /** ms since 1970. */
  now = 1_700_000_000_000
  readonly read = (): number => this.now
  /** What is due first comes first; of two that are due at once, the one that was set first. */
  private readonly due: Due[] = []

  monotonic(): number {
    return this.now
  }

  set(work: () => void, ms: number): unknown {
    const due = { at: this.now + ms, work }
    this.due.splice(this.firstAfter(due.at), 0, due)
    return due
  }

  setBackground(work: () => void, ms: number): unknown {
    return this.set(work, ms)
  }

  clear(timer: unknown): void {
    if (!timer) return
    // Among those that are due at once; there are storms of ten thousand.
    for (let i = this.firstAfter((timer as Due).at) - 1; this.due[i]?.at === (timer as Due).at; i--) {
      if (this.due[i] === timer) this.due.splice(i, 1)
    }
  }

  /** Timers that wait. */
  get pending(): number {
    return this.due.length
  }

  /** Moves on, from timer to timer, and lets what each of them began run before the next. */
  async advance(ms: number): Promise<void> {
    const end = this.now + ms
    for (;;) {
      await turns(20)
      const next = this.due[0]
      if (!next || next.at > end) break
      this.due.shift()
      this.now = Math.max(this.now, next.at)
      next.work()
    }
    this.now = end
  }

  /** Where the first is that is due after this moment. */
  private firstAfter(at: number): number {
    let [low, high] = [0, this.due.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.due[middle]!.at <= at) low = middle + 1
      else high = middle
    }
    return low
  }
}
