import type { Log } from '../observe/log.js'
import type { Registry } from './registry.js'

/** How often "last seen" is written: one statement for all live links. */
const touchEveryMs = 30_000
const evictEveryMs = 60_000

export interface Upkeep {
  start(): void
  stop(): void
}

/** Keeps the rows true while the mediator runs: who was seen last and when, and who will never come back. */
export function createUpkeep(parts: {
  readonly registry: Registry
  readonly log: Log
  readonly live: () => readonly { readonly name: string; readonly epoch: number }[]
  readonly evictAfterMs: number
  readonly evictNamelessAfterMs: number
}): Upkeep {
  const { registry, log, live, evictAfterMs, evictNamelessAfterMs } = parts
  const timers: NodeJS.Timeout[] = []

  const touch = async (): Promise<void> => {
    try {
      await registry.touch(live())
    } catch (error) {
      log.warn({ err: error }, 'last seen was not written')
    }
  }
  const evict = async (): Promise<void> => {
    try {
      const names = await registry.evict(evictAfterMs, evictNamelessAfterMs)
      if (names.length > 0) log.info({ nodes: names.length }, 'nodes that never came back were removed')
    } catch (error) {
      log.warn({ err: error }, 'old nodes were not removed')
    }
  }

  return {
    start() {
      void evict()
      timers.push(
        setInterval(() => void touch(), touchEveryMs),
        setInterval(() => void evict(), evictEveryMs),
      )
      for (const timer of timers) timer.unref()
    },
    stop() {
      for (const timer of timers) clearInterval(timer)
      timers.length = 0
    },
  }
}
