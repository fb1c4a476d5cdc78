import { Timed } from './deadlines.js'
import type { Delivery } from './delivery.js'
import type { Entry } from './handler-table.js'
import type { Line } from './lines.js'

/** What {@link Run} tells about its time. */
export interface RunWatch {
  /** Nobody waits for the answer any more. */
  aborted(run: Run): void
  /** The time is over that was given to it last. */
  expired(run: Run): void
}

/** A handler that returned a promise, until it ends or is given up. */
export class Run extends Timed {
  /** It has one of the node's places, and one of its action's. */
  hasSlot = true
  /** What its sender sent later waits for it. */
  inLine: boolean
  readonly since: number

  constructor(
    readonly delivery: Delivery,
    readonly entry: Entry,
    readonly line: Line | undefined,
    private readonly watch: RunWatch,
    now: number,
  ) {
    super()
    this.inLine = line !== undefined
    this.since = now
  }

  aborted(): void {
    this.watch.aborted(this)
  }

  expire(): void {
    this.watch.expired(this)
  }
}
