import { Fifo } from '../messaging/lines.js'

interface Step {
  readonly work: Promise<() => void>
  readonly bytes: number
}

/**
 * Work in the order in which it arrived, though some of it waits for the browser's crypto: a frame that says that a
 * sender has left must not overtake what that one sent before.
 */
export class InOrder {
  private readonly steps = new Fifo<Step>()
  private bytes = 0
  private draining = false

  /** @param failed gets what the work throws; work goes on behind it */
  constructor(private readonly failed: (error: unknown) => void) {}

  /** Bytes of what waits. */
  get waitingBytes(): number {
    return this.bytes
  }

  /** At once where nothing waits. */
  run(work: () => void): void {
    if (this.draining) this.later(Promise.resolve(work), 0)
    else this.attempt(work)
  }

  /** When it is ready, and what came before is done. */
  later(work: Promise<() => void>, bytes: number): void {
    this.steps.push({ work, bytes })
    this.bytes += bytes
    if (!this.draining) void this.drain()
  }

  private async drain(): Promise<void> {
    this.draining = true
    for (let step = this.steps.shift(); step; step = this.steps.shift()) {
      try {
        this.attempt(await step.work)
      } catch (error) {
        this.failed(error)
      }
      this.bytes -= step.bytes
    }
    this.draining = false
  }

  private attempt(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.failed(error)
    }
  }
}
