import { availableParallelism } from 'node:os'
import {
  busyPoll,
  formatAddress,
  incarnationOf,
  type Peer,
  type PeerChange,
  parseAddress,
  SealwayError,
  type TrafficPolicy,
  type TransportName,
  type Welcome,
} from '@sealway/protocol'
import type { Keyring } from './crypto/keyring.js'
import { watchKeysFile } from './crypto/keys-file.js'
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
import { type AskMediator, askMediator } from './membership/ask-mediator.js'
import { followPolicies } from './membership/central-policies.js'
import { Directory } from './membership/directory.js'
import { Handover } from './membership/handover.js'
import { drainTimeoutMs, Lifetime } from './membership/lifetime.js'
import { Members, PeerWatches } from './membership/peers.js'
import { Registration } from './membership/registration.js'
import type { Receipt } from './messaging/acked.js'
import { type WaitOptions, within } from './messaging/deadline.js'
import type { Verb } from './messaging/diagnostics.js'
import { Emitter, type NodeEvents } from './messaging/events.js'
import { type ExpectedFailure, expectError, isExpected } from './messaging/expected.js'
import type { AfterHook, BeforeHook, PluginHooks } from './messaging/hooks.js'
import { detached } from './messaging/inherited.js'
import { Messenger } from './messaging/messenger.js'
import type { Handler, HandlerOptions, HandlerSteps, Middleware } from './messaging/middleware.js'
import { eventEntry, eventFlag } from './messaging/payload.js'
import { type Ping, pingMediator, pingPeer } from './messaging/ping.js'
import { Plugins } from './messaging/plugins.js'
import { type PolicyOptions, type Resolved, readPolicies } from './messaging/policy/policy.js'
import type { BroadcastReport } from './messaging/report.js'
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
import { Dialer, type DialerParts } from './session/dialer.js'
import type { Link } from './session/link.js'
import { MediatorClock } from './session/mediator-clock.js'
import { realTimers, type Timers } from './session/timers.js'
import { checkOptions, checkVerb } from './verb-checks.js'

/** How long a first publish waits to learn who consumes, ms. */
const askTimeoutMs = 1_000
/**
 * Registers a node with the mediator and resolves when it is ready to send and receive.
 * While the mediator cannot be reached it keeps trying, until `timeout` or `signal`. What is sent to it waits until then,
 * and for one turn more: handlers that are set as soon as it has resolved miss nothing.
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
      message: 'connect needs { groups: [...] } or { reaches: [...] }, and a name if others are to send to this node',
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
  /** Groups that it sends to and sees without being a member. */
  readonly reaches: readonly string[]
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
  private readonly plugins: Plugins
  private readonly registration: Registration
  private readonly handover: Handover
  private readonly lifetime: Lifetime
  private readonly query: AskMediator
  private readonly senders: Senders
  private readonly clock: () => number
  private readonly mediatorClock: MediatorClock
  private readonly keyring: Keyring
  private readonly timers: Timers
  private readonly nextTurn: Surroundings['nextTurn']
  private readonly keysFile: { reload(): void; close(): void } | undefined
  private welcome: Welcome | undefined
  private connection: NodeEvents['connected'] | undefined

  /** Use {@link connect}. */
  constructor(options: ResolvedOptions, surroundings: Surroundings) {
    const { name, groups, reaches, limits, logger } = options
    this.options = options
    this.name = name
    this.groups = groups
    this.reaches = reaches
    this.keyring = options.keyring
    this.timers = surroundings.timers ?? realTimers
    this.nextTurn = surroundings.nextTurn
    this.clock = surroundings.clock
    this.mediatorClock = new MediatorClock(this.clock, () => this.timers.monotonic())
    this.events = new Emitter((error) => logger.error({ err: error }, 'a listener threw'))
    this.senders = new Senders(
      name,
      () => this.timers.monotonic(),
      (error) => logger.error({ err: error }, 'what runs around a verb threw'),
    )
    this.lifetime = this.makeLifetime()
    this.closed = this.lifetime.closed
    this.handover = new Handover({
      name,
      timers: this.timers,
      limits,
      quiet: () => this.lifetime.quiet(drainTimeoutMs, () => this.connected),
    })
    this.registration = this.makeRegistration()
    const link = (): Link | undefined => this.dialer.link
    this.query = askMediator({ name, timers: this.timers, maxTimeoutMs: limits.maxCallTimeoutMs, link })
    this.directory = new Directory({
      watches: this.watches,
      query: this.query,
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
      learnMembers: (group) => this.members.learn([group]),
      timers: this.timers,
      random: surroundings.random,
      afterBurst: surroundings.afterBurst,
      nextTurn: surroundings.nextTurn,
    })
    this.messenger.policies.update(options.policies)
    this.plugins = new Plugins({
      handlers: this.messenger.handlers,
      senders: this.senders,
      events: this.events,
      connection: () => (this.connected ? this.connection : undefined),
    })
    this.http = this.makeHttp(surroundings.afterBurst)
    this.dialer = this.makeDialer(surroundings)
    this.topics = this.makeTopics()
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

  private makeLifetime(): Lifetime {
    return new Lifetime({
      name: this.name,
      timers: this.timers,
      busy: () => this.messenger.busy || !this.messenger.flushed || this.http.busy,
      // It also waits for a link that is gone: something may be to go over it.
      worthWaiting: () => this.lifetime.state !== 'closed',
      drains: (withinMs) => {
        this.dialer.link?.goaway()
        this.topics.leave()
        this.http.drain()
        return this.messenger.drain(withinMs)
      },
      leave: () => {
        this.messenger.flush()
        this.dialer.stop()
      },
    })
  }

  private makeRegistration(): Registration {
    const { url, timeoutMs, signal } = this.options
    return new Registration({
      name: this.name,
      url,
      timeoutMs,
      signal,
      timers: this.timers,
      giveUp: (error) => {
        this.lifetime.state = 'closed'
        this.dialer.stop(error)
      },
      close: () => void this.close(),
    })
  }

  private makeDialer({ random, nextTurn }: Surroundings): Dialer {
    const { options, http, messenger } = this
    return new Dialer({
      url: options.url,
      transport: options.transport,
      hello: {
        name: this.name,
        groups: this.groups,
        ...(this.reaches.length > 0 ? { reaches: this.reaches } : {}),
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
      tokenIsFixed: options.tokenIsFixed,
      mediatorNow: () => this.mediatorClock.now(),
      toldTime: (now) => this.mediatorClock.welcomed(now),
      random,
      timers: this.timers,
      limits: options.limits,
      logger: options.logger,
      allocate: Buffer.allocUnsafe,
      arrived: busyPoll(options.busyPollUs, availableParallelism(), nextTurn),
      events: (link, ending) => ({
        ...messenger.linkEvents,
        ...ending,
        answered: (settle) => settle(),
        peers: (change) => {
          if (change.type === 'joined') messenger.any.joined(change.peer.name)
          this.watches.changed(change)
        },
        // Numbers are of one link: what comes late from an old one must not be taken for a new one's.
        exchange: (type, flags, number, body) => http.exchange(link, type, flags, number, body),
        writable: () => {
          messenger.linkEvents.writable()
          http.writable()
        },
      }),
      up: (link, welcome) => this.up(link, welcome),
      down: (error, retryInMs) => this.down(error, retryInMs),
      goaway: (leave) => void this.handover.begin(leave),
      over: (error) => this.over(error),
    })
  }

  private makeTopics(): Topics {
    const { name, groups, reaches, options, timers, messenger } = this
    const { limits, logger } = options
    return new Topics({
      name,
      groups,
      usualGroup: (groups[0] ?? reaches[0])!,
      logger,
      monotonic: () => timers.monotonic(),
      broadcastEvent: (group, event, body, { want = 'report', ...waiting }) => {
        const options = { ...waiting, want: want === 'acks' ? ('replies' as const) : want }
        return this.run(options, (left) => messenger.broadcast(group, event, body, left, eventFlag))
      },
      within: (wait, options) => {
        const tooLate = 'the members of the group did not say what they consume'
        return within({ timers, limits }, wait, options, `publish by ${name}`, tooLate)
      },
      callEvent: (to, event, body, waiting) =>
        this.run(waiting, (left) => messenger.call(to, event, body, left, eventFlag)),
      ask: (to, group) => detached(() => messenger.call(to, subscriptionsAction, { group }, { timeout: askTimeoutMs })),
      tell: (group, list) =>
        detached(() => this.run(undefined, () => messenger.broadcast(group, subscribedAction, list))),
      members: (group) => this.peers(group, { timeout: askTimeoutMs }),
      watch: (group) => this.watchPeers(group),
    })
  }

  private makeSealedHttp(): SealedHttp {
    const { messenger, events } = this
    const { callTimeoutMs, maxCallTimeoutMs } = this.options.limits
    return new SealedHttp({
      stream: (to, action, body, options) => {
        this.lifetime.check()
        return messenger.stream(to, action, body, options, this.handover.away)
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
      query: (question) => this.query(question, 'leave to serve HTTP'),
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
    if (!this.welcome) await this.registration.wait()
  }

  private up(link: Link, welcome: Welcome): void {
    this.welcome = welcome
    this.mediatorClock.welcomed(welcome.now)
    this.registration.obstacle = undefined
    this.messenger.linkUp(link, welcome)
    this.http.up(link)
    if (this.lifetime.state === 'draining') link.goaway()
    for (const group of this.watches.groups) void this.directory.rewatch(link, group)
    this.handover.end()
    if (this.registration.isDone) link.open()
    void this.readyAfter(link)
    this.options.logger.info({ node: this.name, epoch: welcome.epoch }, 'registered')
    this.connection = { mediator: welcome.mediator, epoch: welcome.epoch, transport: link.transport }
    this.events.emit('connected', this.connection)
  }

  /** A node is ready when it knows the mediator's policies, or a second later. */
  private async readyAfter(link: Link): Promise<void> {
    const { members, timers, messenger, options } = this
    await followPolicies(link, { policies: messenger.policies, members, timers, logger: options.logger })
    if (this.dialer.link !== link) return
    this.registration.done()
    // Whoever waited for this sets its handlers now: a message that is here already must not find none.
    this.nextTurn(() => link.open())
  }

  private down(error: SealwayError, retryInMs: number): void {
    this.registration.obstacle = error
    this.messenger.linkDown(error)
    this.http.lost(error)
    this.options.logger.warn({ node: this.name, code: error.code, retryInMs }, error.message)
    this.events.emit('disconnected', { error, retryInMs })
  }

  private over(error: SealwayError | undefined): void {
    this.lifetime.state = 'closed'
    if (error) this.messenger.linkDown(error)
    this.messenger.close()
    this.http.lost(error ?? this.lifetime.closedError())
    this.watches.close()
    this.keysFile?.close()
    this.handover.end()
    if (error) this.events.emit('disconnected', { error })
    this.registration.done(error ?? this.lifetime.closedError())
    this.registration.end()
    this.lifetime.over(error)
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
    this.plugins.add(plugin, () => plugin.install?.(this))
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
    this.lifetime.check()
    checkVerb('stream', options)
    const open = (all: StreamOptions | undefined) =>
      this.messenger.stream(to, action, body, all, this.handover.away) as StreamReader<Item>
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
    try {
      checkVerb(verb, options)
    } catch (error) {
      return Promise.reject(error)
    }
    if (this.senders.none) return this.run(options, run)
    return this.senders.around(verb, to, action, (trace) => {
      const result = this.run({ ...trace, ...options } as O, run)
      return { result, ended: result }
    })
  }

  private run<T, O extends WaitOptions>(options: O | undefined, verb: (left: O | undefined) => Promise<T>): Promise<T> {
    // A draining node still sends: what it is finishing may need others.
    if (this.lifetime.state === 'closed') return Promise.reject(this.lifetime.closedError())
    const { away } = this.handover
    if (away) return this.handover.wait(away, options).then((left) => this.run(left, verb))
    try {
      return verb(options)
    } catch (error) {
      return Promise.reject(error)
    }
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
    checkOptions('subscribe', typeof first === 'function' ? options : first)
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
  async fetch(input: FetchInput, init?: FetchOptions): Promise<Response> {
    checkOptions('fetch', init)
    return this.sealedHttp.fetch(input, init)
  }

  /**
   * The same request to every other member of a group, `group:orders/health`: what each answered, or why it did not, in
   * the order of their names. Bodies are to be read or cancelled.
   * @throws SealwayError `INVALID_ARGUMENT`; as `peers`; what fails at one node is in its answer
   */
  async fetchAll(input: FetchInput, init?: FetchOptions): Promise<NodeAnswer[]> {
    checkOptions('fetch', init)
    return this.sealedHttp.fetchAll(input, init)
  }

  /**
   * A WebSocket to the app that another node exposes, `ws://chat-1/room`, or `any:chat/room`; resolves when it is open.
   * What is said in it is sealed from end to end.
   * @throws SealwayError as `fetch`; `BAD_ANSWER` (data: { status }) where no WebSocket is there
   */
  async webSocket(
    url: string | URL,
    protocols?: string | readonly string[],
    options?: WebSocketOptions,
  ): Promise<NodeWebSocket> {
    checkOptions('webSocket', options)
    return this.sealedHttp.webSocket(url, protocols, options)
  }

  /**
   * A function that asks, with these defaults: `request()`, `request(path)`, `request(node, path)`,
   * `request(group, node, path)`, or with any of the options again. A node named is asked, else one of the group.
   */
  createRequester(defaults: RequesterOptions = {}): Requester {
    checkOptions('createRequester', defaults)
    const ask = this.sealedHttp.requester(defaults)
    const request = async (...overrides: [RequesterOptions]): Promise<Response> => {
      if (typeof overrides[0] === 'object') checkOptions('createRequester', overrides[0])
      return ask(...overrides)
    }
    return request as Requester
  }

  /**
   * For receivers, `app.use(node.middleware())`: what did not come sealed from another node reaches the `public` routes
   * only, and is answered 403 elsewhere; the others find who asks in `req.sealway`, and answer with `res.sealed(value)`.
   * @throws SealwayError `INVALID_ARGUMENT`
   */
  middleware(options?: MiddlewareOptions): HttpMiddleware {
    checkOptions('middleware', options)
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
    this.lifetime.check()
    checkOptions('expose', options)
    return this.http.expose(app, options)
  }

  // ---- peers

  /** Who is connected in a group now. @throws SealwayError `FORBIDDEN`, `NOT_CONNECTED`, `TIMEOUT` */
  async peers(group: string, options?: WaitOptions): Promise<Peer[]> {
    checkOptions('peers', options)
    return this.directory.ask('peers', group, options)
  }

  /** Berlioz' name for {@link peers}. */
  getPeers(group: string, options?: WaitOptions): Promise<Peer[]> {
    return this.peers(group, options)
  }

  /** Who is there now, and then who comes and goes. `break` ends it. */
  watchPeers(group: string, options?: WaitOptions): AsyncGenerator<PeerChange, void, undefined> {
    checkOptions('watchPeers', options)
    return this.directory.watch(group, options)
  }

  /** Berlioz' name for {@link watchPeers}. */
  monitorPeers(group: string, options?: WaitOptions): AsyncGenerator<PeerChange, void, undefined> {
    return this.watchPeers(group, options)
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
    checkOptions('ping', options)
    const { clock, timers, mediatorClock } = this
    if (peer === undefined) {
      return pingMediator({ askTime: () => this.query({ type: 'time' }, 'the time', options), mediatorClock, timers })
    }
    const call = (to: string, action: string, body: undefined, wait?: WaitOptions) => this.call(to, action, body, wait)
    return pingPeer({ call, clock, timers }, peer, options)
  }

  // ---- keys

  /**
   * Replaces the payload keys without a restart: add the new one as opening everywhere, then put it first everywhere,
   * then take the old one away. Takes what `connect({ keys })` takes.
   * @throws SealwayError `INVALID_ARGUMENT`; the old keys stay
   */
  updateKeys(keys: NonNullable<ConnectOptions['keys']>): void {
    this.keyring.update(keys)
  }

  /** Reads `keysFile` again now, for a program's SIGHUP; changes are noticed without it within a second. */
  reloadKeys(): void {
    this.keysFile?.reload()
  }

  // ---- the end

  /**
   * Refuses new work with `DRAINING`, finishes what is under way or queued here, flushes, leaves. At most `timeout`, 25 s by default; so long it also
   * waits for a link that is gone, if something is to go over it. What then has not left is lost: whoever waits for it is
   * told `CLOSED`, and of what nobody waits for, the event `dropped` and the log tell.
   */
  drain(options: { readonly timeout?: number } = {}): Promise<void> {
    checkOptions('drain', options)
    return this.lifetime.drain(options.timeout)
  }

  /** Leaves now. Calls in flight are rejected `CLOSED`. */
  close(): Promise<void> {
    return this.lifetime.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.drain()
  }
}

/** Told to the mediator, for the operator. */
const clientVersion = 'sealway-client/0.1.0'
