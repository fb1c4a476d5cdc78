import type { Code } from '@sealway/protocol'

export type HttpOutcome = Code | 'ANSWERED'

/** What became of requests, by outcome. Bounded by the code table, so it can be a metric's label. */
export class HttpOutcomes {
  /** Of all outcomes. */
  total = 0
  private readonly byOutcome = new Map<HttpOutcome, number>()

  add(outcome: HttpOutcome): void {
    this.total++
    this.byOutcome.set(outcome, this.of(outcome) + 1)
  }

  of(outcome: HttpOutcome): number {
    return this.byOutcome.get(outcome) ?? 0
  }

  snapshot(): { readonly [outcome: string]: number } {
    return Object.fromEntries(this.byOutcome)
  }
}
