export interface BusyPollParts {
  /** How long it looks for more at most, ms. */
  readonly windowMs: number
  /** ms, of no known beginning, in fractions. */
  readonly now: () => number
  /** Runs at the end of this turn of the event loop, which then does not sleep: `setImmediate`. */
  readonly again: (turn: () => void) => void
}

/**
 * A call keeps three processes busy: caller, mediator and callee. With two processors for them, a mediator that polls
 * takes the time from the other two: one message per turn 113k/s instead of 137k/s, one way 695k/s instead of 837k/s
 * (docs/decisions/0020).
 */
const minProcessors = 4
/** Longer than that is no moment any more, us. */
export const maxBusyPollUs = 10_000
/** Of more at once nobody waits for the end: to be woken once for much of it is cheaper, bytes. */
const bulkBytes = 16 * 1024
/** Weight of one arrival in how likely it is that the next one comes soon. */
const weight = 1 / 16
/** From here on looking is worth more than it costs. */
const worthwhile = 0.75

/**
 * Keeps the event loop awake for a moment after something was read, where more has been coming within that moment: to
 * sleep and be woken takes longer than most answers do (docs/decisions/0020). Where little comes, it sleeps as ever.
 */
export class BusyPoll {
  private arrivedAt = Number.NEGATIVE_INFINITY
  /** Of late, the share of arrivals that came within the window after the one before: 0 to 1. */
  private likely = 0
  private turning = false

  constructor(private readonly parts: BusyPollParts) {}

  /** So many bytes were read. */
  readonly arrived = (bytes: number): void => {
    const { windowMs, now, again } = this.parts
    const at = now()
    const isWorth = bytes <= bulkBytes && at - this.arrivedAt <= windowMs
    this.likely += ((isWorth ? 1 : 0) - this.likely) * weight
    this.arrivedAt = at
    if (this.turning || this.likely < worthwhile) return
    this.turning = true
    again(this.turn)
  }

  private readonly turn = (): void => {
    if (this.likely >= worthwhile && this.parts.now() - this.arrivedAt < this.parts.windowMs)
      this.parts.again(this.turn)
    else this.turning = false
  }
}

/**
 * @param us how long to look for more at most; 0: not at all
 * @param processors that this process may use, in fractions
 * @param again as in `BusyPollParts`
 * @returns to be told of each read, in bytes; undefined: nothing is to be done
 */
export function busyPoll(
  us: number,
  processors: number,
  again: BusyPollParts['again'],
): ((bytes: number) => void) | undefined {
  if (us === 0 || processors < minProcessors) return undefined
  return new BusyPoll({ windowMs: us / 1_000, now: () => performance.now(), again }).arrived
}
