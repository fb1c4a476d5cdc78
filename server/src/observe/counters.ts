import type { Code } from '@sealway/protocol'

export interface Count {
  frames: number
  bytes: number
}

/** What became of frames, by outcome. Bounded by the code table, so it can be a metric's label. */
export class Counters {
  /** Links that were registered, and those that ended before, by code. */
  registrations = 0
  readonly refusedLinks = new Map<Code | 'END', number>()
  private readonly byOutcome = new Map<Code | 'DELIVERED' | 'LOST', Count>()

  add(outcome: Code | 'DELIVERED' | 'LOST', frames: number, bytes: number): void {
    const count = this.byOutcome.get(outcome)
    if (count) {
      count.frames += frames
      count.bytes += bytes
    } else {
      this.byOutcome.set(outcome, { frames, bytes })
    }
  }

  of(outcome: Code | 'DELIVERED' | 'LOST'): Readonly<Count> {
    return this.byOutcome.get(outcome) ?? { frames: 0, bytes: 0 }
  }

  refuseLink(code: Code | 'END'): void {
    this.refusedLinks.set(code, (this.refusedLinks.get(code) ?? 0) + 1)
  }

  /** Frames that did not get to a link, or were lost with it. */
  errors(): number {
    let frames = 0
    for (const [outcome, count] of this.byOutcome) if (outcome !== 'DELIVERED') frames += count.frames
    return frames
  }

  snapshot(): { readonly [outcome: string]: Readonly<Count> } {
    return Object.fromEntries([...this.byOutcome].map(([outcome, count]) => [outcome, { ...count }]))
  }
}
