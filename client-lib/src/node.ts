import {
  formatAddress,
  incarnationOf,
  type Peer,
  type PeerChange,
  parseAddress,
  type Query,
  SealwayError,
  type TrafficPolicy,
  type TransportName,
  type Welcome,
} from '@sealway/protocol'
import type { Keyring, KeyringKeys } from './crypto/keyring.js'
import { watchKeysFile } from './crypto/keys-file.js'
import { Directory } from './directory.js'
import type { HttpApp } from './http/app.js'
import { type ExposeOptions, type Exposure, HttpService } from './http/expose.js'
import { type HttpMiddleware, type MiddlewareOptions, sealedOnly } from './http/middleware.js'
import type { FetchInput } from './http/sealed/fetch.js'
import type { NodeAnswer } from './http/sealed/fetch-all.js'
import { httpAction, httpPolicyAction } from './http/sealed/frames.js'
import type { FetchOptions } from './http/sealed/request.js'
import type { Requester, RequesterOptions } from './http/sealed/requester.js'
import { SealedHttp } from './http/sealed/sealed-http.js'
import type { NodeWebSocket, WebSocketOptions } from './http/sealed/web-socket.js'
import type { Receipt } from './messaging/acked.js'
import type { BroadcastReport } from './messaging/broadcast.js'
import { aborted, refuseAborted, timeoutOf, type WaitOptions, watchDeadline } from './messaging/deadline.js'
import type { Verb } from './messaging/diagnostics.js'
import { Emitter, type NodeEvents } from './messaging/events.js'
import { type ExpectedFailure, expectError, isExpected } from './messaging/expected.js'
import type { AfterHook, BeforeHook, PluginHooks } from './messaging/hooks.js'
import { Messenger } from './messaging/messenger.js'
import type { Handler, HandlerOptions, HandlerSteps, Middleware } from './messaging/middleware.js'
import { eventEntry, eventFlag } from './messaging/payload.js'
import { type Ping, pingPeer } from './messaging/ping.js'
import { type PolicyOptions, type Resolved, readPolicies } from './messaging/policy/policy.js'
import { Senders } from './messaging/sending.js'
import type { StreamOptions, StreamReader } from './messaging/streams/reader.js'
import type { ReceivedEvent } from './messaging/topics/event-reader.js'
import type { SubscribeOptions } from './messaging/topics/subscriptions.js'
import { type PublishOptions, subscribedAction, subscriptionsAction, Topics } from './messaging/topics/topics.js'
import type {
  AckedOptions,
  BroadcastOptions,
  CallOptions,
  GatherOptions,
  SendOptions,
} from './messaging/verb-options.js'
import {
  type ConnectOptions,
  type ResolvedOptions,
  realSurroundings,
  resolveOptions,
  type Surroundings,
} from './options.js'
import { Members, PeerWatches } from './peers.js'
import { Dialer, type DialerParts } from './session/dialer.js'
import type { Link } from './session/link.js'
import { MediatorClock } from './session/mediator-clock.js'
import { realTimers, signalAfter, type Timers } from './session/timers.js'

const queryTimeoutMs = 10_000
/** How long a first publish waits to learn who consumes, ms. */
const askTimeoutMs = 1_000
/** How long a node that has connected waits for the mediator's policies, ms. */
const policyWaitMs = 1_000
/** How long a drain waits for handlers, answers and queues, ms (SEMANTICS.md, "Drain"). */
const drainTimeoutMs = 25_000
const drainPollMs = 10

/**
 * Registers a node with the mediator and resolves when it is ready to send and receive.
 * While the mediator cannot be reached it keeps trying, until `timeout` or `signal`.
 * @throws SealwayError `INVALID_ARGUMENT`, `NO_KEY`, `WEAK_SECRET` (options); `NOT_CONNECTED` (never reached);
 * `UNAUTHORIZED`, `FORBIDDEN`, `NAME_IN_USE` and others as the mediator says
 */
export function connect(options: ConnectOptions): Promise<Node>
export function connect(url: string, options: ConnectOptions): Promise<Node>
export async function connect(first: string | ConnectOptions, second?: ConnectOptions): Promise<Node> {
  const options = typeof first === 'string' ? { ...second!, url: first } : first
  return connectWith(options, realSurroundings)
}

/** As {@link connect}, with clock, randomness and scheduling from outside: for tests. */
export async function connectWith(options: ConnectOptions, surroundings: Surroundings): Promise<Node> {
  if (typeof options !== 'object' || options === null) {
    throw new SealwayError('INVALID_ARGUMENT', {
      message: 'connect needs { groups: [...] }, and a name if others are to send to this node',
      outcome: 'not-delivered',
    })
  }
  const node = new Node(resolveOptions(options, surroundings), surroundings)
  await node.ready()
  return node
}

/** Adds something to a node: `node.use(plugin)`. */
export interface Plugin extends PluginHooks {
  /** Once, when it is taken into use: adds handlers, keeps the node. */
  install?(node: Node): void
}

/** A registered node: what it sends, what it does with what arrives, and when it leaves. */
export class Node {
  readonly name: string
  readonly groups: readonly string[]
  /** Lifecycle and losses, typed. */
  readonly events: Emitter<NodeEvents>
  /** Resolves when this node has ended: with the error that ended it, if it was one. Never rejects. */
  readonly closed: Promise<SealwayError | undefined>
  private readonly options: ResolvedOptions
  private readonly messenger: Messenger
  private readonly dialer: Dialer
  private readonly http: HttpService
  private readonly watches = new PeerWatches()
  private readonly members: Members
  private readonly directory: Directory
  private readonly topics: Topics
  private readonly sealedHttp: SealedHttp
  private readonly plugins = new Set<string>()
  private readonly senders: Senders
  private readonly clock: () => number
  private readonly mediatorClock: MediatorClock
  private readonly keyring: Keyring
  private readonly timers: Timers
  private readonly keysFile: { reload(): void; close(): void } | undefined
  private onReady: ((error?: SealwayError) => void) | undefined
  private onClosed!: (error: SealwayError | undefined) => void
  private lastDown: SealwayError | undefined
  private welcome: Welcome | undefined
  private connection: NodeEvents['connected'] | undefined
  private state: 'open' | 'draining' | 'closed' = 'open'
  /** The mediator asked to leave: new work waits for the next link. */
  private away: Promise<void> | undefined
  private onBack: (() => void) | undefined
  private draining: Promise<void> | undefined

  /** Use {@link connect}. */
  constructor(options: ResolvedOptions, surroundings: Surroundings) {
    const { name, groups, limits, logger } = options
    this.options = options
    this.name = name
    this.groups = groups
    this.keyring = options.keyring
    this.timers = surroundings.timers ?? realTimers
    this.clock = surroundings.clock
    this.mediatorClock = new MediatorClock(this.clock, this.timers.monotonic)
    this.events = new Emitter((error) => logger.error({ err: error }, 'a listener threw'))
    this.senders = new Senders(
      name,
      () => this.timers.monotonic(),
      (error) => logger.error({ err: error }, 'what runs around a verb threw'),
    )
    this.closed = new Promise((resolve) => {
      this.onClosed = resolve
    })
    this.directory = new Directory({
      watches: this.watches,
      query: (question, what, options) => this.query(question, what, options),
      connected: () => this.connected,
      timers: this.timers,
      logger,
    })
    this.members = new Members(
      this.watches,
      (group) => this.directory.ask('watch', group, undefined),
      () => this.messenger.policies.forget(),
    )
    this.messenger = new Messenger({
      name,
      groups,
      incarnation: incarnationOf(options.instance),
      keyring: options.keyring,
      codec: options.codec,
      strictIncarnation: options.strictIncarnation,
      clock: surroundings.clock,
      limits,
      logger,
      events: this.events,
      members: (group) => this.members.of(group),
      timers: this.timers,
      random: surroundings.random,
      afterBurst: surroundings.afterBurst,
      nextTurn: surroundings.nextTurn,
    })
    this.messenger.policies.update(options.policies)
    const http = this.makeHttp(surroundings.afterBurst)
    this.http = http
    this.dialer = new Dialer({
      url: options.url,
      transport: options.transport,
      hello: {
        name,
        groups,
        instance: options.instance,
        endpoints: options.endpoints,
        ...(options.meta ? { meta: options.meta } : {}),
        client: clientVersion,
        // Read for each link; what is undefined is not in the JSON.
        get http() {
          return http.hello
        },
      } as DialerParts['hello'],
      token: options.token,
      clock: surroundings.clock,
      random: surroundings.random,
      timers: this.timers,
      limits,
      logger,
      allocate: Buffer.allocUnsafe,
      events: (link, ending) => ({
        ...this.messenger.linkEvents,
        ...ending,
        answered: (settle) => settle(),
        peers: (change) => this.watches.changed(change),
        // Numbers are of one link: what comes late from an old one must not be taken for a new one's.
        exchange: (type, flags, number, body) => http.exchange(link, type, flags, number, body),
        writable: () => {
          this.messenger.linkEvents.writable()
          http.writable()
        },
      }),
      up: (link, welcome) => this.up(link, welcome),
      down: (error, retryInMs) => this.down(error, retryInMs),
      goaway: (leave) => void this.leaveWhenQuiet(leave),
      over: (error) => this.over(error),
    })
    this.topics = new Topics({
      name,
      groups,
      logger,
      broadcastEvent: (group, event, body, { want = 'report', ...waiting }) => {
        const options = { ...waiting, want: want === 'acks' ? ('replies' as const) : want }
        return this.run(options, (left) => this.messenger.broadcast(group, event, body, left, eventFlag))
      },
      within: (wait, options) =>
        this.within(wait, options, `publish by ${this.name}`, 'the members of the group did not say what they consume'),
      callEvent: (to, event, body, waiting) =>
        this.run(waiting, (left) => this.messenger.call(to, event, body, left, eventFlag)),
      ask: (to, group) => this.messenger.call(to, subscriptionsAction, { group }, { timeout: askTimeoutMs }),
      tell: (group, list) => this.run(undefined, () => this.messenger.broadcast(group, subscribedAction, list)),
      members: (group) => this.peers(group, { timeout: askTimeoutMs }),
      watch: (group) => this.watchPeers(group),
    })
    this.sealedHttp = this.makeSealedHttp()
    const { table } = this.messenger.handlers
    const ours = { ours: true }
    table.set(eventEntry, [this.topics.deliver], ours)
    table.set(subscriptionsAction, [this.topics.answer], ours)
    table.set(subscribedAction, [this.topics.told], ours)
    table.set(httpAction, [this.sealedHttp.handler], ours)
    this.keysFile = options.keysFile === undefined ? undefined : this.watchKeys(options.keysFile)
    this.dialer.start()
  }

  private makeSealedHttp(): SealedHttp {
    const { messenger, events } = this
    const { callTimeoutMs, maxCallTimeoutMs } = this.options.limits
    return new SealedHttp({
      stream: (to, action, body, options) => {
        if (this.state === 'closed') throw closedError(this.name)
        return messenger.stream(to, action, body, options, this.away)
      },
      timers: this.timers,
      clock: this.clock,
      maxTimeoutMs: maxCallTimeoutMs,
      usualTimeoutMs: (to) => messenger.policies.for(to, httpPolicyAction)?.timeoutMs ?? callTimeoutMs,
      members: async (group, timeout, signal) => {
        const peers = await this.peers(group, { timeout, ...(signal ? { signal } : {}) })
        return peers.filter(({ online, name }) => online && name !== this.name).map(({ name }) => name)
      },
      refused: (from, code) => events.emit('refused', { from, code }),
    })
  }

  private makeHttp(afterBurst: (work: () => void) => void): HttpService {
    const { limits, logger } = this.options
    return new HttpService({
      limits,
      timers: this.timers,
      afterBurst,
      link: () => this.dialer.link,
      query: (question) => this.query(question, 'leave to serve HTTP', undefined),
      serving: (serve) => {
        this.sealedHttp.serve = serve
      },
      onError: (error, { head, asker }) => {
        const action = `${head.method} ${head.target.split('?', 1)[0]}`
        logger.error({ action, from: asker.from, err: error }, 'a request over HTTP failed')
        this.events.emit('handlerError', { action, from: asker.from ?? '', error })
      },
      onUntold: (error) => logger.error({ err: error }, 'the mediator was not told what HTTP this node serves'),
    })
  }

  private watchKeys(path: string): { reload(): void; close(): void } {
    const { logger } = this.options
    return watchKeysFile({
      path,
      keyring: this.keyring,
      onReload: () => logger.info({ path }, 'payload keys were reloaded'),
      onError: (error) => logger.error({ path, err: error }, 'payload keys were not reloaded; the old ones stay'),
    })
  }

  /** What carries the link now. */
  get transport(): TransportName | undefined {
    return this.dialer.link?.transport
  }

  get connected(): boolean {
    return this.dialer.link !== undefined
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
        ? this.timers.set(() => {
            const why = this.lastDown ? `: ${this.lastDown.message}` : ''
            giveUp(
              new SealwayError('NOT_CONNECTED', {
                message: `${this.name} could not register at ${url} within ${timeoutMs} ms${why}`,
                outcome: 'not-delivered',
                hop: 'client',
                cause: this.lastDown,
              }),
            )
          }, timeoutMs)
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

  private up(link: Link, welcome: Welcome): void {
    this.welcome = welcome
    this.mediatorClock.welcomed(welcome.now)
    this.lastDown = undefined
    this.messenger.linkUp(link, welcome)
    this.http.up(link)
    if (this.state === 'draining') link.goaway()
    for (const group of this.watches.groups) void this.directory.rewatch(link, group)
    this.onBack?.()
    void this.followPolicies(link)
    this.options.logger.info({ node: this.name, epoch: welcome.epoch }, 'registered')
    this.connection = { mediator: welcome.mediator, epoch: welcome.epoch, transport: link.transport }
    this.events.emit('connected', this.connection)
  }

  private down(error: SealwayError, retryInMs: number): void {
    this.lastDown = error
    this.messenger.linkDown(error)
    this.http.lost(error)
    this.options.logger.warn({ node: this.name, code: error.code, retryInMs }, error.message)
    this.events.emit('disconnected', { error, retryInMs })
  }

  private over(error: SealwayError | undefined): void {
    this.state = 'closed'
    if (error) this.messenger.linkDown(error)
    this.messenger.close()
    this.http.lost(error ?? closedError(this.name))
    this.watches.close()
    this.keysFile?.close()
    this.onBack?.()
    if (error) this.events.emit('disconnected', { error })
    this.onReady?.(error ?? closedError(this.name))
    this.onClosed(error)
  }

  // ---- handlers

  /**
   * Sets what happens when `action` arrives; `*` takes what has no handler of its own. The returned value, or what the
   * returned promise gives, is the answer to a call. Middlewares run in front, the first one outermost.
   * @throws SealwayError `INVALID_ARGUMENT`, also where the action has a handler already
   */
  on<Body = unknown>(action: string, handler: Handler<Body>): this
  on<Body = unknown>(action: string, first: Middleware<Body> | HandlerOptions, handler: Handler<Body>): this
  on<Body = unknown>(
    action: string,
    first: Middleware<Body> | HandlerOptions,
    second: Middleware<Body>,
    handler: Handler<Body>,
  ): this
  on<Body = unknown>(
    action: string,
    first: Middleware<Body> | HandlerOptions,
    second: Middleware<Body>,
    third: Middleware<Body>,
    handler: Handler<Body>,
  ): this
  on(action: string, ...steps: HandlerSteps): this
  on(action: string, ...steps: HandlerSteps): this {
    this.messenger.handlers.table.set(action, steps)
    return this
  }

  /** As `on`, for one message: then the handler is off again. */
  once<Body = unknown>(action: string, handler: Handler<Body>): this
  once<Body = unknown>(action: string, first: Middleware<Body> | HandlerOptions, handler: Handler<Body>): this
  once(action: string, ...steps: HandlerSteps): this
  once(action: string, ...steps: HandlerSteps): this {
    this.messenger.handlers.table.set(action, steps, { once: true })
    return this
  }

  /** As `on`, in place of the handler that is there, if any. What runs goes on; what waits gets the new one. */
  replace<Body = unknown>(action: string, handler: Handler<Body>): this
  replace<Body = unknown>(action: string, first: Middleware<Body> | HandlerOptions, handler: Handler<Body>): this
  replace(action: string, ...steps: HandlerSteps): this
  replace(action: string, ...steps: HandlerSteps): this {
    this.messenger.handlers.table.set(action, steps, { replace: true })
    return this
  }

  /** @param handler only if it is this one. @returns whether it was there */
  off(action: string, handler?: Handler<never>): boolean {
    return this.messenger.handlers.table.delete(action, handler as Handler | undefined)
  }

  /** What has a handler here. */
  get actions(): string[] {
    return this.messenger.handlers.table.actions
  }

  /**
   * Runs before the handler of an action, or of every action; what it throws is the answer.
   * @returns a function that takes it off again
   */
  before(hook: BeforeHook): () => void
  before(action: string, hook: BeforeHook): () => void
  before(first: string | BeforeHook, second?: BeforeHook): () => void {
    const { handlers } = this.messenger
    return typeof first === 'string' ? handlers.before(first, second!) : handlers.before(undefined, first)
  }

  /**
   * Sees what became of each message of an action, or of every action, before the answer leaves.
   * @returns a function that takes it off again
   */
  after(hook: AfterHook): () => void
  after(action: string, hook: AfterHook): () => void
  after(first: string | AfterHook, second?: AfterHook): () => void {
    const { handlers } = this.messenger
    return typeof first === 'string' ? handlers.after(first, second!) : handlers.after(undefined, first)
  }

  /** @throws SealwayError `INVALID_ARGUMENT` where a plugin of this name is in use already; whatever `install` throws */
  use(plugin: Plugin): this {
    const name: unknown = plugin?.name
    if (typeof name !== 'string' || name === '' || this.plugins.has(name)) {
      const message = `a plugin needs a name, and each is used once: ${JSON.stringify(name)}`
      throw new SealwayError('INVALID_ARGUMENT', { message, outcome: 'not-delivered', hop: 'client' })
    }
    plugin.install?.(this)
    this.plugins.add(name)
    if (plugin.before) this.before((command, context) => plugin.before!(command, context))
    if (plugin.after) this.after((command, context, handled) => plugin.after!(command, context, handled))
    if (plugin.connect) {
      this.events.on('connected', (event) => plugin.connect!(event))
      if (this.connected && this.connection) this.events.tell((event) => plugin.connect!(event), this.connection)
    }
    if (plugin.disconnect) this.events.on('disconnected', (event) => plugin.disconnect!(event))
    if (plugin.error) this.events.on('handlerError', (event) => plugin.error!(event))
    if (plugin.around)
      this.messenger.handlers.around((command, context, next) => plugin.around!(command, context, next))
    if (plugin.sending) this.senders.add((sending, next) => plugin.sending!(sending, next))
    return this
  }

  /** The same node, where it is typed by a map of actions. */
  get untyped(): Node {
    return this
  }

  /** Whether a call was answered with `ctx.fail(code, data)`; then `error.data.data` is that data. */
  isExpected<Data = unknown>(error: unknown, code: string): error is ExpectedFailure<string, Data> {
    return isExpected<Data>(error, code)
  }

  /** The data of `ctx.fail(code, data)`. Any other error is thrown on. */
  expectError<Data = unknown>(error: unknown, code: string): Data {
    return expectError<Data>(error, code)
  }

  // ---- verbs

  /**
   * Fire: resolves when the message is queued in this process. At most once.
   * Bodies: JSON values, text, bytes (Uint8Array, copied), undefined.
   * @throws SealwayError `INVALID_NAME`, `UNSERIALISABLE`, `TOO_LARGE`, `BUSY`, `ABORTED`, `CLOSED`
   */
  send(to: string, action: string, body?: unknown, options?: SendOptions): Promise<void> {
    return this.perform('send', to, action, options, (left) => this.messenger.send(to, action, body, left))
  }

  /**
   * Asks and waits for the answer, 30 s unless `timeout` or a policy says otherwise. At most once. `retries`, `breaker`
   * and `balance`, here or in a policy (docs/policies.md), repeat only what was not delivered, or is `idempotent`.
   * @throws SealwayError also `OFFLINE`, `UNKNOWN_NODE`, `FORBIDDEN`, `NO_HANDLER`, `APPLICATION_ERROR` (data: { code,
   * data }), `EXCEPTION`, `TIMEOUT`, `LINK_LOST`, `PEER_GONE`, `UNKNOWN_KEY`, `CIRCUIT_OPEN`; `outcome` says whether a retry is safe
   */
  call<Reply = unknown>(to: string, action: string, body?: unknown, options?: CallOptions): Promise<Reply> {
    return this.perform(
      ...(['call', to, action, options] as const),
      (left) => this.messenger.call(to, action, body, left) as Promise<Reply>,
    )
  }

  /**
   * Resolves with the receipt that the receiving library seals when its handler is done (or, with `until: 'delivered'`,
   * when it opened the message). Until then the same bytes are sent again at 1, 2, 4 s, and handled once; `id` makes
   * that hold for the same message sent by another call or a later process, too. Deadline 10 s unless `timeout` says.
   * @throws SealwayError as `call`; `TIMEOUT` with outcome `unknown` where it left and no receipt came
   */
  sendAcked(to: string, action: string, body?: unknown, options?: AckedOptions): Promise<Receipt> {
    return this.perform('sendAcked', to, action, options, (left) => this.messenger.sendAcked(to, action, body, left))
  }

  /**
   * Asks every other member of a group, and resolves with the answers as soon as enough have come; the others are
   * cancelled. @throws SealwayError `NOT_ENOUGH` (data: { ok, failed, missing, replies })
   */
  gather<Reply = unknown>(group: string, action: string, body?: unknown, options?: GatherOptions) {
    return this.perform(
      ...(['gather', group, action, options] as const),
      (left) => this.messenger.gather(group, action, body, left) as Promise<{ from: string; body: Reply }[]>,
    )
  }

  /**
   * To every other member of a group. Resolves with a report: who was reached, and with `want`, what became of it there.
   * @throws SealwayError as `send`; a member that fails is in the report, not an error
   */
  broadcast(group: string, action: string, body?: unknown, options?: BroadcastOptions): Promise<BroadcastReport> {
    return this.perform('broadcast', group, action, options, (left) =>
      this.messenger.broadcast(group, action, body, left),
    )
  }

  /**
   * Opens a stream: the items of a handler that returns a generator, a Node or web stream, pulled as they are read;
   * `break` ends it there too. The handler reads `input` as `ctx.input`. `timeout` is how long to wait until a handler
   * answers or reads; the stream then takes as long as it takes. Opened by a handler for a caller with a deadline, it ends
   * with that one's `TIMEOUT`. To `any:` it goes on with the node that accepted.
   * @throws SealwayError `INVALID_NAME`, `INVALID_ARGUMENT`, `BUSY`, `ABORTED`, `CLOSED`, at once; who reads gets what
   * else `call` throws, and once it has begun `STREAM_LOST` (data: { offset }) where the way broke
   */
  stream<Item = unknown>(to: string, action: string, body?: unknown, options?: StreamOptions): StreamReader<Item> {
    if (this.state === 'closed') throw closedError(this.name)
    const open = (all: StreamOptions | undefined) =>
      this.messenger.stream(to, action, body, all, this.away) as StreamReader<Item>
    if (this.senders.none) return open(options)
    return this.senders.around('stream', to, action, (trace) => {
      const result = open({ ...trace, ...options })
      return { result, ended: result.accepted }
    })
  }

  private perform<T, O extends WaitOptions>(
    verb: Verb,
    to: string,
    action: string,
    options: O | undefined,
    run: (left: O | undefined) => Promise<T>,
  ): Promise<T> {
    if (this.senders.none) return this.run(options, run)
    return this.senders.around(verb, to, action, (trace) => {
      const result = this.run({ ...trace, ...options } as O, run)
      return { result, ended: result }
    })
  }

  private run<T, O extends WaitOptions>(options: O | undefined, verb: (left: O | undefined) => Promise<T>): Promise<T> {
    // A draining node still sends: what it is finishing may need others.
    if (this.state === 'closed') return Promise.reject(closedError(this.name))
    if (this.away) return this.untilBack(this.away, options).then((left) => this.run(left, verb))
    try {
      return verb(options)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** The mediator asked to leave: new work waits for the next link. @returns the options with what is left of the time */
  private untilBack<O extends WaitOptions>(away: Promise<void>, options: O | undefined): Promise<O | undefined> {
    const what = `waiting for the next link of ${this.name}`
    return this.within(away, options, what, 'the mediator is shutting down, and there was no other')
  }

  /** Waits for what comes before a verb, in the time and under the signal of that verb. */
  private within<O extends WaitOptions>(
    wait: Promise<void>,
    options: O | undefined,
    what: string,
    tooLate: string,
  ): Promise<O | undefined> {
    const { callTimeoutMs, maxCallTimeoutMs } = this.options.limits
    return new Promise((resolve, reject) => {
      const timeoutMs = timeoutOf(options, callTimeoutMs, maxCallTimeoutMs)
      refuseAborted(options?.signal, what)
      const began = this.timers.monotonic()
      const stopWatch = watchDeadline(this.timers, timeoutMs, options?.signal, (why) => {
        const message = `${tooLate} within ${timeoutMs} ms`
        reject(
          why === 'abort'
            ? aborted(what, options!.signal!, 'not-delivered')
            : new SealwayError('TIMEOUT', { message, outcome: 'not-delivered', hop: 'client', afterMs: timeoutMs }),
        )
      })
      void wait.then(() => {
        stopWatch()
        const leftMs = Math.max(1, timeoutMs - (this.timers.monotonic() - began))
        resolve(options?.timeout === undefined ? options : { ...options, timeout: leftMs })
      })
    })
  }

  // ---- events

  /**
   * Says that something has happened in a group: `orders.created`. It reaches the nodes that subscribed, this one too,
   * and of those that subscribed under one consumer name just one. At most once; with `want: 'acks'` the report's `ok`
   * names those who took it.
   * @throws SealwayError as `broadcast`
   */
  publish(event: string, body?: unknown, options?: PublishOptions): Promise<BroadcastReport> {
    return this.perform('publish', options?.in ?? this.groups[0]!, event, options, (left) =>
      this.topics.publish(event, body, left),
    )
  }

  /**
   * Takes events: `orders.created`, `orders.*` (one token), `orders.>` (the rest). With a handler it returns a function
   * that ends the subscription; without one, an async iterable, which `break` ends.
   * @throws SealwayError `INVALID_ARGUMENT`
   */
  subscribe<Body = unknown>(pattern: string, handler: Handler<Body>, options?: SubscribeOptions): () => void
  subscribe<Body = unknown>(pattern: string, options?: SubscribeOptions): AsyncIterableIterator<ReceivedEvent<Body>>
  subscribe(pattern: string, first?: Handler | SubscribeOptions, options?: SubscribeOptions) {
    return typeof first === 'function'
      ? this.topics.subscribe(pattern, first, options)
      : this.topics.events(pattern, first)
  }

  // ---- HTTP

  /**
   * As `fetch`, to the app that another node exposes: `http://orders-1/health`, or `any:orders/health`. Request and
   * answer are sealed from end to end, and stream both ways. Nothing is repeated. Rejects with a SealwayError, and not
   * with a TypeError; `signal` and its own `timeout` (30 s, until the head of the answer) end it, there too.
   * @throws SealwayError as `stream`; `NO_HTTP` where that node exposes nothing, `BAD_ANSWER` where it answers with what is no HTTP
   */
  fetch(input: FetchInput, init?: FetchOptions): Promise<Response> {
    return this.sealedHttp.fetch(input, init)
  }

  /**
   * The same request to every other member of a group, `group:orders/health`: what each answered, or why it did not, in
   * the order of their names. Bodies are to be read or cancelled.
   * @throws SealwayError `INVALID_ARGUMENT`; as `peers`; what fails at one node is in its answer
   */
  fetchAll(input: FetchInput, init?: FetchOptions): Promise<NodeAnswer[]> {
    return this.sealedHttp.fetchAll(input, init)
  }

  /**
   * A WebSocket to the app that another node exposes, `ws://chat-1/room`, or `any:chat/room`; resolves when it is open.
   * What is said in it is sealed from end to end.
   * @throws SealwayError as `fetch`; `BAD_ANSWER` (data: { status }) where no WebSocket is there
   */
  webSocket(
    url: string | URL,
    protocols?: string | readonly string[],
    options?: WebSocketOptions,
  ): Promise<NodeWebSocket> {
    return this.sealedHttp.webSocket(url, protocols, options)
  }

  /**
   * A function that asks, with these defaults: `request()`, `request(path)`, `request(node, path)`,
   * `request(group, node, path)`, or with any of the options again. A node named is asked, else one of the group.
   */
  createRequester(defaults: RequesterOptions = {}): Requester {
    return this.sealedHttp.requester(defaults)
  }

  /**
   * For receivers, `app.use(node.middleware())`: what did not come sealed from another node reaches the `public` routes
   * only, and is answered 403 elsewhere; the others find who asks in `req.sealway`, and answer with `res.sealed(value)`.
   * @throws SealwayError `INVALID_ARGUMENT`
   */
  middleware(options?: MiddlewareOptions): HttpMiddleware {
    return sealedOnly(options)
  }

  /**
   * Serves HTTP under this node's name, over its own link: an Express app, a function (req, res), an http.Server that need
   * not listen, a Fastify app, or a URL of this machine, `http://127.0.0.1:3000`. Requests that a mediator hands on need
   * a token, but for those to the `public` routes; requests of other nodes ({@link fetch}) come sealed. It stays exposed
   * over reconnects, until `close`. A handler that throws answers 500, and is told as the event `handlerError`.
   * @throws SealwayError `INVALID_ARGUMENT`: it is none of these, or something is exposed already; `CLOSED`
   */
  expose(app: HttpApp | string | URL, options?: ExposeOptions): Exposure {
    if (this.state === 'closed') throw closedError(this.name)
    return this.http.expose(app, options)
  }

  // ---- peers

  /** Who is connected in a group now. @throws SealwayError `FORBIDDEN`, `NOT_CONNECTED`, `TIMEOUT` */
  peers(group: string, options?: WaitOptions): Promise<Peer[]> {
    return this.directory.ask('peers', group, options)
  }

  /** Berlioz' name for {@link peers}. */
  getPeers(group: string, options?: WaitOptions): Promise<Peer[]> {
    return this.peers(group, options)
  }

  /** Who is there now, and then who comes and goes. `break` ends it. */
  watchPeers(group: string, options?: WaitOptions): AsyncGenerator<PeerChange, void, undefined> {
    return this.directory.watch(group, options)
  }

  /** Berlioz' name for {@link watchPeers}. */
  monitorPeers(group: string, options?: WaitOptions): AsyncGenerator<PeerChange, void, undefined> {
    return this.watchPeers(group, options)
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

  // ---- policies

  /** Policies for traffic: those of this node, and those that the mediator tells all nodes. */
  get policies(): { readonly own: readonly TrafficPolicy[]; readonly central: readonly TrafficPolicy[] } {
    return this.messenger.policies.list
  }

  /** What a call to this address and action follows, where all that is said of it comes together. */
  policyFor(to: string, action: string, options?: PolicyOptions): Resolved | undefined {
    return this.messenger.policies.for(formatAddress(parseAddress(to)), action, options)
  }

  /** Replaces this node's own policies; calls that begin from now on follow them. @throws SealwayError `INVALID_ARGUMENT`; the old ones stay */
  updatePolicies(policies: readonly TrafficPolicy[]): void {
    this.messenger.policies.update(readPolicies(policies))
    void this.members.learn(this.messenger.policies.named)
  }

  /** Asks to be told of the mediator's policies. A node is ready when it knows them, or a second later. */
  private async followPolicies(link: Link): Promise<void> {
    const { signal, done } = signalAfter(this.timers, policyWaitMs)
    try {
      await link.query({ type: 'policies' }, signal)
      // So that the first call by name follows the policy of its group, too.
      await orAborted(this.members.learn(this.messenger.policies.named), signal)
    } catch (error) {
      this.options.logger.warn({ err: error }, "the mediator's policies are not known yet")
    } finally {
      done()
    }
    if (this.dialer.link === link) this.onReady?.()
  }

  // ---- time

  /** The mediator's clock, as well as this node knows it: ms since 1970. Each {@link ping} makes it better. */
  now(): number {
    return this.mediatorClock.now()
  }

  /**
   * To the mediator and back; or, sealed, to a node and back, where it also tells the time if it uses the plugin `ping`.
   * @throws SealwayError `NOT_CONNECTED`, `TIMEOUT`, `ABORTED`; to a node as `call`
   */
  async ping(peer?: string, options?: WaitOptions): Promise<Ping> {
    const { clock, timers } = this
    if (peer !== undefined) {
      const call = (to: string, action: string, body: undefined, wait?: WaitOptions) =>
        this.call(to, action, body, wait)
      return pingPeer({ call, clock, timers }, peer, options)
    }
    const askedAt = timers.monotonic()
    const { now } = (await this.query({ type: 'time' }, 'the time', options)) as { now: number }
    const answeredAt = timers.monotonic()
    this.mediatorClock.answered(now, askedAt, answeredAt)
    return { rttMs: answeredAt - askedAt, offsetMs: this.mediatorClock.offsetMs }
  }

  // ---- keys

  /**
   * Replaces the payload keys without a restart: add the new one as opening everywhere, then put it first everywhere,
   * then take the old one away.
   * @throws SealwayError `INVALID_ARGUMENT`; the old keys stay
   */
  updateKeys(keys: KeyringKeys): void {
    this.keyring.update(keys)
  }

  /** Reads `keysFile` again now, for a program's SIGHUP; changes are noticed without it within a second. */
  reloadKeys(): void {
    this.keysFile?.reload()
  }

  // ---- the end

  /**
   * Takes no new work, finishes what is under way, flushes, leaves. At most `timeout`, 25 s by default; so long it also
   * waits for a link that is gone, if something is to go over it. What then has not left is lost: whoever waits for it is
   * told `CLOSED`, and of what nobody waits for, the event `dropped` and the log tell.
   */
  drain(options: { readonly timeout?: number } = {}): Promise<void> {
    this.draining ??= this.leave(options.timeout ?? drainTimeoutMs)
    return this.draining
  }

  private async leave(timeoutMs: number): Promise<void> {
    if (this.state === 'open') {
      this.state = 'draining'
      this.dialer.link?.goaway()
      this.http.drain()
      await this.quiet(timeoutMs, () => this.state !== 'closed')
    }
    await this.close()
  }

  /** Leaves now. Calls in flight are rejected `CLOSED`. */
  async close(): Promise<void> {
    if (this.state !== 'closed') {
      this.state = 'closed'
      this.messenger.flush()
      this.dialer.stop()
    }
    await this.closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.drain()
  }

  /** Resolves when no call is in flight, no handler runs and everything has left, or when there is no more sense in it. */
  private async quiet(timeoutMs: number, worthIt: () => boolean): Promise<void> {
    const until = this.timers.monotonic() + timeoutMs
    const busy = (): boolean => this.messenger.busy || !this.messenger.flushed || this.http.busy
    while (busy() && worthIt() && this.timers.monotonic() < until) {
      await new Promise<void>((resolve) => this.timers.set(resolve, drainPollMs))
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
    await this.quiet(drainTimeoutMs, () => this.connected)
    leave()
  }
}

/** Waits no longer than the signal allows. */
const orAborted = (wait: Promise<void>, signal: AbortSignal): Promise<void> =>
  Promise.race([
    wait,
    new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true })),
  ])

const closedError = (name: string) =>
  new SealwayError('CLOSED', { message: `${name} was closed`, outcome: 'not-delivered', hop: 'client' })

/** Told to the mediator, for the operator. */
const clientVersion = 'sealway-client/0.1.0'
