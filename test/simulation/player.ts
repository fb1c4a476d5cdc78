import { parentPort } from 'node:worker_threads'
import { type Script, simulate } from './scenario.js'

/** Asks for the seeds from one to another. */
export interface Round {
  readonly first: number
  readonly last: number
  /** With the histories of all, not only of those that broke a promise. */
  readonly whole: boolean
}

/** What became of one seed. */
export interface Played {
  readonly seed: number
  /** Empty where every promise was kept. */
  readonly violations: readonly string[]
  readonly script: Script
  /** Line by line, where it was asked for or a promise was broken. */
  readonly history: string | undefined
  /** Verbs that were called, and what else happened, by type. */
  readonly seen: readonly string[]
}

/** The end of a stage that plays: rounds come, and what became of each of their seeds goes back. */
parentPort!.on('message', async ({ first, last, whole }: Round) => {
  const all: Played[] = []
  for (let seed = first; seed <= last; seed++) {
    const { violations, script, history } = await simulate(seed)
    const seen = new Set(history.events.map((event) => (event.type === 'invoke' ? event.verb : event.type)))
    all.push({
      seed,
      violations,
      script,
      history: whole || violations.length > 0 ? String(history) : undefined,
      seen: [...seen],
    })
  }
  parentPort!.postMessage(all)
})
