/** Waits between the copies of one frame, ms: 1, 2, 4 s, then every 4 s while a deadline lasts (SEMANTICS.md). */
const firstWaitMs = 1_000
const longestWaitMs = 4_000
/** Spread, so that nodes which lost the same mediator do not come back in step. */
const spread = 0.2

/** When a frame that is kept goes out again. */
export class Resending {
  /** Who waits and is not settled. */
  open = 0
  attempts = 1
  private dueAt: number

  constructor(
    now: number,
    /** 0 to 1. */
    private readonly random: () => number,
  ) {
    this.dueAt = now + this.waitMs()
  }

  isDue(now: number): boolean {
    return now >= this.dueAt
  }

  sent(now: number): void {
    this.attempts++
    this.dueAt = now + this.waitMs()
  }

  /** The way is open again: at once. */
  hurry(now: number): void {
    this.dueAt = now
  }

  private waitMs(): number {
    const ms = Math.min(firstWaitMs * 2 ** (this.attempts - 1), longestWaitMs)
    return ms * (1 - spread + 2 * spread * this.random())
  }
}
