import type { Handled } from '../messaging/hooks.js'
import type { Node, Plugin } from '../node.js'
import { Histogram } from './histogram.js'

/** What became of the messages of one action, and how long that took. */
export interface ActionStats {
  readonly action: string
  readonly count: number
  readonly answered: number
  /** Expected errors: `ctx.fail`. */
  readonly failed: number
  /** Exceptions. */
  readonly crashed: number
  /** No handler ran. */
  readonly refused: number
  /** Streams that did not come to their end: the reader stopped, or the way broke. */
  readonly broken: number
  /** Of those that a handler took. */
  readonly p50Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
  readonly maxMs: number
}

export interface NodeStats {
  readonly node: string
  /** ms since 1970. */
  readonly since: number
  /** What has a handler now. */
  readonly actions: readonly string[]
  /** What has arrived, the most frequent first. */
  readonly byAction: readonly ActionStats[]
}

export interface StatsOptions {
  /** Under which action others read it; false: under none. Default: `stats.read`. */
  readonly action?: string | false
  readonly clock?: () => number
}

export interface StatsPlugin extends Plugin {
  read(): NodeStats
}

/** Names come from outside; those beyond this are counted together. */
const maxActions = 1_000
const others = '(others)'

/** Counts and times what arrives, in bounded memory: for `plugin.read()`, and for other nodes as an action. */
export function stats({ action = 'stats.read', clock = Date.now }: StatsOptions = {}): StatsPlugin {
  const byAction = new Map<string, Counts>()
  const since = clock()
  let node: Node | undefined
  const countsOf = (name: string): Counts => {
    const known = byAction.get(name)
    if (known) return known
    if (byAction.size >= maxActions && name !== others) return countsOf(others)
    const counts = new Counts()
    byAction.set(name, counts)
    return counts
  }
  const read = (): NodeStats => ({
    node: node?.name ?? '',
    since,
    actions: node?.actions ?? [],
    byAction: [...byAction].map(([name, counts]) => counts.read(name)).sort((a, b) => b.count - a.count),
  })
  return {
    name: 'stats',
    read,
    install: (installed) => {
      node = installed
      if (action !== false) node.on(action, read)
    },
    after: (command, _context, handled) => countsOf(command.action).add(handled),
  }
}

class Counts {
  private readonly ends = { answered: 0, failed: 0, crashed: 0, refused: 0, broken: 0 }
  private readonly durations = new Histogram()

  add({ type, durationMs }: Handled): void {
    this.ends[type]++
    if (type !== 'refused') this.durations.add(durationMs)
  }

  read(action: string): ActionStats {
    const { ends, durations } = this
    return {
      action,
      count: durations.count + ends.refused,
      ...ends,
      p50Ms: durations.percentile(0.5),
      p95Ms: durations.percentile(0.95),
      p99Ms: durations.percentile(0.99),
      maxMs: durations.maxMs,
    }
  }
}
