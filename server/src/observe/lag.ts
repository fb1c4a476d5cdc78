/** How often the event loop is asked to be on time, ms: what blocks it for longer is always seen. */
export const beatEveryMs = 20

export interface Lag {
  readonly p50Ms: number
  readonly maxMs: number
}

/**
 * Delay of the event loop, from a timer that is due every 20 ms. Not `monitorEventLoopDelay`: after each reset it leaves
 * out the delay that was under way, which is the long one.
 */
export class LagMeter {
  private last: number
  private delays: number[] = []

  constructor(private readonly monotonic: () => number) {
    this.last = monotonic()
  }

  beat(): void {
    const now = this.monotonic()
    this.delays.push(Math.max(0, now - this.last - beatEveryMs))
    this.last = now
  }

  /** Since it was last asked. */
  take(): Lag {
    const sorted = this.delays.sort((a, b) => a - b)
    this.delays = []
    return { p50Ms: sorted[Math.floor(sorted.length / 2)] ?? 0, maxMs: sorted.at(-1) ?? 0 }
  }
}
