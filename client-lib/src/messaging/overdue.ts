import { limits } from '@sealway/protocol'
import type { Timers } from '../session/timers.js'
import { Deadlines } from './deadlines.js'
import type { Run, RunWatch } from './run.js'

/** What a handler is given to end in, after its caller has stopped waiting, ms. */
export const endWithinMs = 1_000
/** A handler that nobody waits for is reported after this, ms. */
const reportAfterMs = limits.callTimeoutMs
/** What holds up later messages of its sender does so no longer than this, ms: as long as the longest call. */
const giveUpAfterMs = limits.maxCallTimeoutMs

export interface OverdueParts {
  readonly timers: Timers
  /** The places of this handler go to others. */
  readonly giveBackSlot: (run: Run) => void
  /** What its sender sent later waits for it no longer. */
  readonly leaveLine: (run: Run) => void
  /** @param afterMs how long it has been running */
  readonly report: (run: Run, afterMs: number) => void
}

/**
 * Handlers that do not end. One whose caller has stopped waiting gives back its place a second later, but keeps its place
 * in the order that `concurrency` asks for. One that nobody waits for, a fire's, keeps both. 15 minutes end all of it.
 */
export class Overdue implements RunWatch {
  private readonly parts: OverdueParts
  private readonly deadlines: Deadlines

  constructor(parts: OverdueParts) {
    this.parts = parts
    this.deadlines = new Deadlines(parts.timers)
  }

  /** It has begun. */
  watch(run: Run): void {
    if (run.delivery.aborted) this.aborted(run)
    else if (run.delivery.corr < 0) this.deadlines.add(run, reportAfterMs)
  }

  /** It has ended. */
  ended(run: Run): void {
    this.deadlines.remove(run)
  }

  aborted(run: Run): void {
    this.deadlines.remove(run)
    this.deadlines.add(run, endWithinMs)
  }

  expired(run: Run): void {
    const { timers, giveBackSlot, leaveLine, report } = this.parts
    const afterMs = timers.monotonic() - run.since
    const givenUp = afterMs >= giveUpAfterMs
    if (!givenUp || run.hasSlot) report(run, afterMs)
    if (run.hasSlot && (givenUp || run.delivery.aborted)) giveBackSlot(run)
    if (!run.inLine && !run.hasSlot) return
    if (givenUp) leaveLine(run)
    else this.deadlines.add(run, giveUpAfterMs - afterMs)
  }

  close(): void {
    this.deadlines.close()
  }
}
