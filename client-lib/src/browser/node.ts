import {
  incarnationOf,
  type Peer,
  type PeerChange,
  parseGroup,
  type Query,
  SealwayError,
  type TransportName,
  type Welcome,
} from '@sealway/protocol'
import { aborted, timeoutOf, type WaitOptions } from '../messaging/deadline.js'
import { Emitter } from '../messaging/events.js'
import { PeerWatches, peersOf } from '../peers.js'
import { Dialer } from '../session/dialer.js'
import type { Link } from '../session/link.js'
import type { Timers } from '../session/timers.js'
import { signalAfter } from '../session/timers.js'
import { inArrivalOrder } from './arrivals.js'
import type { PageHandler } from './delivery.js'
import type { PageEvents } from './events.js'
import { PageKeyring, type PageKeys } from './keyring.js'
import { Messenger } from './messenger.js'
import { type PageOptions, type PageSurroundings, type ResolvedPage, realPage, resolvePage } from './options.js'
import type { PageBroadcastReport } from './question.js'
import type { PageAckedOptions, PageBroadcastOptions, PageCallOptions, PageReceipt, PageSendOptions } from './verbs.js'

const queryTimeoutMs = 10_000
/** How long a drain waits for handlers, answers and queues, ms. */
const drainTimeoutMs = 25_000
/** How long what was sent before a close may take to be sealed, ms. */
const flushMs = 1_000
const pollMs = 10

/**
 * Registers this page with the mediator and resolves when it is ready to send and receive.
 * While the mediator cannot be reached it keeps trying, until `timeout` or `signal`.
 * @throws SealwayError `INVALID_ARGUMENT`, `NO_KEY` (options); `NOT_CONNECTED` (never reached); `UNAUTHORIZED`,
 * `FORBIDDEN`, `NAME_IN_USE` and others as the mediator says
 */
export const connect = (options: PageOptions): Promise<PageNode> => connectPage(options, realPage)

/** As {@link connect}, with clock, randomness and timers from outside: for tests. */
export async function connectPage(options: PageOptions, surroundings: PageSurroundings): Promise<PageNode> {
  const resolved = resolvePage(options)
  const node = new PageNode(resolved, await PageKeyring.from(options.keys), surroundings)
  await node.ready()
  return node
}

/** A page that is a node: what it sends, what it does with what arrives, and when it leaves. */
export class PageNode {
  readonly name: string
  readonly groups: readonly string[]
  /** Lifecycle and losses, typed. */
  readonly events: Emitter<PageEvents>
  /** Resolves when this node has ended: with the error that ended it, if it was one. Never rejects. */
  readonly closed: Promise<SealwayError | undefined>
  private readonly messenger: Messenger
  private readonly dialer: Dialer
  private readonly watches = new PeerWatches()
  private readonly timers: Timers
  private state: 'open' | 'draining' | 'closed' = 'open'
  private welcome: Welcome | undefined
  private lastDown: SealwayError | undefined
  private onReady: ((error?: SealwayError) => void) | undefined
  private onClosed!: (error: SealwayError | undefined) => void
  private draining: Promise<void> | undefined
  /** The mediator asked to leave: new work waits for the next link. */
  private away: Promise<void> | undefined
  private onBack: (() => void) | undefined

  /** Use {@link connect}. */
  constructor(
    private readonly options: ResolvedPage,
    private readonly keyring: PageKeyring,
    { clock, random, timers }: PageSurroundings,
  ) {
    const { name, groups, limits, logger, instance, meta, url, transport, token } = options
    this.name = name
    this.groups = groups
    this.timers = timers
    this.events = new Emitter((error) => logger.error({ err: error }, 'a listener threw'))
    this.closed = new Promise((resolve) => {
      this.onClosed = resolve
    })
    this.messenger = new Messenger({
      name,
      groups,
      incarnation: incarnationOf(instance),
      keyring,
      strictIncarnation: options.strictIncarnation,
      clock,
      random,
      timers,
      limits,
      logger,
      events: this.events,
    })
    this.dialer = new Dialer({
      url,
      transport,
      hello: { name, groups, instance, endpoints: [], ...(meta ? { meta } : {}), client: clientVersion },
      token,
      clock,
      random,
      timers,
      limits,
      logger,
      allocate: (bytes) => new Uint8Array(bytes),
      events: (link, ending) => {
        const peers = (change: PeerChange): void => this.watches.changed(change)
        return inArrivalOrder(link, { ...this.messenger.linkEvents, ...ending, peers })
      },
      up: (link, welcome) => this.up(link, welcome),
      down: (error, retryInMs) => this.down(error, retryInMs),
      goaway: (leave) => void this.leaveWhenQuiet(leave),
      over: (error) => this.over(error),
    })
    this.dialer.start()
  }

  get connected(): boolean {
    return this.dialer.link !== undefined
  }

  /** What carries the link now. */
  get transport(): TransportName | undefined {
    return this.dialer.link?.transport
  }

  /** Resolves when the node is registered. @internal */
  async ready(): Promise<void> {
    const { signal, timeoutMs, url } = this.options
    if (this.welcome) return
    await new Promise<void>((resolve, reject) => {
      const giveUp = (error: SealwayError): void => {
        this.state = 'closed'
        this.dialer.stop(error)
      }
      const timer = Number.isFinite(timeoutMs)
        ? this.timers.set(() => giveUp(this.unreachable(url, timeoutMs)), timeoutMs)
        : undefined
      const onAbort = (): void => giveUp(aborted(`connecting to ${url}`, signal!, 'not-delivered'))
      this.onReady = (error) => {
        this.onReady = undefined
        this.timers.clear(timer)
        if (error) reject(error)
        else resolve()
      }
      if (signal?.aborted) return onAbort()
      // It stays: the same signal closes the node later.
      signal?.addEventListener('abort', () => (this.onReady ? onAbort() : void this.close()), { once: true })
    })
  }

  private unreachable(url: string, timeoutMs: number): SealwayError {
    const why = this.lastDown ? `: ${this.lastDown.message}` : ''
    return new SealwayError('NOT_CONNECTED', {
      message: `${this.name} could not register at ${url} within ${timeoutMs} ms${why}`,
      outcome: 'not-delivered',
      hop: 'client',
      cause: this.lastDown,
    })
  }

  private up(link: Link, welcome: Welcome): void {
    this.welcome = welcome
    this.lastDown = undefined
    this.messenger.linkUp(link, welcome)
    for (const group of this.watches.groups) void this.rewatch(link, group)
    this.onBack?.()
    this.options.logger.info({ node: this.name, epoch: welcome.epoch }, 'registered')
    this.events.emit('connected', { mediator: welcome.mediator, epoch: welcome.epoch, transport: link.transport })
    this.onReady?.()
  }

  private down(error: SealwayError, retryInMs: number): void {
    this.lastDown = error
    this.messenger.linkDown(error)
    this.options.logger.warn({ node: this.name, code: error.code, retryInMs }, error.message)
    this.events.emit('disconnected', { error, retryInMs })
  }

  private over(error: SealwayError | undefined): void {
    this.state = 'closed'
    if (error) this.messenger.linkDown(error)
    this.messenger.close()
    this.watches.close()
    this.onBack?.()
    if (error) this.events.emit('disconnected', { error })
    this.onReady?.(error ?? this.closedError())
    this.onClosed(error)
  }

  // ---- handlers

  /**
   * Sets what happens when `action` arrives; `*` takes what has no handler of its own. The returned value, or what the
   * returned promise gives, is the answer to a call.
   * @throws SealwayError `INVALID_ARGUMENT`, also where the action has a handler already
   */
  on<Body = unknown>(action: string, handler: PageHandler<Body>): this {
    this.messenger.answers.handlers.set(action, handler)
    return this
  }

  /** As `on`, for one message: then the handler is off again. */
  once<Body = unknown>(action: string, handler: PageHandler<Body>): this {
    this.messenger.answers.handlers.set(action, handler, true)
    return this
  }

  /** @param handler only if it is this one. @returns whether it was there */
  off(action: string, handler?: PageHandler<never>): boolean {
    return this.messenger.answers.handlers.delete(action, handler as PageHandler | undefined)
  }

  // ---- verbs

  /**
   * Fire: resolves when the message is queued in this page. At most once.
   * Bodies: JSON values, text, bytes (Uint8Array, copied), undefined; what fits one frame.
   * @throws SealwayError `INVALID_NAME`, `UNSERIALISABLE`, `TOO_LARGE`, `BUSY`, `ABORTED`, `CLOSED`
   */
  send(to: string, action: string, body?: unknown, options?: PageSendOptions): Promise<void> {
    return this.perform(options, (left) => this.messenger.verbs.send(to, action, body, left))
  }

  /**
   * Asks and waits for the answer, 30 s unless `timeout` says otherwise. At most once, unless `idempotent`.
   * @throws SealwayError also `OFFLINE`, `UNKNOWN_NODE`, `FORBIDDEN`, `NO_HANDLER`, `APPLICATION_ERROR` (data: { code,
   * data }), `EXCEPTION`, `TIMEOUT`, `LINK_LOST`, `PEER_GONE`, `UNKNOWN_KEY`; `outcome` says whether a retry is safe
   */
  call<Reply = unknown>(to: string, action: string, body?: unknown, options?: PageCallOptions): Promise<Reply> {
    return this.perform(options, (left) => this.messenger.verbs.call(to, action, body, left) as Promise<Reply>)
  }

  /**
   * Resolves with the receipt that the receiving library seals when its handler is done. Until then the same bytes are
   * sent again at 1, 2, 4 s, and handled once. Deadline 10 s unless `timeout` says otherwise.
   * @throws SealwayError as `call`; `TIMEOUT` with outcome `unknown` where it left and no receipt came
   */
  sendAcked(to: string, action: string, body?: unknown, options?: PageAckedOptions): Promise<PageReceipt> {
    return this.perform(options, (left) => this.messenger.verbs.sendAcked(to, action, body, left))
  }

  /**
   * To every other member of a group. Resolves with a report: who was reached, and with `want`, what became of it there.
   * @throws SealwayError as `send`; a member that fails is in the report, not an error
   */
  broadcast(
    group: string,
    action: string,
    body?: unknown,
    options?: PageBroadcastOptions,
  ): Promise<PageBroadcastReport> {
    return this.perform(options, (left) => this.messenger.verbs.broadcast(group, action, body, left))
  }

  private async perform<T, O extends WaitOptions>(
    options: O | undefined,
    verb: (left: O | undefined) => Promise<T>,
  ): Promise<T> {
    // A draining node still sends: what it is finishing may need others.
    if (this.state === 'closed') throw this.closedError()
    return verb(this.away ? await this.untilBack(this.away, options) : options)
  }

  /** The mediator asked to leave: new work waits for the next link. @returns the options with what is left of the time */
  private async untilBack<O extends WaitOptions>(away: Promise<void>, options: O | undefined): Promise<O | undefined> {
    const { callTimeoutMs, maxCallTimeoutMs } = this.options.limits
    const timeoutMs = timeoutOf(options, callTimeoutMs, maxCallTimeoutMs)
    const began = this.timers.monotonic()
    const { signal, done } = signalAfter(this.timers, timeoutMs, options?.signal)
    const gaveUp = new Promise<'gave up'>((resolve) => {
      if (signal.aborted) resolve('gave up')
      signal.addEventListener('abort', () => resolve('gave up'), { once: true })
    })
    const what = `waiting for the next link of ${this.name}`
    const outcome = await Promise.race([away, gaveUp])
    done()
    if (options?.signal?.aborted) throw aborted(what, options.signal, 'not-delivered')
    if (outcome === 'gave up') {
      throw new SealwayError('TIMEOUT', {
        message: `the mediator is shutting down, and there was no other within ${timeoutMs} ms`,
        outcome: 'not-delivered',
        hop: 'client',
        afterMs: timeoutMs,
      })
    }
    if (this.state === 'closed') throw this.closedError()
    const leftMs = Math.max(1, timeoutMs - (this.timers.monotonic() - began))
    return options?.timeout === undefined ? options : { ...options, timeout: leftMs }
  }

  // ---- peers

  /** Who is connected in a group now. @throws SealwayError `FORBIDDEN`, `NOT_CONNECTED`, `TIMEOUT` */
  async peers(group: string, options?: WaitOptions): Promise<Peer[]> {
    return peersOf(await this.groupQuery('peers', group, options))
  }

  /** Who is there now, and then who comes and goes. `break` ends it. */
  async *watchPeers(group: string, options?: WaitOptions): AsyncGenerator<PeerChange, void, undefined> {
    const name = parseGroup(group)
    const reader = this.watches.open(name, () => {
      if (this.connected) this.groupQuery('unwatch', name, undefined).catch(() => {})
    })
    const onAbort = (): void => reader.end()
    options?.signal?.addEventListener('abort', onAbort, { once: true })
    try {
      reader.refresh(name, peersOf(await this.groupQuery('watch', name, options)))
      yield* { [Symbol.asyncIterator]: () => reader }
    } finally {
      options?.signal?.removeEventListener('abort', onAbort)
      await reader.return()
    }
  }

  private async rewatch(link: Link, group: string): Promise<void> {
    const { signal, done } = signalAfter(this.timers, queryTimeoutMs)
    try {
      this.watches.refreshed(group, peersOf(await link.query({ type: 'watch', group }, signal)))
    } catch (error) {
      this.options.logger.warn({ group, err: error }, 'the group is not watched any more')
    } finally {
      done()
    }
  }

  private groupQuery(type: 'peers' | 'watch' | 'unwatch', group: string, options: WaitOptions | undefined) {
    const name = parseGroup(group)
    return this.query({ type, group: name }, `peers of ${name}`, options)
  }

  private async query(question: Query, what: string, options: WaitOptions | undefined): Promise<unknown> {
    const { link } = this.dialer
    const timeoutMs = timeoutOf(options, queryTimeoutMs, this.options.limits.maxCallTimeoutMs)
    if (!link) {
      throw new SealwayError('NOT_CONNECTED', {
        message: `${this.name} is not connected; it cannot ask for ${what}`,
        outcome: 'not-delivered',
        hop: 'client',
      })
    }
    const { signal, done } = signalAfter(this.timers, timeoutMs, options?.signal)
    try {
      return await link.query(question, signal)
    } catch (error) {
      if (error instanceof SealwayError) throw error
      if (options?.signal?.aborted) throw aborted(what, options.signal, 'not-delivered')
      throw new SealwayError('TIMEOUT', {
        message: `the mediator did not answer within ${timeoutMs} ms: ${what}`,
        outcome: 'not-delivered',
        hop: 'mediator',
        cause: error,
      })
    } finally {
      done()
    }
  }

  // ---- keys

  /**
   * Replaces the payload keys: add the new one as opening everywhere, then put it first everywhere, then take the old
   * one away. @throws SealwayError `INVALID_ARGUMENT`; the old keys stay
   */
  updateKeys(keys: PageKeys): Promise<void> {
    return this.keyring.update(keys)
  }

  // ---- the end

  /** Takes no new work, finishes what is under way, flushes, leaves. At most `timeout`, 25 s by default. */
  drain(options: { readonly timeout?: number } = {}): Promise<void> {
    this.draining ??= this.leave(options.timeout ?? drainTimeoutMs)
    return this.draining
  }

  private async leave(timeoutMs: number): Promise<void> {
    if (this.state === 'open') {
      this.state = 'draining'
      this.dialer.link?.goaway()
      await this.until(() => !this.messenger.busy && this.messenger.flushed, timeoutMs)
    }
    await this.close()
  }

  /** Leaves now, once what was sent is sealed. Calls in flight are rejected `CLOSED`. */
  async close(): Promise<void> {
    if (this.state !== 'closed') {
      this.state = 'closed'
      await this.until(() => this.messenger.flushed, flushMs)
      this.dialer.stop()
    }
    await this.closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.drain()
  }

  /** Waits while there is a link, at most so long. */
  private async until(reached: () => boolean, timeoutMs: number): Promise<void> {
    const end = this.timers.monotonic() + timeoutMs
    while (!reached() && this.connected && this.timers.monotonic() < end) {
      await new Promise<void>((resolve) => this.timers.set(resolve, pollMs))
    }
  }

  private async leaveWhenQuiet(leave: () => void): Promise<void> {
    if (this.away) return
    this.away = new Promise((resolve) => {
      this.onBack = () => {
        this.away = undefined
        this.onBack = undefined
        resolve()
      }
    })
    await this.until(() => !this.messenger.busy && this.messenger.flushed, drainTimeoutMs)
    leave()
  }

  private closedError(): SealwayError {
    return new SealwayError('CLOSED', { message: `${this.name} was closed`, outcome: 'not-delivered', hop: 'client' })
  }
}

/** Told to the mediator, for the operator. */
const clientVersion = 'sealway-browser/0.1.0'
