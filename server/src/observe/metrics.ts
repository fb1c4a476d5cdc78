import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { Count } from './counters.js'
import type { GroupTotal } from './groups.js'

/** Where the numbers come from. Each is asked when somebody asks for the metrics, and not before. */
export interface MetricSources {
  readonly version: string
  readonly outcomes: () => { readonly [outcome: string]: Readonly<Count> }
  readonly links: () => { readonly [transport: string]: number }
  readonly registrations: () => number
  /** Links that ended before they were registered, by code. */
  readonly refusedLinks: () => ReadonlyMap<string, number>
  /** By class: `answered`, `refused` (4xx), `failed` (5xx). */
  readonly http: () => { readonly [outcomeClass: string]: number }
  readonly groups: () => readonly GroupTotal[]
  readonly queue: () => { readonly usedBytes: number; readonly limitBytes: number }
  /** 0: none, to 3: of the links that lag the heaviest is closed. */
  readonly overloadStep: () => number
  readonly lag: () => { readonly p50Ms: number; readonly maxMs: number }
  readonly draining: () => boolean
  readonly databaseUp: () => Promise<boolean>
  readonly watchers: () => number
}

type Labels = { readonly [name: string]: string }
type Sample = readonly [value: number, labels?: Labels]

/** What Prometheus is told. */
export class Metrics {
  private readonly registry = new Registry()
  private started = false

  constructor(private readonly sources: MetricSources) {}

  get contentType(): string {
    return this.registry.contentType
  }

  /** The text that Prometheus reads. */
  read(): Promise<string> {
    if (!this.started) {
      this.started = true
      this.start()
    }
    return this.registry.metrics()
  }

  /** At the first question: a mediator that nobody measures has none of it, nor the observers of the default metrics. */
  private start(): void {
    const s = this.sources
    collectDefaultMetrics({ register: this.registry })
    this.gauge('sealway_info', 'The version that runs; always 1.', () => [[1, { version: s.version }]], ['version'])
    this.counter('sealway_frames_total', 'Frames by what became of them.', ['outcome'], () =>
      Object.entries(s.outcomes()).map(([outcome, { frames }]) => [frames, { outcome }]),
    )
    this.counter('sealway_frame_bytes_total', 'Bytes of frames by what became of them.', ['outcome'], () =>
      Object.entries(s.outcomes()).map(([outcome, { bytes }]) => [bytes, { outcome }]),
    )
    this.counter('sealway_registrations_total', 'Links that were registered.', [], () => [[s.registrations()]])
    this.counter('sealway_links_refused_total', 'Links that ended before they were registered.', ['code'], () =>
      Array.from(s.refusedLinks(), ([code, count]) => [count, { code }]),
    )
    this.counter('sealway_http_exchanges_total', 'HTTP requests for nodes, by class of outcome.', ['class'], () =>
      Object.entries(s.http()).map(([name, count]) => [count, { class: name }]),
    )
    this.gauge(
      'sealway_links',
      'Registered links.',
      () => Object.entries(s.links()).map(([transport, count]) => [count, { transport }]),
      ['transport'],
    )
    this.gauge('sealway_outbox_bytes', 'Bytes that wait for links.', () => [[s.queue().usedBytes]])
    this.gauge('sealway_outbox_budget_bytes', 'Bytes that may wait at most (LIMIT_BUDGET).', () => [
      [s.queue().limitBytes],
    ])
    this.gauge(
      'sealway_overload_step',
      'Overload ladder: 0 none, 1 no new links, 2 no broadcasts, 3 the heaviest that lags is closed.',
      () => [[s.overloadStep()]],
    )
    this.gauge(
      'sealway_event_loop_lag_seconds',
      'Delay of the event loop within the last second.',
      () => {
        const { p50Ms, maxMs } = s.lag()
        return [
          [p50Ms / 1_000, { part: 'p50' }],
          [maxMs / 1_000, { part: 'max' }],
        ]
      },
      ['part'],
    )
    this.gauge('sealway_draining', '1 while it shuts down.', () => [[Number(s.draining())]])
    this.gauge('sealway_database_up', 'Whether the database answers.', async () => [[Number(await s.databaseUp())]])
    this.gauge('sealway_live_watchers', 'Who watches the live feed.', () => [[s.watchers()]])
    this.groups()
  }

  /** Of the first fifty groups by name; the others together as `(other)`. */
  private groups(): void {
    const of = (field: 'nodes' | 'frames' | 'bytes' | 'queuedBytes') => (): Sample[] =>
      this.sources.groups().map((total) => [total[field], { group: total.group }])
    this.counter('sealway_group_frames_total', 'Frames written to members of a group.', ['group'], of('frames'))
    this.counter('sealway_group_bytes_total', 'Bytes written to members of a group.', ['group'], of('bytes'))
    this.gauge('sealway_group_nodes', 'Connected members of a group.', of('nodes'), ['group'])
    this.gauge('sealway_group_outbox_bytes', 'Bytes that wait for members of a group.', of('queuedBytes'), ['group'])
  }

  private counter(name: string, help: string, labelNames: string[], samples: () => readonly Sample[]): void {
    const counter: Counter = new Counter({
      ...{ name, help, labelNames, registers: [this.registry] },
      collect() {
        counter.reset()
        for (const [value, labels = {}] of samples()) counter.inc({ ...labels }, value)
      },
    })
  }

  private gauge(
    name: string,
    help: string,
    samples: () => readonly Sample[] | Promise<readonly Sample[]>,
    labelNames: string[] = [],
  ): void {
    const gauge: Gauge = new Gauge({
      ...{ name, help, labelNames, registers: [this.registry] },
      async collect() {
        const now = await samples()
        gauge.reset()
        for (const [value, labels = {}] of now) gauge.set({ ...labels }, value)
      },
    })
  }
}
