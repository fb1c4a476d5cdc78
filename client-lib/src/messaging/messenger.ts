import {
  type Code,
  formatAddress,
  Kind,
  type Limits,
  offset,
  parseAddress,
  SealwayError,
  type Welcome,
} from '@sealway/protocol'
import type { Keyring } from '../crypto/keyring.js'
import { Opener } from '../crypto/open.js'
import { PooledRandom } from '../crypto/random.js'
import { type Receipt, ReceiptStatus } from '../crypto/receipt.js'
import type { Link, LinkEvents } from '../session/link.js'
import type { Logger } from '../session/log.js'
import { signalAfter, type Timers } from '../session/timers.js'
import type { Receipt as SendReceipt } from './acked.js'
import { Answers } from './answers.js'
import { AnyMember } from './any-member.js'
import type { Waiter } from './bundle.js'
import { withCallerMeta } from './caller-meta.js'
import { Calls, type Pending } from './calls.js'
import { Credits } from './credits.js'
import { deliveryOf } from './delivery.js'
import { Departures, returnGraceMs } from './departures.js'
import type { Emitter, NodeEvents } from './events.js'
import { Fires } from './fires.js'
import { counterOf, sameFlow } from './frame-id.js'
import type { Handlers } from './handlers.js'
import { Hints } from './hints.js'
import { type FlowOrder, Inbox } from './inbox.js'
import { callerWaitsMs } from './inherited.js'
import { Large } from './large.js'
import { Launcher } from './launcher.js'
import { MemberChoice } from './member-choice.js'
import { encodeMeta, leftField } from './meta.js'
import type { Outlet } from './outlet.js'
import { Outlets, usualScope } from './outlets.js'
import { ActionNames, BodyWriter, type Codec } from './payload.js'
import { Attempts } from './policy/attempts.js'
import { Balancer } from './policy/balance.js'
import { Breakers } from './policy/breaker.js'
import { Policies } from './policy/policy.js'
import { groupsAction, Questions } from './questions.js'
import { Refusals } from './refusals.js'
import type { BroadcastReport } from './report.js'
import { Lanes } from './streams/lanes.js'
import type { StreamOptions, StreamReader } from './streams/reader.js'
import { Streams } from './streams/streams.js'
import type {
  AckedOptions,
  BroadcastOptions,
  CallOptions,
  GatherOptions,
  GatherResult,
  SendOptions,
} from './verb-options.js'
import { Waiting } from './waiting.js'

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
  /** Resolves when the members of a group are known, or cannot be known now. Never rejects. */
  readonly learnMembers: (group: string) => Promise<void>
  readonly timers: Timers
  /** 0 to 1. */
  readonly random: () => number
  readonly afterBurst: (work: () => void) => void
  readonly nextTurn: (work: () => void) => void
}

/** How long a mediator may take to answer what costs it nothing, ms. */
const answeredWithinMs = 1_000

/** The verbs of a node, and what answers them: everything between the user's call and a link's bytes. */
export class Messenger {
  readonly calls: Calls
  readonly policies: Policies
  private readonly parts: MessengerParts
  private readonly attempts: Attempts
  readonly any: AnyMember
  private readonly outlets: Outlets
  private readonly inbox: Inbox
  private readonly actions = new ActionNames()
  private readonly body: BodyWriter
  private readonly waiting: Waiting
  private readonly credits: Credits
  private link: Link | undefined
  private leaving = false
  private welcome: Welcome | undefined
  private readonly answers: Answers
  private readonly hints: Hints
  private readonly lanes = new Lanes()
  private readonly streams: Streams
  private readonly launcher: Launcher
  private readonly refusals: Refusals
  private readonly departures: Departures
  private readonly fires: Fires
  private readonly questions: Questions

  constructor(parts: MessengerParts) {
    this.parts = parts
    const { clock, limits, events } = parts
    this.body = new BodyWriter(parts.codec)
    this.waiting = new Waiting(parts.timers, limits.nodeOutletBytes)
    this.calls = new Calls(
      clock,
      parts.timers,
      limits.maxPendingCalls,
      (pending) => this.questions.withdraw(pending),
      // Its route to that member tells when it leaves.
      (pending, member) => this.outlets.get(member, pending.outlet.scope),
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
      retireRoute: (number) => this.link?.retireRoute(number),
      awaited: (outlet) => this.waiting.waitsFor(outlet),
      timers: parts.timers,
      dropped: (outlet, code) => events.emit('dropped', { to: outlet.to, code }),
      roomy: (outlet) => {
        this.waiting.retry(outlet)
        this.lanes.roomy(outlet)
      },
      afterBurst: parts.afterBurst,
      nextTurn: parts.nextTurn,
      monotonic: parts.timers.monotonic,
    })
    this.credits = new Credits({ outlets: this.outlets, timers: parts.timers, waiting: this.waiting })
    this.hints = new Hints({
      outlets: this.outlets,
      incarnation: parts.incarnation,
      clock,
      timers: parts.timers,
      keyring: parts.keyring,
    })
    this.answers = new Answers({
      name: parts.name,
      outlets: this.outlets,
      body: this.body,
      streams: () => this.streams,
      maxRunning: limits.maxRunningHandlers,
      nextTurn: parts.nextTurn,
      bodyTimeoutMs: limits.callTimeoutMs,
      clock,
      timers: parts.timers,
      logger: parts.logger,
      events,
    })
    this.handlers.table.set(groupsAction, [() => parts.groups], { ours: true })
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
      askGroups: (name, scope) => this.questions.groupsOf(name, scope),
      dispatch: (delivery) => this.answers.dispatch(delivery),
      again: (outcome) => this.answers.again(outcome),
      withdrawn: (from, corr) => this.answers.withdrawn(from, corr),
      answered: (from, corr, status, body) => this.questions.answered(from, corr, status, body),
      receipt: (from, scope, receipt) => this.receipt(from, scope, receipt),
      creditAsked: (grant, counter) => this.answers.grants.asked(grant, counter),
      arrived: (grant, counter, messages, bytes, gap) =>
        this.answers.grants.arrived(grant, counter, messages, bytes, gap),
      refused: (route, result, sealed) => {
        events.emit('refused', { from: route.from, code: result.code })
        if (result.code === 'STALE_INCARNATION') this.hints.incarnation(route.from, route.scope, sealed)
        if (result.code !== 'UNKNOWN_KEY') return
        if (sealed[offset.kind] === Kind.receipt) this.refusals.unreadable(route.from, route.scope)
        else this.hints.unknownKey(route.from, route.scope, result.kid, sealed)
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
    this.any = new AnyMember({
      name: parts.name,
      members: parts.members,
      learn: parts.learnMembers,
      inFlight: (member, group) => this.outlets.inFlight(member, group),
      monotonic: () => parts.timers.monotonic(),
    })
    this.attempts = this.makeAttempts()
    const { calls, outlets, waiting, actions, body, policies, attempts } = this
    const large = new Large({ outlets, body, streams: () => this.streams, timers: parts.timers })
    const launcher = new Launcher({ calls, outlets, waiting, actions, body, large, clock, timers: parts.timers })
    this.launcher = launcher
    this.fires = new Fires({ actions, body, large, policies, waiting, limits, nextTurn: parts.nextTurn })
    this.questions = new Questions({
      calls,
      outlets,
      outletTo: (to) => this.outlet(to),
      launcher,
      policies,
      attempts,
      any: this.any,
      timers: parts.timers,
      limits,
      clock,
      stray: (from, code) => events.emit('refused', { from, code }),
    })
    this.refusals = new Refusals({
      waiting: () => [...outlets.all()].flatMap(({ awaiting }) => awaiting.values() as Pending[]),
      stale: (from, incarnation, { flow, ackUpTo }) => {
        const outlet = outlets.get(from, 'default')
        outlet.retarget(incarnation)
        this.frameRefused(outlet, flow, ackUpTo, 'STALE_INCARNATION', 'receiver')
      },
      dropped: (to, code, messages = 0) => events.emit('dropped', messages > 0 ? { to, code, messages } : { to, code }),
    })
    this.departures = new Departures({
      calls,
      timers: parts.timers,
      streamsLost: (name) => this.streams.peerGone(name),
      answeredSoFar: () => this.answeredSoFar(),
    })
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
      any: this.any,
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
        launch: (opening, outlet, attempt) => this.launcher.attempt(opening, outlet, attempt),
        delivery: (arrival, kind, corr, deadline, bytes, start, end) =>
          deliveryOf(arrival, kind, corr, deadline, bytes, start, end, this.actions, codec),
        dispatch: (delivery, begun) => this.answers.dispatch(delivery, begun),
        turnsAway: (to) => this.answers.turnsAway(to),
        canQueue: (from, bytes) => this.answers.grants.canQueue(from, bytes),
        whenHandled: (work) => {
          this.answers.grants.onHandled = work
        },
        crashed: (delivery, error) => this.answers.failed(delivery, error),
        answered: (from, corr, status, body) => this.questions.answered(from, corr, status, body),
        expects: (from, corr) => this.questions.expects(from, corr),
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
    if (this.waiting.count > 0) return true
    return this.calls.count > 0 || this.handlers.running > 0
  }

  get flushed(): boolean {
    return this.outlets.idle
  }

  // ---- verbs

  send(to: string, action: string, body?: unknown, options?: SendOptions): Promise<void> {
    return this.fires.send(this.outlet(to), action, body, options)
  }

  call(to: string, action: string, body?: unknown, options?: CallOptions, extraFlags?: number): Promise<unknown> {
    return this.questions.call(to, action, body, options, extraFlags)
  }

  sendAcked(to: string, action: string, body?: unknown, options?: AckedOptions): Promise<SendReceipt> {
    return this.questions.sendAcked(to, action, body, options)
  }

  broadcast(
    group: string,
    action: string,
    body?: unknown,
    options?: BroadcastOptions,
    extraFlags?: number,
  ): Promise<BroadcastReport> {
    return this.questions.broadcast(group, action, body, options, extraFlags)
  }

  gather(group: string, action: string, body?: unknown, options?: GatherOptions): Promise<GatherResult> {
    return this.questions.gather(group, action, body, options)
  }

  /** Opens a stream. @param ready what to wait for before it leaves */
  stream(to: string, action: string, body: unknown, options: StreamOptions = {}, ready?: Promise<void>): StreamReader {
    const outlet = this.outlet(to)
    const name = this.actions.encode(action)
    const { limits, clock } = this.parts
    const timeoutMs = this.questions.timeout(options, limits.callTimeoutMs, outlet.to, action)
    const leftMs = callerWaitsMs(clock)
    const full = withCallerMeta(options)
    const told = leftMs === undefined ? full : { ...full, meta: { ...full?.meta, [leftField]: leftMs } }
    const meta = encodeMeta(told, Buffer.from)
    const choice = outlet.to.startsWith('any:') ? new MemberChoice(this.any, this.outlets, outlet, action) : undefined
    const begin = choice ? this.questions.ready(choice, timeoutMs, options.signal, ready) : ready
    return this.streams.open({ outlet, action, name, meta, body, options, timeoutMs, leftMs, ready: begin, choice })
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

  readonly linkEvents: Omit<LinkEvents, 'closed' | 'goaway' | 'answered' | 'peers' | 'exchange'> = {
    announce: (route, from, to, scope) => this.inbox.announce(route, from, to, scope),
    retire: (route) => this.peerLeft(this.inbox.retire(route)),
    deliver: (route, sealed) => this.inbox.receive(route, sealed),
    credit: (route, bytes, frames) => this.outlets.numbered(route)?.credit(bytes, frames),
    reject: (route, code, frameId) => {
      const outlet = this.outlets.numbered(route)
      const to = this.outlets.retiredName(route)
      if (to !== undefined) this.parts.events.emit('dropped', { to, code })
      if (outlet) this.frameRefused(outlet, frameId, counterOf(frameId, 8), code, 'mediator')
    },
    accepted: (route, frameId, names) => {
      const outlet = this.outlets.numbered(route)
      if (!outlet) return
      const counter = counterOf(frameId, 8)
      const inFrame = (waiter: Waiter) => waiter.counter === counter && sameFlow((waiter as Pending).flow!.id, frameId)
      for (const waiter of outlet.awaiting.values(inFrame) as Pending[]) waiter.accepted(names)
    },
    status: (route, online, incarnation) => {
      const outlet = this.outlets.numbered(route)
      if (!outlet) return
      const left = outlet.online === true && !online
      outlet.reached(online)
      if (!online) {
        // What waits for credit is to learn that it cannot be delivered.
        this.waiting.retry(outlet)
        if (left) this.departures.left(outlet, false)
        else this.departures.absent(outlet.to)
        return
      }
      if (outlet.incarnation !== 0 && outlet.incarnation !== incarnation) this.departures.left(outlet, true)
      outlet.retarget(incarnation)
      outlet.hurry(this.parts.clock())
      outlet.letGo()
      this.waiting.retry(outlet)
    },
    policies: (change) => {
      if (!this.policies.told(change)) return
      for (const group of this.policies.named) this.parts.members(group)
      this.parts.events.emit('policies', { central: this.policies.list.central })
    },
    writable: () => this.outlets.pump(),
    idle: () => this.outlets.flushNow(),
  }

  private frameRefused(
    outlet: Outlet,
    flow: Uint8Array,
    counter: number,
    code: Code,
    hop: 'mediator' | 'receiver',
  ): void {
    const waiting = outlet.awaiting.values() as Pending[]
    this.refusals.frame(outlet.to, waiting, flow, counter, code, hop, outlet.rejected(flow, counter))
    this.waiting.retry(outlet)
    this.streams.gap(outlet.to, outlet.scope, `a frame to it was refused (${code})`)
  }

  /** What a receiver says of messages of this node. */
  private receipt(from: string, scope: string, receipt: Receipt): void {
    if (receipt.status === ReceiptStatus.credit) return this.credits.granted(from, scope, receipt)
    if (receipt.status !== ReceiptStatus.dropped) return this.refusals.told(from, receipt)
    const to = this.credits.outletOf(from, scope, receipt.flow)?.to ?? from
    this.parts.events.emit('dropped', { to, code: receipt.code, messages: receipt.messages, by: from })
  }

  /** Frames and answers keep their order on a link: behind the answer to a question nothing from before it comes. */
  private async answeredSoFar(withinMs = answeredWithinMs): Promise<void> {
    if (!this.link) return
    this.outlets.flushNow()
    const { signal, done } = signalAfter(this.parts.timers, withinMs)
    try {
      await this.link.query({ type: 'time' }, signal)
    } catch {
      // The link is gone, or the mediator is slow: nothing more is known, and no more is said.
    } finally {
      done()
    }
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

  /**
   * New work is refused; what is under way goes on. Resolves when nothing more can come that the mediator had sent to this
   * node as one of its groups before it learned of the drain.
   */
  async drain(withinMs: number): Promise<void> {
    this.answers.drain()
    await this.answeredSoFar(Math.min(withinMs, answeredWithinMs))
    this.answers.allHasCome()
  }

  /** Before the link is ended: all that credit allows is written, whether or not the link would have it wait. */
  flush(): void {
    this.leaving = true
    this.answers.abandon()
    this.outlets.pump()
  }

  close(): void {
    this.waiting.close()
    this.attempts.close()
    // Takes what is waited for out of the queues; what is left there nobody hears of otherwise.
    this.calls.closed()
    this.streams.close()
    this.tellLost()
    this.answers.abort(new SealwayError('CLOSED', { message: 'this node was closed' }))
    this.answers.close()
    this.outlets.close()
  }

  private tellLost(): void {
    const { events, logger } = this.parts
    for (const outlet of this.outlets.all()) {
      const { to, waitingMessages: messages } = outlet
      if (messages === 0) continue
      logger.warn({ to, messages }, 'messages that never left are lost')
      events.emit('dropped', { to, code: 'CLOSED' })
    }
  }
}
