import type { Timers } from '../session/timers.js'
import type { Calls, Pending } from './calls.js'
import type { Outlet } from './outlet.js'

/** A target that left may be back within this, ms. */
export const returnGraceMs = 2_000

export interface DeparturesParts {
  readonly calls: Calls
  readonly timers: Timers
  /** Streams with that node break. */
  readonly streamsLost: (name: string) => void
  /** Resolves when the mediator has answered all that was sent to it before; soon, whatever happens. Never rejects. */
  readonly answeredSoFar: () => Promise<void>
}

/** Tells those who wait for a node that it has left. */
export class Departures {
  private readonly parts: DeparturesParts
  /** Those of whom the mediator may still say that it did not take what they sent. */
  private doubtful: (() => void)[] = []
  private asking = false

  constructor(parts: DeparturesParts) {
    this.parts = parts
  }

  /**
   * What was sent there is not answered any more. What is kept waits a moment for the same process to come back, as
   * after a restart of the mediator, where nodes return one after the other; to another process it says nothing.
   */
  left(outlet: Outlet, forGood: boolean): void {
    const { timers, streamsLost } = this.parts
    streamsLost(outlet.to)
    this.absent(outlet.to)
    const waiting = outlet.awaiting.values() as Pending[]
    if (waiting.length === 0) return
    const tell = (waiter: Pending): void => {
      if (outlet.awaiting.has(waiter.corr)) waiter.peerLeft(outlet.to)
    }
    this.afterRejects(() => {
      for (const waiter of waiting) if (forGood || !waiter.kept) tell(waiter)
    })
    if (forGood) return
    timers.setBackground(() => {
      if (outlet.online === false) waiting.forEach(tell)
    }, returnGraceMs)
  }

  /** A member that was handed something as one of a group is not there: it will not answer. */
  absent(name: string): void {
    for (const waiter of [...this.parts.calls.askedOf(name)]) waiter.peerLeft(name)
  }

  /** What crossed the news on its way is rejected, and so was not delivered: that is more than that the node has left. */
  private afterRejects(work: () => void): void {
    this.doubtful.push(work)
    if (!this.asking) void this.ask()
  }

  private async ask(): Promise<void> {
    this.asking = true
    while (this.doubtful.length > 0) {
      const works = this.doubtful
      this.doubtful = []
      await this.parts.answeredSoFar()
      for (const work of works) work()
    }
    this.asking = false
  }
}
