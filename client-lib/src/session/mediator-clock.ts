/** A time that the mediator told, against this node's monotonic clock. */
interface Sample {
  /** The mediator's clock when the monotonic one was at 0, ms since 1970. */
  readonly zero: number
  /** It is right within half of this, ms. */
  readonly rttMs: number
}

/** Of so many, the one with the shortest round trip is believed: what made the others longer also bent them. */
const maxSamples = 8

/** What the mediator's clock says, as well as this node knows. A step of this machine's clock does not move it. */
export class MediatorClock {
  private samples: Sample[] = []
  private best: Sample | undefined

  constructor(
    /** This machine's clock, ms since 1970: what counts until the mediator has told its own. */
    private readonly clock: () => number,
    private readonly monotonic: () => number,
  ) {}

  /** ms since 1970. */
  now(): number {
    return this.best ? this.best.zero + this.monotonic() : this.clock()
  }

  /** How far the mediator's clock is ahead of this machine's, ms. */
  get offsetMs(): number {
    return this.now() - this.clock()
  }

  /** A new link, and what its welcome says. It may be another mediator, so what was known before counts no more. */
  welcomed(mediatorNow: number): void {
    this.samples = []
    this.add({ zero: mediatorNow - this.monotonic(), rttMs: Number.POSITIVE_INFINITY })
  }

  /** An answer to a question for the time; when it was asked and answered by the monotonic clock, ms. */
  answered(mediatorNow: number, askedAt: number, answeredAt: number): void {
    this.add({ zero: mediatorNow - (askedAt + answeredAt) / 2, rttMs: answeredAt - askedAt })
  }

  private add(sample: Sample): void {
    this.samples.push(sample)
    if (this.samples.length > maxSamples) this.samples.shift()
    this.best = this.samples.reduce((best, one) => (one.rttMs <= best.rttMs ? one : best))
  }
}
