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
  private due: Due[] = []

  monotonic(): number {
    return this.now
  }

  set(work: () => void, ms: number): unknown {
    const due = { at: this.now + ms, work }
    this.due.push(due)
    return due
  }

  setBackground(work: () => void, ms: number): unknown {
    return this.set(work, ms)
  }

  clear(timer: unknown): void {
    this.due = this.due.filter((due) => due !== timer)
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
      const next = this.due.reduce<Due | undefined>((a, b) => (a && a.at <= b.at ? a : b), undefined)
      if (!next || next.at > end) break
      this.clear(next)
      this.now = Math.max(this.now, next.at)
      next.work()
    }
    this.now = end
  }
}
