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
}

/** Tells those who wait for a node that it has left. */
export class Departures {
  private readonly parts: DeparturesParts

  constructor(parts: DeparturesParts) {
    this.parts = parts
  }

  /**
   * What was sent there is not answered any more. What is kept waits a moment for the same process to come back, as
   * after a restart of the mediator, where nodes return one after the other; to another process it says nothing.
   */
  left(outlet: Outlet, forGood: boolean): void {
    const { calls, timers, streamsLost } = this.parts
    streamsLost(outlet.to)
    const waiting = [...outlet.awaiting] as Pending[]
    for (const waiter of waiting) if (forGood || !waiter.kept) waiter.peerLeft(outlet.to)
    for (const waiter of [...calls.askedOf(outlet.to)]) waiter.peerLeft(outlet.to)
    if (forGood || outlet.awaiting.size === 0) return
    timers.setBackground(() => {
      if (outlet.online !== false) return
      for (const waiter of waiting) if (outlet.awaiting.has(waiter)) waiter.peerLeft(outlet.to)
    }, returnGraceMs)
  }
}
