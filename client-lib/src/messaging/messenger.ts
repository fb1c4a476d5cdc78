import {
  type Code,
  codeNumber,
  formatAddress,
  Kind,
  type Limits,
  parseAddress,
  parseGroup,
  SealwayError,
  type Welcome,
} from '@sealway/protocol'
import type { Keyring } from '../crypto/keyring.js'
import { Opener } from '../crypto/open.js'
import { PooledRandom } from '../crypto/random.js'
import { type Receipt, ReceiptStatus } from '../crypto/receipt.js'
import type { SealingFlow } from '../crypto/seal.js'
import type { Link, LinkEvents } from '../session/link.js'
import type { Logger } from '../session/log.js'
import type { Timers } from '../session/timers.js'
import { Acked, type Receipt as AckReceipt, messageId } from './acked.js'
import { Answers } from './answers.js'
import { Broadcast, type BroadcastReport, type Want } from './broadcast.js'
import { Call, Calls, type Pending } from './calls.js'
import { aborted, refuseAborted, timeoutOf, type WaitOptions } from './deadline.js'
import { deliveryOf } from './delivery.js'
import type { Emitter, NodeEvents } from './events.js'
import { counterOf, sameFlow } from './frame-id.js'
import { checkNeed, Gather, type Need } from './gather.js'
import type { Handlers } from './handlers.js'
import { Hints } from './hints.js'
import { type FlowOrder, Inbox } from './inbox.js'
import { withinCaller } from './inherited.js'
import { encodeMeta, type MetaOptions } from './meta.js'
import type { Outlet } from './outlet.js'
import { Outlets, usualScope } from './outlets.js'
import {
  ActionNames,
  ackOnlyFlag,
  BodyWriter,
  type Codec,
  earlyOrKeptFlag,
  messageBytes,
  ReplyStatus,
  writeMessage,
} from './payload.js'
import { Attempts } from './policy/attempts.js'
import { Balancer } from './policy/balance.js'
import { Breakers } from './policy/breaker.js'
import { Policies, type PolicyOptions } from './policy/policy.js'
import { Lanes } from './streams/lanes.js'
import type { StreamOptions, StreamReader } from './streams/reader.js'
import { Streams } from './streams/streams.js'
import { Waiting } from './waiting.js'

export interface SendOptions extends WaitOptions, MetaOptions {}

export interface BroadcastOptions extends SendOptions {
  /** `report` (default): who was reached. `acks`: whose handler ran. `replies`: what each answered. */
  readonly want?: Want
}

export interface CallOptions extends SendOptions, PolicyOptions {
  /** The handler may run again without harm: the question is sent again until its answer is there. */
  readonly idempotent?: boolean
}

export interface AckedOptions extends SendOptions {
  /** The same message, however often and by which process it is sent: handled once per process of the target. */
  readonly id?: string
  /** What the receipt must say; `processed` unless given. */
  readonly until?: 'delivered' | 'processed'
}

export interface GatherOptions extends SendOptions {
  /** How many answers are enough; `all` unless given. */
  readonly need?: Need
}

/** Answers in the order in which they came. */
export type GatherResult = readonly { readonly from: string; readonly body: unknown }[]

export interface MessengerParts {
  readonly name: string
  readonly groups: readonly string[]
  readonly incarnation: number
  readonly keyring: Keyring
  readonly codec: Codec | undefined
  readonly strictIncarnation: boolean
  readonly clock: () => number
  readonly limits: Limits
  readonly logger: Logger
  readonly events: Emitter<NodeEvents>
  /** Who is in a group, sorted; undefined where that is not known, or not yet. */
  readonly members: (group: string) => readonly string[] | undefined
  readonly timers: Timers
  /** 0 to 1. */
  readonly random: () => number
  readonly afterBurst: (work: () => void) => void
  readonly nextTurn: (work: () => void) => void
}

const sendTimeoutMs = 10_000
const broadcastTimeoutMs = 10_000
const ackedTimeoutMs = 10_000
/** How often what is due is sent again, ms. */
const resendTickMs = 100
/** A target that left may be back within this, ms. */
const returnGraceMs = 2_000
/** A call or broadcast without payload takes back the one of the same number. */
const withdrawal = new Uint8Array(0)
const done = Promise.resolve()

/** The verbs of a node, and what answers them: everything between the user's call and a link's bytes. */
export class Messenger {
  readonly calls: Calls
  readonly policies: Policies
  private readonly parts: MessengerParts
  private readonly attempts: Attempts
  private readonly outlets: Outlets
  private readonly inbox: Inbox
  private readonly actions = new ActionNames()
  private readonly body: BodyWriter
  private readonly waiting: Waiting
  private link: Link | undefined
  private leaving = false
  private welcome: Welcome | undefined
  private readonly answers: Answers
  private readonly hints: Hints
  private readonly lanes = new Lanes()
  private readonly streams: Streams
  private resending = false

  constructor(parts: MessengerParts) {
    this.parts = parts
    const { clock, limits, events } = parts
    this.body = new BodyWriter(parts.codec)
    this.waiting = new Waiting(parts.timers)
    this.calls = new Calls(
      clock,
      parts.timers,
      limits.maxPendingCalls,
      (pending) => this.cancel(pending),
      // Its route to that member tells when it leaves.
      (pending, member) => void this.outlets.get(member, pending.outlet.scope),
      parts.random,
    )
    this.outlets = new Outlets({
      name: parts.name,
      keyring: parts.keyring,
      random: new PooledRandom(),
      chance: parts.random,
      clock,
      limits,
      linkReady: () => this.link !== undefined && (this.leaving || this.link.writableNow),
      writeLink: (bytes) => this.link?.write(bytes),
      openRoute: (outlet) => this.openRoute(outlet),
      dropped: (outlet, code) => events.emit('dropped', { to: outlet.to, code }),
      roomy: (outlet) => {
        this.waiting.retry(outlet)
        this.lanes.roomy(outlet)
      },
      afterBurst: parts.afterBurst,
      nextTurn: parts.nextTurn,
      monotonic: parts.timers.monotonic,
    })
    this.hints = new Hints({
      outlets: this.outlets,
      incarnation: parts.incarnation,
      clock,
      timers: parts.timers,
      logger: parts.logger,
    })
    this.answers = new Answers({
      outlets: this.outlets,
      body: this.body,
      streams: () => this.streams,
      maxRunning: limits.maxRunningHandlers,
      bodyTimeoutMs: limits.callTimeoutMs,
      clock,
      timers: parts.timers,
      logger: parts.logger,
      events,
    })
    this.inbox = new Inbox({
      opener: new Opener<FlowOrder>({
        keyring: parts.keyring,
        name: parts.name,
        groups: parts.groups,
        incarnation: parts.incarnation,
        clock,
        strictInc: parts.strictIncarnation,
      }),
      actions: this.actions,
      codec: parts.codec,
      clock,
      dispatch: (delivery) => this.answers.dispatch(delivery),
      again: (outcome) => this.answers.again(outcome),
      withdrawn: (from, corr) => this.answers.withdrawn(from, corr),
      answered: (from, corr, status, body) => this.answered(from, corr, status, body),
      receipt: (from, receipt) => this.receipt(from, receipt),
      refused: (route, result, sealed) => {
        events.emit('refused', { from: route.from, code: result.code })
        if (result.code === 'UNKNOWN_KEY') this.unknownKey(route.from, route.scope, result.kid, sealed)
        if (result.code === 'STALE_INCARNATION') this.hints.incarnation(route.from, route.scope, sealed)
      },
      stream: (...record) => this.streams.record(...record),
      gap: (from, to, missing, scope) => {
        events.emit('gap', { from, to, missing })
        if (!to.includes(':')) this.streams.gap(from, scope, `${missing} frames were lost on the way`)
      },
      dropped: (from, why) => {
        const codes = { duplicate: 'DUPLICATE', late: 'LATE', expired: 'TIMEOUT', malformed: 'MALFORMED' } as const
        events.emit('refused', { from, code: codes[why] })
      },
    })
    this.streams = this.makeStreams()
    this.policies = new Policies({
      isMember: (group, name) => parts.members(group)?.includes(name) ?? false,
      logger: parts.logger,
    })
    this.attempts = this.makeAttempts()
  }

  private makeAttempts(): Attempts {
    const { name, timers, random, events, members, limits } = this.parts
    return new Attempts({
      name,
      timers,
      random,
      breakers: new Breakers({
        now: () => timers.monotonic(),
        changed: (key, state) => {
          const [target, ...action] = key.split(' ')
          events.emit('circuit', { target: target!, ...(action.length > 0 ? { action: action.join(' ') } : {}), state })
        },
      }),
      balancer: new Balancer(random),
      members,
      inFlight: (member, group) => this.outlets.inFlight(member, group),
      retrying: (to, action, error, inMs) => events.emit('retry', { to, action, error, inMs }),
      maxWaiting: limits.maxPendingCalls,
    })
  }

  private makeStreams(): Streams {
    const { parts, calls } = this
    const { codec, limits, clock, timers, events } = parts
    const refused = (from: string, code: 'MALFORMED' | 'LATE') => events.emit('refused', { from, code })
    return new Streams(
      {
        name: parts.name,
        limits,
        clock,
        timers,
        codec,
        calls,
        body: this.body,
        outletOf: (name, scope) => this.outlets.get(name, scope),
        launch: (opening, outlet, attempt) => this.launchAttempt(opening, outlet, attempt),
        delivery: (arrival, kind, corr, deadline, bytes, start, end) =>
          deliveryOf(arrival, kind, corr, deadline, bytes, start, end, this.actions, codec),
        dispatch: (delivery) => this.answers.dispatch(delivery),
        crashed: (delivery, error) => this.answers.failed(delivery, error),
        answered: (from, corr, status, body) => this.answered(from, corr, status, body),
        expects: (from, corr) => this.expects(from, corr),
        misbehaved: (from) => refused(from, 'MALFORMED'),
        unknown: (from) => refused(from, 'LATE'),
      },
      this.lanes,
    )
  }

  get handlers(): Handlers {
    return this.answers.handlers
  }

  /** Calls in flight and handlers at work: what a drain waits for. */
  get busy(): boolean {
    if (this.streams.count > 0 || this.attempts.waiting > 0) return true
    return this.calls.count > 0 || this.handlers.running > 0 || this.waiting.count > 0
  }

  get flushed(): boolean {
    return this.outlets.idle
  }

  // ---- verbs

  /** Resolves when the message is queued here. */
  send(to: string, action: string, body?: unknown, options?: SendOptions): Promise<void> {
    const outlet = this.outlet(to)
    return this.queue(outlet, Kind.fire, action, body, options)
  }

  private queue(outlet: Outlet, kind: Kind, action: string, body: unknown, options: SendOptions | undefined) {
    const name = this.actions.encode(action)
    const meta = encodeMeta(options)
    if (options?.signal) refuseAborted(options.signal, `send ${action} to ${outlet.to}`)
    const defaultMs = this.policies.for(outlet.to, action)?.timeoutMs ?? sendTimeoutMs
    const timeoutMs = timeoutOf(options, defaultMs, this.parts.limits.maxCallTimeoutMs)
    this.body.prepare(body)
    if (!outlet.fits(messageBytes(name, meta, this.body))) {
      return this.sendLarge(outlet, action, name, meta, timeoutMs, options?.signal)
    }
    if (!this.waiting.has(outlet) && outlet.message(kind, name, meta, this.body, -1, -1)) return done
    return this.waiting.add(outlet, `send ${action} to ${outlet.to}`, timeoutMs, options?.signal, () => {
      this.body.prepare(body)
      return outlet.message(kind, name, meta, this.body, -1, -1)
    })
  }

  /** What is prepared in `body`, as a stream. Resolves when all of it has left. */
  private sendLarge(
    outlet: Outlet,
    action: string,
    name: Uint8Array,
    meta: Uint8Array | undefined,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const what = `send ${action} to ${outlet.to}`
    return new Promise((resolve, reject) => {
      const stop = this.streams.carry({
        what,
        outlet,
        kind: Kind.fire,
        corr: -1,
        timeoutMs,
        ...this.takeBody(name, meta, 0),
        settled: (error) => {
          signal?.removeEventListener('abort', onAbort)
          if (error) reject(signal?.aborted ? aborted(what, signal, 'unknown') : error)
          else resolve()
        },
      })
      const onAbort = (): void => stop()
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  /** Head and body of the message that is prepared in `body`. */
  private takeBody(name: Uint8Array, meta: Uint8Array | undefined, flags: number) {
    const { encoding, size } = this.body
    const head = Buffer.allocUnsafe(messageBytes(name, meta, { size: 0 }))
    writeMessage(head, 0, name, meta, { encoding, write: (_target, at) => at }, flags)
    const bytes = Buffer.allocUnsafeSlow(size)
    this.body.write(bytes, 0)
    return { head, bytes }
  }

  /** Opens a stream. @param ready what to wait for before it leaves */
  stream(to: string, action: string, body: unknown, options: StreamOptions = {}, ready?: Promise<void>): StreamReader {
    const outlet = this.outlet(to)
    const name = this.actions.encode(action)
    const timeoutMs = this.timeout(options, this.parts.limits.callTimeoutMs, outlet.to, action)
    return this.streams.open({ outlet, action, name, meta: encodeMeta(options), body, options, timeoutMs, ready })
  }

  call(to: string, action: string, body?: unknown, options?: CallOptions, extraFlags = 0): Promise<unknown> {
    const outlet = this.outlet(to)
    if (outlet.to.startsWith('group:')) {
      throw new SealwayError('INVALID_ARGUMENT', {
        message: `a call has one answer; ${outlet.to} has many: use broadcast with want: 'replies'`,
        outcome: 'not-delivered',
      })
    }
    const policy = this.policies.for(outlet.to, action, options)
    const timeoutMs = this.timeout(options, this.parts.limits.callTimeoutMs, outlet.to, action)
    if (!policy?.retries && !policy?.breaker && !policy?.balance) {
      return this.ask(outlet, action, body, options, timeoutMs, extraFlags)
    }
    return this.attempts.run({
      to: outlet.to,
      action,
      body,
      policy,
      idempotent: options?.idempotent === true,
      stickyKey: options?.stickyKey,
      timeoutMs,
      signal: options?.signal,
      // What goes to one of a group is sealed with the group's keys.
      ask: (member, attemptMs) =>
        this.ask(
          member === undefined ? outlet : this.outlets.get(member, outlet.scope),
          action,
          body,
          options,
          attemptMs,
          extraFlags,
        ),
    })
  }

  /** One attempt of a call. */
  private ask(
    outlet: Outlet,
    action: string,
    body: unknown,
    options: CallOptions | undefined,
    timeoutMs: number,
    extraFlags: number,
  ): Promise<unknown> {
    const what = `call ${action} to ${outlet.to}`
    return new Promise((resolve, reject) => {
      const call = new Call(this.calls, this.begin(what, options), outlet, what, timeoutMs, options?.signal)
      call.resolve = resolve
      call.reject = reject
      // A copy for one of a group could reach another member, so only a call to a node is sent again.
      call.resends = options?.idempotent === true && !outlet.to.includes(':')
      const flags = extraFlags | (call.resends ? earlyOrKeptFlag : 0)
      this.launch(call, outlet, Kind.call, action, body, options, timeoutMs, flags)
      if (call.resends) this.resendLater()
    })
  }

  broadcast(
    group: string,
    action: string,
    body?: unknown,
    options?: BroadcastOptions,
    extraFlags = 0,
  ): Promise<BroadcastReport> {
    const name = parseGroup(group.startsWith('group:') ? group.slice(6) : group)
    const outlet = this.outlet(`group:${name}`)
    const timeoutMs = this.timeout(options, broadcastTimeoutMs, outlet.to, action)
    const want = options?.want ?? 'report'
    const what = `broadcast ${action} to ${name}`
    return new Promise((resolve, reject) => {
      const broadcast = new Broadcast(this.calls, this.begin(what, options), outlet, what, timeoutMs, options?.signal)
      broadcast.want = want
      broadcast.resolve = resolve
      broadcast.reject = reject
      const flags = extraFlags | (want === 'acks' ? ackOnlyFlag : 0)
      this.launch(broadcast, outlet, Kind.broadcast, action, body, options, want === 'report' ? -1 : timeoutMs, flags)
    })
  }

  /** Resolves with the receiver's sealed receipt; sends the same bytes again until it is there. */
  sendAcked(to: string, action: string, body?: unknown, options?: AckedOptions): Promise<AckReceipt> {
    const outlet = this.outlet(to)
    if (outlet.to.includes(':')) {
      throw new SealwayError('INVALID_ARGUMENT', {
        message: `sendAcked is to one node, not to ${outlet.to}: a copy could reach another member; use broadcast with want: 'acks'`,
        outcome: 'not-delivered',
      })
    }
    const timeoutMs = this.timeout(options, ackedTimeoutMs, outlet.to, action)
    const what = `send ${action} to ${outlet.to}`
    const id = options?.id
    const msgId = id === undefined ? undefined : messageId(id)
    const until = options?.until ?? 'processed'
    return new Promise((resolve, reject) => {
      const acked = new Acked(this.calls, this.begin(what, options), outlet, what, timeoutMs, options?.signal)
      acked.id = id
      acked.until = until
      acked.resolve = resolve
      acked.reject = reject
      const flags = until === 'delivered' ? earlyOrKeptFlag : 0
      this.launch(acked, outlet, Kind.acked, action, body, options, timeoutMs, flags, msgId)
      this.resendLater()
    })
  }

  /** Resolves when enough members have answered; the others are told that nobody waits any more. */
  gather(group: string, action: string, body?: unknown, options?: GatherOptions): Promise<GatherResult> {
    const name = parseGroup(group.startsWith('group:') ? group.slice(6) : group)
    const outlet = this.outlet(`group:${name}`)
    const timeoutMs = this.timeout(options, this.parts.limits.callTimeoutMs, outlet.to, action)
    const need = checkNeed(options?.need ?? 'all')
    const what = `gather ${action} from ${name}`
    return new Promise((resolve, reject) => {
      const gather = new Gather(this.calls, this.begin(what, options), outlet, what, timeoutMs, options?.signal)
      gather.want = 'replies'
      gather.need = need
      gather.onEnough = () => this.cancel(gather)
      gather.resolve = (report) => resolve(report.ok.map((from) => ({ from, body: report.replies.get(from) })))
      gather.reject = reject
      this.launch(gather, outlet, Kind.broadcast, action, body, options, timeoutMs, 0)
    })
  }

  /** What the call says, or the policies, or the verb. */
  private timeout(options: WaitOptions | undefined, verbMs: number, to: string, action: string): number {
    const defaultMs = options?.timeout === undefined ? (this.policies.for(to, action)?.timeoutMs ?? verbMs) : verbMs
    const timeoutMs = timeoutOf(options, defaultMs, this.parts.limits.maxCallTimeoutMs)
    return withinCaller(timeoutMs, this.parts.clock)
  }

  private begin(what: string, options: SendOptions | undefined): number {
    refuseAborted(options?.signal, what)
    return this.calls.nextCorr()
  }

  private launch(
    pending: Pending,
    outlet: Outlet,
    kind: Kind,
    action: string,
    body: unknown,
    options: SendOptions | undefined,
    ttlMs: number,
    flags: number,
    msgId?: Uint8Array,
  ): void {
    let name: Uint8Array
    let meta: Uint8Array | undefined
    try {
      name = this.actions.encode(action)
      meta = encodeMeta(options)
    } catch (error) {
      pending.fail(error as SealwayError)
      return
    }
    const attempt = (): boolean => {
      if (pending.settled) return true
      this.body.prepare(body)
      if (pending instanceof Call && !outlet.fits(messageBytes(name, meta, this.body))) {
        this.callLarge(pending, outlet, name, meta)
        return true
      }
      // A broadcast that only wants to know whom it reached asks the mediator, not the members.
      const corr = ttlMs < 0 ? -1 : pending.corr
      const named = kind === Kind.broadcast || (kind === Kind.call && outlet.to.includes(':'))
      return outlet.message(kind, name, meta, this.body, corr, ttlMs, pending, flags, named, msgId)
    }
    this.launchAttempt(pending, outlet, attempt)
  }

  /** A call with a body too large for a frame: as soon as the last of it has left, it waits as any other. */
  private callLarge(call: Call, outlet: Outlet, name: Uint8Array, meta: Uint8Array | undefined): void {
    let way: Outlet | undefined
    // What is put together anew each time cannot be the same bytes again.
    call.resends = false
    const stop = this.streams.carry({
      what: call.what,
      outlet,
      kind: Kind.call,
      corr: call.corr,
      timeoutMs: Math.max(1, call.remainingMs()),
      ...this.takeBody(name, meta, 0),
      waiter: call,
      accepted: (peer) => {
        way = this.outlets.get(peer, outlet.scope)
        if (outlet !== way) call.accepted([peer])
      },
      // Without its end nobody was given it.
      settled: (error) =>
        error && call.fail(call.error(error.code, error.message, 'not-delivered', { data: error.data })),
    })
    call.leaveQueue = () => {
      way?.awaiting.delete(call)
      stop()
    }
  }

  private launchAttempt(pending: Pending, outlet: Outlet, attempt: () => boolean): void {
    this.calls.add(pending)
    try {
      // Nobody overtakes those who already wait for room.
      if (this.waiting.has(outlet) || !attempt()) {
        pending.leaveQueue = this.waiting.enqueue(outlet, attempt, (error) => pending.fail(error))
      }
    } catch (error) {
      pending.fail(error as SealwayError)
    }
  }

  private resendLater(): void {
    if (this.resending) return
    this.resending = true
    this.parts.timers.setBackground(() => {
      this.resending = false
      const now = this.parts.clock()
      let kept = false
      for (const outlet of this.outlets.all()) kept = outlet.resend(now) || kept
      this.outlets.flushNow()
      if (kept || this.calls.count > 0) this.resendLater()
    }, resendTickMs)
  }

  // ---- answers to what was asked here

  private answered(from: string, corr: number, status: number, body: () => unknown): void {
    const pending = this.calls.get(corr)
    if (!pending) return this.parts.events.emit('refused', { from, code: 'LATE' })
    if (!this.expects(from, corr)) return this.parts.events.emit('refused', { from, code: 'FORBIDDEN' })
    pending.answered(from, status, body)
  }

  /** Only who was asked may answer; a member of the scope could otherwise guess the number. */
  private expects(from: string, corr: number): boolean {
    const to = this.calls.get(corr)?.outlet.to
    return to !== undefined && (to.includes(':') || to === from)
  }

  private cancel(pending: Pending): void {
    const { outlet, corr } = pending
    if (pending instanceof Gather) {
      outlet.raw(Kind.broadcast, withdrawal, corr)
    } else if (pending instanceof Call) {
      // A call to one of a group went to a member that the mediator has named.
      const to = pending.member === undefined ? outlet : this.outlets.get(pending.member, outlet.scope)
      if (!to.to.includes(':')) to.raw(Kind.call, withdrawal, corr)
    }
  }

  // ---- receipts

  private receipt(from: string, receipt: Receipt): void {
    switch (receipt.status) {
      case ReceiptStatus.incarnation: {
        const outlet = this.outlets.get(from, 'default')
        outlet.retarget(receipt.incarnation)
        this.refusedFrame(outlet, receipt.flow, receipt.ackUpTo, 'STALE_INCARNATION', 'receiver')
        return
      }
      case ReceiptStatus.unknownKey:
        // All frames of a flow are sealed with the same key.
        this.keyMismatch(from, (outlet, flow) => asked(outlet, from) && sameFlow(flow.id, receipt.flow))
    }
  }

  private unknownKey(from: string, scope: string, kid: Uint8Array, sealed: Uint8Array): void {
    if (sealed[2] !== Kind.receipt) this.hints.unknownKey(from, scope, kid, sealed)
    // What it says is sealed with a key that is not ours; that it came at all says enough.
    else this.keyMismatch(from, (outlet) => asked(outlet, from) && outlet.scope === scope)
  }

  private keyMismatch(from: string, concerns: (outlet: Outlet, flow: SealingFlow) => boolean): void {
    const message = `${from} does not hold the key this was sealed with`
    for (const outlet of [...this.outlets.all()]) {
      for (const waiter of [...outlet.awaiting] as Pending[]) {
        if (!concerns(outlet, waiter.flow!)) continue
        waiter.answered(from, ReplyStatus.refused, () => ({ code: 'UNKNOWN_KEY', message }))
      }
    }
    this.parts.events.emit('dropped', { to: from, code: 'UNKNOWN_KEY' })
  }

  private refusedFrame(outlet: Outlet, flow: Uint8Array, counter: number, code: Code, hop: 'mediator' | 'receiver') {
    for (const waiter of [...outlet.awaiting] as Pending[]) {
      if (waiter.counter !== counter || !sameFlow(waiter.flow!.id, flow)) continue
      // An earlier copy may have arrived; the next one may get through.
      if (waiter.kept && waiter.repeated && hop === 'mediator') continue
      const outcome = waiter.repeated ? 'unknown' : 'not-delivered'
      waiter.fail(waiter.error(code, `${waiter.what}: ${meaning(code, outlet.to)}`, outcome, { hop }))
    }
    this.parts.events.emit('dropped', { to: outlet.to, code })
    this.streams.gap(outlet.to, outlet.scope, `a frame to it was refused (${code})`)
  }

  // ---- the link

  private outlet(to: string): Outlet {
    const known = this.outlets.peek(to)
    if (known) return known
    const canonical = formatAddress(parseAddress(to))
    return this.outlets.get(canonical, usualScope(canonical))
  }

  private openRoute(outlet: Outlet): void {
    if (!this.link || !this.welcome) return
    outlet.linked(this.welcome.limits)
    this.link.openRoute(outlet.number, outlet.to, outlet.scope)
  }

  readonly linkEvents: Omit<LinkEvents, 'closed' | 'goaway' | 'peers'> = {
    announce: (route, from, to, scope) => this.inbox.announce(route, from, to, scope),
    retire: (route) => this.peerLeft(this.inbox.retire(route)),
    deliver: (route, sealed) => this.inbox.receive(route, sealed),
    credit: (route, bytes, frames) => this.outlets.numbered(route)?.credit(bytes, frames),
    reject: (route, code, frameId) => {
      const outlet = this.outlets.numbered(route)
      if (outlet) this.refusedFrame(outlet, frameId.subarray(0, 8), counterOf(frameId, 8), code, 'mediator')
    },
    accepted: (route, frameId, names) => {
      const outlet = this.outlets.numbered(route)
      const counter = counterOf(frameId, 8)
      for (const waiter of [...(outlet?.awaiting ?? [])] as Pending[]) {
        if (waiter.counter === counter && sameFlow(waiter.flow!.id, frameId)) waiter.accepted(names)
      }
    },
    status: (route, online, incarnation) => {
      const outlet = this.outlets.numbered(route)
      if (!outlet) return
      const left = outlet.online === true && !online
      outlet.online = online
      if (!online) {
        if (left) this.targetLeft(outlet, false)
        return
      }
      if (outlet.incarnation !== 0 && outlet.incarnation !== incarnation) this.targetLeft(outlet, true)
      outlet.retarget(incarnation)
      outlet.hurry(this.parts.clock())
      outlet.letGo()
    },
    policies: (change) => {
      if (this.policies.told(change)) this.parts.events.emit('policies', { central: this.policies.list.central })
    },
    writable: () => this.outlets.pump(),
    idle: () => this.outlets.flushNow(),
  }

  /**
   * What was sent there is not answered any more. What is kept waits a moment for the same process to come back, as
   * after a restart of the mediator, where nodes return one after the other; to another process it says nothing.
   */
  private targetLeft(outlet: Outlet, forGood: boolean): void {
    this.streams.peerGone(outlet.to)
    const waiting = [...outlet.awaiting] as Pending[]
    for (const waiter of waiting) if (forGood || !waiter.kept) waiter.peerLeft(outlet.to)
    for (const waiter of [...this.calls.askedOf(outlet.to)]) waiter.peerLeft(outlet.to)
    if (forGood || outlet.awaiting.size === 0) return
    this.parts.timers.setBackground(() => {
      if (outlet.online !== false) return
      for (const waiter of waiting) if (outlet.awaiting.has(waiter)) waiter.peerLeft(outlet.to)
    }, returnGraceMs)
  }

  /** A sender is gone: nobody waits for what its calls would answer. */
  private peerLeft(name: string | undefined): void {
    if (name === undefined) return
    this.streams.peerGone(name)
    this.answers.abort(new SealwayError('PEER_GONE', { message: `${name} disconnected`, target: name }), name)
  }

  linkUp(link: Link, welcome: Welcome): void {
    this.link = link
    this.inbox.linked(link.transport)
    this.welcome = welcome
    for (const outlet of this.outlets.all()) {
      this.openRoute(outlet)
      outlet.hurry(this.parts.clock())
    }
    this.outlets.pump()
    // After a restart of the mediator nodes return one after the other; what waits must not find them absent.
    this.parts.timers.setBackground(() => {
      if (this.link !== link) return
      for (const outlet of this.outlets.all()) outlet.letGo()
      this.outlets.flushNow()
    }, returnGraceMs)
  }

  linkDown(error: SealwayError): void {
    this.link = undefined
    this.outlets.unlinked()
    this.inbox.unlinked()
    this.policies.unlinked()
    for (const outlet of this.outlets.all()) outlet.unlinked()
    this.calls.linkLost(error)
    this.streams.linkLost(error)
  }

  /** Before the link is ended: all that credit allows is written, whether or not the link would have it wait. */
  flush(): void {
    this.leaving = true
    this.outlets.pump()
  }

  close(): void {
    this.waiting.close()
    this.attempts.close()
    this.calls.closed()
    this.streams.close()
    this.answers.abort(new SealwayError('CLOSED', { message: 'this node was closed' }))
  }
}

/** Whether this node was asked there: it alone, or as a member of a group. */
const asked = (outlet: Outlet, name: string): boolean => outlet.to === name || outlet.to.startsWith('group:')

function meaning(code: Code, to: string): string {
  switch (code) {
    case 'OFFLINE':
      return `${to} is not connected`
    case 'UNKNOWN_NODE':
      return `no node is named ${to}`
    case 'UNKNOWN_GROUP':
      return `there is no ${to}`
    case 'BUSY':
      return `the queue of ${to} is full`
    case 'FORBIDDEN':
      return `this node shares no group with ${to}, and its token does not allow more`
    default:
      return `${to} was not reached (${code}, ${codeNumber(code)})`
  }
}
