import type { Server } from 'node:http'
import { beatEveryMs, type Lag, LagMeter } from '../observe/lag.js'
import type { Log } from '../observe/log.js'
import type { NodeRecord, Registry } from '../registry/registry.js'
import type { Relay } from '../routing/relay.js'
import type { LiveHealth, LiveNode } from './events.js'
import { HistoryRing, historyStepMs } from './history.js'
import { Listing } from './listing.js'
import { LiveNodes } from './nodes.js'
import { Traffic } from './traffic.js'
import { type Visitors, Watchers } from './watchers.js'

export interface Memory {
  readonly rssBytes: number
  readonly heapBytes: number
}

export interface LiveParts {
  readonly relay: Relay
  readonly registry: Pick<Registry, 'nodes'>
  readonly visitors: Visitors
  /** Whether the database answers; asked once a second while health is watched. */
  readonly databaseUp: () => Promise<boolean>
  /** Requests for nodes that have ended, of all time. */
  readonly httpEnded: () => number
  readonly memory: () => Memory
  readonly version: string
  /** ms since 1970. */
  readonly startedAt: number
  readonly clock: () => number
  readonly monotonic: () => number
  readonly log: Log
}

const secondMs = 1_000
/** How often the registry is asked for nodes that are not connected, ms, and how many of them are shown. */
const askEveryMs = 15_000
const pageSize = 1_000
const maxPages = 10

/** Counts of all time at one moment, from which rates are made. */
interface Totals {
  readonly at: number
  readonly frames: number
  readonly bytes: number
  readonly errors: number
  readonly http: number
}

/** What exists while somebody watches traffic or nodes. */
interface Gathering {
  readonly traffic: Traffic
  readonly nodes: LiveNodes
  askedAt: number
}

/** Tells operators live what the mediator does. Traffic is gathered only while somebody watches it. */
export class Live {
  private readonly history = new HistoryRing()
  private readonly lag: LagMeter
  private readonly watchers: Watchers
  private readonly listings = new Map<string, Listing>()
  private gathering: Gathering | undefined
  private second: Totals
  private step: Totals
  private stepLagMs = 0
  private lastLag: Lag = { p50Ms: 0, maxMs: 0 }
  private isDatabaseUp = true
  private beating: NodeJS.Timeout | undefined

  constructor(private readonly parts: LiveParts) {
    this.lag = new LagMeter(parts.monotonic)
    this.second = this.step = this.totals()
    this.watchers = new Watchers({
      visitors: parts.visitors,
      watched: (watch) => {
        this.rearrange()
        if (watch.topics.includes('health')) this.askDatabase()
        return this.history.read()
      },
      left: () => this.rearrange(),
      log: parts.log,
    })
  }

  /** Takes those who connect to this server under `livePath`. Call it after the server has its application. */
  attach(server: Server): void {
    this.watchers.attach(server)
    this.beating ??= setInterval(() => this.lag.beat(), beatEveryMs).unref()
  }

  /** Frames and edges are watched now. */
  get gathers(): boolean {
    return this.gathering !== undefined
  }

  /** Of the last second. */
  get lagNow(): Lag {
    return this.lastLag
  }

  get watching(): number {
    return this.watchers.count
  }

  /** An operator removed that node. */
  removed(name: string): void {
    this.gathering?.nodes.remove(name)
  }

  close(): void {
    clearInterval(this.beating)
    this.watchers.close()
    this.rearrange()
  }

  /** Somebody began to watch something else, or left: what is gathered is what is watched. */
  private rearrange(): void {
    const { relay, clock, monotonic } = this.parts
    const { watchers } = this
    if (!watchers.watch('frames') && !watchers.watch('edges') && !watchers.watch('nodes')) {
      this.gathering = undefined
      this.listings.clear()
      relay.watch(undefined)
      return
    }
    if (!this.gathering) {
      const traffic = new Traffic({ now: clock, monotonic })
      const nodes = new LiveNodes(relay.presence, traffic)
      this.gathering = { traffic, nodes, askedAt: Number.NEGATIVE_INFINITY }
      nodes.read(secondMs)
      relay.watch(traffic)
    }
    this.gathering.traffic.watchEdges(watchers.watch('edges'))
    this.askRegistryWhenDue(this.gathering, clock())
    const wanted = new Map(watchers.filters().map((filter) => [JSON.stringify(filter), filter]))
    for (const name of this.listings.keys()) if (!wanted.has(name)) this.listings.delete(name)
    for (const [name, filter] of wanted) {
      if (!this.listings.has(name)) this.listings.set(name, new Listing(filter))
    }
    this.gathering.traffic.listings = [...this.listings.values()]
  }

  /** Four times a second. */
  tick(): void {
    const now = this.parts.clock()
    const { gathering, watchers } = this
    gathering?.traffic.tick()
    watchers.begin()
    for (const [name, listing] of this.listings) watchers.tellFrames(name, listing.take())
    const sinceMs = now - this.second.at
    // A clock that was set back begins a new second.
    if (sinceMs >= secondMs || sinceMs < 0) this.eachSecond(now, Math.max(1, sinceMs))
    if (gathering) watchers.tellAllNodes(gathering.nodes.known)
  }

  private eachSecond(now: number, ms: number): void {
    const { gathering, watchers } = this
    this.lastLag = this.lag.take()
    this.stepLagMs = Math.max(this.stepLagMs, this.lastLag.maxMs)
    const before = this.second
    this.second = this.totals()
    if (now - this.step.at >= historyStepMs || now < this.step.at) this.keepStep()
    watchers.dismissStrangers()
    if (gathering) {
      const change = gathering.nodes.read(ms)
      gathering.traffic.forgetRoutes()
      if (watchers.watch('nodes')) watchers.tellNodes(change)
      this.askRegistryWhenDue(gathering, now)
      if (watchers.watch('edges')) watchers.tellEdges(gathering.traffic.readEdges())
    }
    if (watchers.watch('health')) {
      watchers.tellHealth(this.health(before, ms))
      this.askDatabase()
    }
  }

  private keepStep(): void {
    const { relay, memory } = this.parts
    const { step, second } = this
    this.history.add({
      at: second.at,
      frames: second.frames - step.frames,
      bytes: second.bytes - step.bytes,
      errors: second.errors - step.errors,
      links: relay.presence.count,
      lagMaxMs: this.stepLagMs,
      rssBytes: memory().rssBytes,
      queuedBytes: relay.budget.usedBytes,
    })
    this.step = second
    this.stepLagMs = 0
  }

  private totals(): Totals {
    const { relay, clock, httpEnded } = this.parts
    const { frames, bytes } = relay.counters.of('DELIVERED')
    return { at: clock(), frames, bytes, errors: relay.counters.errors(), http: httpEnded() }
  }

  private health(before: Totals, ms: number): LiveHealth {
    const { relay, memory, version, startedAt } = this.parts
    const { second, lastLag } = this
    const rate = (now: number, then: number): number => Math.round(((now - then) * 1_000) / ms)
    return {
      now: second.at,
      startedAt,
      version,
      draining: relay.draining,
      database: this.isDatabaseUp ? 'up' : 'down',
      links: relay.links(),
      ...memory(),
      lagP50Ms: lastLag.p50Ms,
      lagMaxMs: lastLag.maxMs,
      overload: relay.overloadStep,
      queuedBytes: relay.budget.usedBytes,
      budgetBytes: relay.budget.limitBytes,
      framesPerSecond: rate(second.frames, before.frames),
      bytesPerSecond: rate(second.bytes, before.bytes),
      errorsPerSecond: rate(second.errors, before.errors),
      httpPerSecond: rate(second.http, before.http),
    }
  }

  private askDatabase(): void {
    void this.parts.databaseUp().then((up) => {
      this.isDatabaseUp = up
    })
  }

  /**
   * What is not connected is in the registry alone. It is asked as soon as somebody watches nodes, so that they are
   * among the first that are told. While the database is away, what was known stays.
   */
  private askRegistryWhenDue(gathering: Gathering, now: number): void {
    if (!this.watchers.watch('nodes') || Math.abs(now - gathering.askedAt) < askEveryMs) return
    gathering.askedAt = now
    registered(this.parts.registry).then(
      ({ records, isAll }) => {
        if (this.gathering !== gathering) return
        const added: LiveNode[] = gathering.nodes.registered(records, isAll)
        if (added.length > 0) this.watchers.tellNodes({ nodes: added, removed: [] })
      },
      (error: unknown) => this.parts.log.debug({ error }, 'nodes that are not connected cannot be shown'),
    )
  }
}

async function registered(registry: Pick<Registry, 'nodes'>) {
  const records: NodeRecord[] = []
  for (let page = 0; page < maxPages; page++) {
    const after = records.at(-1)?.name
    const more = await registry.nodes({ limit: pageSize, ...(after === undefined ? {} : { after }) })
    records.push(...more)
    if (more.length < pageSize) return { records, isAll: true }
  }
  return { records, isAll: false }
}
