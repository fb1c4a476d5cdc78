import type { TrafficPolicy } from '@sealway/protocol'
import type { Log } from '../observe/log.js'
import type { Registry } from './registry.js'

/** Keeps somebody told of the policies in the registry, wherever they are changed. */
export interface PolicyFeed {
  /** Reads them now; resolves when that was told. A database that does not answer leaves the last list in force. */
  refresh(): Promise<void>
  /** Reads them now and then every 4 s, so that what another mediator changed takes effect here within 5 s. */
  start(): Promise<void>
  stop(): void
}

const refreshEveryMs = 4_000

export function createPolicyFeed(parts: {
  readonly registry: Pick<Registry, 'policies'>
  readonly log: Log
  readonly onList: (policies: readonly TrafficPolicy[]) => void
}): PolicyFeed {
  const { registry, log, onList } = parts
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined
  let next: Promise<void> | undefined

  const read = async (): Promise<void> => {
    try {
      const records = await registry.policies()
      onList(records.map(({ updatedAt: _at, updatedBy: _by, ...policy }) => policy))
    } catch (error) {
      log.warn({ error }, 'policies were not refreshed; the last ones stay in force')
    }
  }
  const run = (): Promise<void> => {
    running = read().finally(() => {
      running = undefined
    })
    return running
  }
  const refresh = (): Promise<void> => {
    if (!running) return run()
    // One that is under way may have read before the change of who asks now.
    next ??= running.then(() => {
      next = undefined
      return run()
    })
    return next
  }

  return {
    refresh,
    async start() {
      timer ??= setInterval(() => void refresh(), refreshEveryMs).unref()
      await refresh()
    },
    stop() {
      clearInterval(timer)
      timer = undefined
    },
  }
}
