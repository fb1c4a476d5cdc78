import type { Timers } from '../session/timers.js'
import type { Outcome } from './outcomes.js'

/** What the answers that one node keeps for repeats may take, bytes. */
const maxBytes = 16 * 1024 * 1024
/** What an outcome takes beside its answer, bytes. */
const outcomeBytes = 256
/** How often those are looked for that nobody waits for any more, ms. */
const sweepMs = 5_000
/** A copy that was sent before the deadline may come after it, ms. */
const graceMs = 5_000
/** Where the message says no deadline, ms. */
const usualDeadlineMs = 60_000

/**
 * The answers of one node to messages that may come again, bounded by bytes and by time: an answer goes when its sender
 * has stopped waiting, or, oldest first, for want of room. That it was handled is remembered longer than the answer, and
 * the replay window of its flow refuses a second run in any case.
 */
export class KeptAnswers {
  private readonly whole = new Set<Outcome>()
  /** Their answers had no bytes, or were given up. */
  private readonly empty = new Set<Outcome>()
  private used = 0
  private timer: unknown

  constructor(
    private readonly timers: Timers,
    private readonly clock: () => number,
  ) {}

  /** Bytes in use. */
  get bytes(): number {
    return this.used
  }

  get size(): number {
    return this.whole.size + this.empty.size
  }

  /** An answer was given. @param deadline when its sender stops waiting, ms since 1970 */
  add(outcome: Outcome, deadline: number | undefined): void {
    outcome.keptUntil = (deadline ?? this.clock() + usualDeadlineMs) + graceMs
    if (outcome.bytes) this.whole.add(outcome)
    else this.empty.add(outcome)
    this.used += outcomeBytes + outcome.size
    while (this.used > maxBytes) this.makeRoom()
    this.sweepLater()
  }

  private makeRoom(): void {
    for (const oldest of this.whole) {
      this.used -= oldest.size
      oldest.giveUp()
      this.whole.delete(oldest)
      this.empty.add(oldest)
      return
    }
    for (const oldest of this.empty) return this.forget(oldest)
  }

  private forget(outcome: Outcome): void {
    this.whole.delete(outcome)
    this.empty.delete(outcome)
    this.used -= outcomeBytes + outcome.size
    outcome.giveUp()
    outcome.frame?.forget()
  }

  private sweepLater(): void {
    this.timer ??= this.timers.setBackground(() => {
      this.timer = undefined
      const now = this.clock()
      for (const outcomes of [this.whole, this.empty]) {
        for (const outcome of outcomes) if (now > outcome.keptUntil) this.forget(outcome)
      }
      if (this.size > 0) this.sweepLater()
    }, sweepMs)
  }

  /** The node was closed. */
  close(): void {
    this.timers.clear(this.timer)
    this.timer = undefined
  }
}
