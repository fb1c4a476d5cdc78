import { SealwayError } from '@sealway/protocol'
import type { StreamOptions } from '../messaging/streams/reader.js'
import type { PublishOptions } from '../messaging/topics/topics.js'
import type {
  AckedOptions,
  BroadcastOptions,
  CallOptions,
  GatherOptions,
  SendOptions,
} from '../messaging/verb-options.js'
import { Node } from '../node.js'
import type { ResolvedOptions, Surroundings } from '../options.js'
import type { Timers } from '../session/timers.js'
import type { VirtualClock } from './clock.js'
import type { End, History } from './history.js'

/** One process: what it has set going stops when it does. */
export class Process implements Timers {
  alive = true

  constructor(
    /** `orders-1#2`. */
    readonly id: string,
    private readonly clock: VirtualClock,
  ) {}

  readonly now = (): number => this.clock.now()
  readonly monotonic = (): number => this.clock.now()
  readonly soon = (work: () => void): void => this.clock.soon(this.gated(work))

  set(work: () => void, ms: number): unknown {
    return this.clock.set(this.gated(work), ms)
  }

  setBackground(work: () => void, ms: number): unknown {
    return this.set(work, ms)
  }

  clear(timer: unknown): void {
    this.clock.clear(timer)
  }

  gated<Args extends unknown[]>(work: (...args: Args) => void): (...args: Args) => void {
    return (...args) => {
      if (this.alive) work(...args)
    }
  }
}

/** A node of a test net: as any other, and its net keeps a history of what it does. */
export class TestNode extends Node {
  private readonly openOperations = new Map<number, number>()

  /** Use `net.connect`. */
  constructor(
    options: ResolvedOptions,
    surroundings: Surroundings,
    private readonly process: Process,
    private readonly history: History,
  ) {
    super(options, surroundings)
    this.recordHandlers()
    this.recordEvents()
  }

  /** Resolves when so much virtual time has gone by, and never where this process has crashed by then. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.process.set(resolve, ms))
  }

  override send(to: string, action: string, body?: unknown, options?: SendOptions) {
    return this.record('send', to, action, body, () => super.send(to, action, body, options))
  }

  override call<Reply = unknown>(to: string, action: string, body?: unknown, options?: CallOptions) {
    return this.record('call', to, action, body, () => super.call<Reply>(to, action, body, options))
  }

  override sendAcked(to: string, action: string, body?: unknown, options?: AckedOptions) {
    return this.record('sendAcked', to, action, body, () => super.sendAcked(to, action, body, options))
  }

  override broadcast(group: string, action: string, body?: unknown, options?: BroadcastOptions) {
    return this.record('broadcast', group, action, body, () => super.broadcast(group, action, body, options))
  }

  override gather<Reply = unknown>(group: string, action: string, body?: unknown, options?: GatherOptions) {
    return this.record('gather', group, action, body, () => super.gather<Reply>(group, action, body, options))
  }

  /** In the history with the group as `to` and the event as its action. */
  override publish(event: string, body?: unknown, options?: PublishOptions) {
    const group = options?.in ?? this.groups[0]!
    return this.record('publish', group, event, body, () => super.publish(event, body, options))
  }

  /** In the history it ends when it was read to its end, broke, or its reader had enough; `ok` counts the items. */
  override stream<Item = unknown>(to: string, action: string, body?: unknown, options?: StreamOptions) {
    const reader = super.stream<Item>(to, action, body, options)
    const id = this.begin('stream', to, action, body)
    const next = reader.next.bind(reader)
    const leave = reader.return.bind(reader)
    let items = 0
    reader.next = async () => {
      try {
        const result = await next()
        if (result.done) this.end(id, { type: 'ok', result: { items } })
        else items++
        return result
      } catch (error) {
        this.failed(id, error)
        throw error
      }
    }
    reader.return = () => {
      this.end(id, { type: 'ok', result: { items, left: true } })
      return leave()
    }
    return reader
  }

  /** As kill -9: from here on nothing of this process happens, and what it waited for it never learns. */
  crash(): void {
    if (!this.process.alive) return
    this.process.alive = false
    for (const id of this.openOperations.keys()) this.end(id, { type: 'unknown', error: undefined })
    this.history.add({ type: 'crashed', ...this.entry() })
  }

  private entry() {
    return { at: this.process.now(), node: this.name, process: this.process.id }
  }

  private async record<T>(verb: string, to: string, action: string, body: unknown, work: () => Promise<T>): Promise<T> {
    const id = this.begin(verb, to, action, body)
    try {
      const result = await work()
      this.end(id, { type: 'ok', result })
      return result
    } catch (error) {
      this.failed(id, error)
      throw error
    }
  }

  private begin(verb: string, to: string, action: string, body: unknown): number {
    const id = this.history.nextOperation()
    this.history.add({ type: 'invoke', ...this.entry(), id, verb, to, action, body })
    this.openOperations.set(id, this.process.now())
    return id
  }

  private failed(id: number, error: unknown): void {
    const failed = error instanceof SealwayError && error.outcome === 'not-delivered'
    this.end(id, { type: failed ? 'fail' : 'unknown', error: error as SealwayError })
  }

  private end(id: number, how: EndOf): void {
    const since = this.openOperations.get(id)
    if (since === undefined) return
    this.openOperations.delete(id)
    const { type, ...rest } = how
    this.history.add({ type, ...this.entry(), id, afterMs: this.process.now() - since, ...rest } as End)
  }

  private recordHandlers(): void {
    const runs = new WeakMap<object, number>()
    this.before((command, { from, to, key }) => {
      if (!this.process.alive) return
      const run = this.history.nextRun()
      runs.set(command, run)
      let body: unknown
      try {
        body = command.body
      } catch {
        // What does not decode is the handler's to find out.
      }
      this.history.add({ type: 'run', ...this.entry(), run, from, to, action: command.action, body, key })
    })
    this.after((command, { from }, handled) => {
      if (!this.process.alive) return
      const result = handled.type === 'answered' ? handled.result : handled.error
      const { action } = command
      this.history.add({
        type: 'ran',
        ...this.entry(),
        run: runs.get(command),
        from,
        action,
        outcome: handled.type,
        result,
      })
    })
  }

  private recordEvents(): void {
    const { events, history } = this
    events.on('connected', () => history.add({ type: 'connected', ...this.entry() }))
    events.on('disconnected', ({ error }) => history.add({ type: 'disconnected', ...this.entry(), code: error.code }))
    events.on('gap', (gap) => history.add({ type: 'gap', ...this.entry(), ...gap }))
    events.on('refused', (refused) => history.add({ type: 'refused', ...this.entry(), ...refused }))
    events.on('dropped', (dropped) => history.add({ type: 'dropped', ...this.entry(), ...dropped }))
  }
}

type EndOf =
  | { readonly type: 'ok'; readonly result: unknown }
  | { readonly type: 'fail'; readonly error: SealwayError }
  | { readonly type: 'unknown'; readonly error: SealwayError | undefined }
