import { SealwayError } from '@sealway/protocol'
import type { AckedOptions, BroadcastOptions, CallOptions, GatherOptions, SendOptions } from '../messaging/messenger.js'
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
  private readonly open = new Map<number, number>()

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

  /** As kill -9: from here on nothing of this process happens, and what it waited for it never learns. */
  crash(): void {
    if (!this.process.alive) return
    this.process.alive = false
    for (const id of this.open.keys()) this.end(id, { type: 'unknown', error: undefined })
    this.history.add({ type: 'crashed', ...this.entry() })
  }

  private entry() {
    return { at: this.process.now(), node: this.name, process: this.process.id }
  }

  private async record<T>(verb: string, to: string, action: string, body: unknown, work: () => Promise<T>): Promise<T> {
    const id = this.history.nextOperation()
    this.history.add({ type: 'invoke', ...this.entry(), id, verb, to, action, body })
    this.open.set(id, this.process.now())
    try {
      const result = await work()
      this.end(id, { type: 'ok', result })
      return result
    } catch (error) {
      const failed = error instanceof SealwayError && error.outcome === 'not-delivered'
      this.end(id, { type: failed ? 'fail' : 'unknown', error: error as SealwayError })
      throw error
    }
  }

  private end(id: number, how: EndOf): void {
    const since = this.open.get(id)
    if (since === undefined) return
    this.open.delete(id)
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
