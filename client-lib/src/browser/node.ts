import {
  incarnationOf,
  type Peer,
  type PeerChange,
  type SealwayError,
  type TransportName,
  type Welcome,
} from '@sealway/protocol'
import { askMediator } from '../membership/ask-mediator.js'
import { Directory } from '../membership/directory.js'
import { Handover } from '../membership/handover.js'
import { drainTimeoutMs, Lifetime, waitWhile } from '../membership/lifetime.js'
import { PeerWatches } from '../membership/peers.js'
import { Registration } from '../membership/registration.js'
import type { WaitOptions } from '../messaging/deadline.js'
import { Emitter } from '../messaging/events.js'
import type { BroadcastReport } from '../messaging/report.js'
import { Dialer } from '../session/dialer.js'
import type { Link } from '../session/link.js'
import { inArrivalOrder } from './arrivals.js'
import type { PageHandler } from './delivery.js'
import type { PageEvents } from './events.js'
import { PageKeyring, type PageKeys } from './keyring.js'
import { Messenger } from './messenger.js'
import { type PageOptions, type PageSurroundings, type ResolvedPage, realPage, resolvePage } from './options.js'
import type { PageAckedOptions, PageBroadcastOptions, PageCallOptions, PageReceipt, PageSendOptions } from './verbs.js'

/** How long what was sent before a close may take to be sealed, ms. */
const flushMs = 1_000

/**
 * Registers this page with the mediator and resolves when it is ready to send and receive.
 * While the mediator cannot be reached it keeps trying, until `timeout` or `signal`. What is sent to it waits until then,
 * and for one turn more: handlers that are set as soon as it has resolved miss nothing.
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
  private readonly directory: Directory
  private readonly registration: Registration
  private readonly handover: Handover
  private readonly lifetime: Lifetime
  private welcome: Welcome | undefined

  /** Use {@link connect}. */
  constructor(
    private readonly options: ResolvedPage,
    private readonly keyring: PageKeyring,
    private readonly surroundings: PageSurroundings,
  ) {
    const { clock, random, timers } = surroundings
    const { name, groups, limits, logger, instance, meta, url, transport, token } = options
    this.name = name
    this.groups = groups
    this.events = new Emitter((error) => logger.error({ err: error }, 'a listener threw'))
    const busy = (): boolean => this.messenger.busy || !this.messenger.flushed
    const connected = (): boolean => this.connected
    this.lifetime = new Lifetime({
      name,
      timers,
      busy,
      worthWaiting: connected,
      drains: async () => this.dialer.link?.goaway(),
      leave: async () => {
        await waitWhile(timers, () => !this.messenger.flushed && this.connected, flushMs)
        this.dialer.stop()
      },
    })
    this.closed = this.lifetime.closed
    this.handover = new Handover({
      name,
      timers,
      limits,
      quiet: () => this.lifetime.quiet(drainTimeoutMs, connected),
    })
    this.registration = new Registration({
      name,
      url,
      timeoutMs: options.timeoutMs,
      signal: options.signal,
      timers,
      giveUp: (error) => {
        this.lifetime.state = 'closed'
        this.dialer.stop(error)
      },
      close: () => void this.close(),
    })
    const link = (): Link | undefined => this.dialer.link
    const query = askMediator({ name, timers, maxTimeoutMs: limits.maxCallTimeoutMs, link })
    this.directory = new Directory({ watches: this.watches, query, connected, timers, logger })
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
      hello: {
        name,
        groups,
        reaches: options.reaches,
        instance,
        endpoints: [],
        ...(meta ? { meta } : {}),
        client: clientVersion,
      },
      token,
      tokenIsFixed: false,
      mediatorNow: clock,
      toldTime: () => {},
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
      goaway: (leave) => void this.handover.begin(leave),
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
    if (!this.welcome) await this.registration.wait()
  }

  private up(link: Link, welcome: Welcome): void {
    this.welcome = welcome
    this.registration.obstacle = undefined
    this.messenger.linkUp(link, welcome)
    for (const group of this.watches.groups) void this.directory.rewatch(link, group)
    this.handover.end()
    this.options.logger.info({ node: this.name, epoch: welcome.epoch }, 'registered')
    this.events.emit('connected', { mediator: welcome.mediator, epoch: welcome.epoch, transport: link.transport })
    if (this.registration.isDone) link.open()
    // Whoever waited for this sets its handlers now: a message that is here already must not find none.
    else this.surroundings.timers.set(() => link.open(), 0)
    this.registration.done()
  }

  private down(error: SealwayError, retryInMs: number): void {
    this.registration.obstacle = error
    this.messenger.linkDown(error)
    this.options.logger.warn({ node: this.name, code: error.code, retryInMs }, error.message)
    this.events.emit('disconnected', { error, retryInMs })
  }

  private over(error: SealwayError | undefined): void {
    this.lifetime.state = 'closed'
    if (error) this.messenger.linkDown(error)
    this.messenger.close()
    this.watches.close()
    this.handover.end()
    if (error) this.events.emit('disconnected', { error })
    this.registration.done(error ?? this.lifetime.closedError())
    this.lifetime.over(error)
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
  broadcast(group: string, action: string, body?: unknown, options?: PageBroadcastOptions): Promise<BroadcastReport> {
    return this.perform(options, (left) => this.messenger.verbs.broadcast(group, action, body, left))
  }

  private async perform<T, O extends WaitOptions>(
    options: O | undefined,
    verb: (left: O | undefined) => Promise<T>,
  ): Promise<T> {
    // A draining node still sends: what it is finishing may need others.
    this.lifetime.check()
    const { away } = this.handover
    if (!away) return verb(options)
    const left = await this.handover.wait(away, options)
    this.lifetime.check()
    return verb(left)
  }

  // ---- peers

  /** Who is connected in a group now. @throws SealwayError `FORBIDDEN`, `NOT_CONNECTED`, `TIMEOUT` */
  peers(group: string, options?: WaitOptions): Promise<Peer[]> {
    return this.directory.ask('peers', group, options)
  }

  /** Who is there now, and then who comes and goes. `break` ends it. */
  watchPeers(group: string, options?: WaitOptions): AsyncGenerator<PeerChange, void, undefined> {
    return this.directory.watch(group, options)
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
    return this.lifetime.drain(options.timeout)
  }

  /** Leaves now, once what was sent is sealed. Calls in flight are rejected `CLOSED`. */
  close(): Promise<void> {
    return this.lifetime.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.drain()
  }
}

/** Told to the mediator, for the operator. */
const clientVersion = 'sealway-browser/0.1.0'
