import { type Code, httpStatusOf } from '@sealway/protocol'

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

  /** `answered`; `refused`: its status is under 500; `failed`. */
  byClass(): { readonly answered: number; readonly refused: number; readonly failed: number } {
    const classes = { answered: 0, refused: 0, failed: 0 }
    for (const [outcome, count] of this.byOutcome) {
      if (outcome === 'ANSWERED') classes.answered += count
      else classes[httpStatusOf(outcome) < 500 ? 'refused' : 'failed'] += count
    }
    return classes
  }

  snapshot(): { readonly [outcome: string]: number } {
    return Object.fromEntries(this.byOutcome)
  }
}
