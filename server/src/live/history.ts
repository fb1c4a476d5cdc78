import type { History } from './events.js'

export const historyStepMs = 10_000
/** An hour. */
const steps = 360

const columns = ['at', 'frames', 'bytes', 'errors', 'links', 'lagMaxMs', 'rssBytes', 'queuedBytes'] as const

export type HistoryStep = { readonly [Column in (typeof columns)[number]]: number }

/** The last hour in steps of ten seconds; kept always, as it is a few numbers every ten seconds. */
export class HistoryRing {
  private readonly steps: HistoryStep[] = []

  add(step: HistoryStep): void {
    this.steps.push(step)
    if (this.steps.length > steps) this.steps.shift()
  }

  /** Columns of the same length, oldest first. */
  read(): History {
    const column = (name: (typeof columns)[number]): number[] => this.steps.map((step) => step[name])
    const { at, frames, bytes, errors, links, lagMaxMs, rssBytes, queuedBytes } = Object.fromEntries(
      columns.map((name) => [name, column(name)]),
    ) as { [Column in (typeof columns)[number]]: number[] }
    return { stepMs: historyStepMs, at, frames, bytes, errors, links, lagMaxMs, rssBytes, queuedBytes }
  }
}
