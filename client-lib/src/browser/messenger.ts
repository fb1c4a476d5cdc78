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
import type { Receipt } from '../crypto/receipt.js'
import { readU64 } from '../crypto/u64.js'
import type { Emitter } from '../messaging/events.js'
import { sameFlow } from '../messaging/frame-id.js'
import { ReplyStatus } from '../messaging/payload.js'
import { Refusals } from '../messaging/refusals.js'
import { acceptorFlag, Op, opMask } from '../messaging/streams/wire.js'
import type { Link } from '../session/link.js'
import type { Logger } from '../session/log.js'
import type { Timers } from '../session/timers.js'
import { signalAfter } from '../session/timers.js'
import { Answers } from './answers.js'
import type { PageLinkEvents } from './arrivals.js'
import { type Bytes, joined, utf8 } from './bytes.js'
import type { Arrival, FlowOrder } from './delivery.js'
import type { PageEvents } from './events.js'
import { Hints, Rate } from './hints.js'
import { Inbox } from './inbox.js'
import type { PageKeyring } from './keyring.js'
import { type InboundRoute, Opener, type Refusal } from './open.js'
import { Outlet, type OutletParts } from './outlet.js'
import { Call, type Question } from './question.js'
import { Verbs } from './verbs.js'

export interface MessengerParts {
  readonly name: string
  readonly groups: readonly string[]
  readonly incarnation: number
  readonly keyring: PageKeyring
  readonly strictIncarnation: boolean
  readonly clock: () => number
  readonly random: () => number
  readonly timers: Timers
  readonly limits: Limits
  readonly logger: Logger
  readonly events: Emitter<PageEvents>
}

/** How long a mediator may take to answer what costs it nothing, ms. */
const answeredWithinMs = 1_000
/** A target that left may be back within this, ms: after a restart of the mediator nodes return one after the other. */
const returnGraceMs = 2_000

/** Everything between the user's call and a link's bytes: outlets, questions, what arrives and what is answered. */
export class Messenger {
  readonly verbs: Verbs
  readonly answers: Answers
  private readonly inbox: Inbox
  private readonly hints: Hints
  private readonly refusals: Refusals
  private readonly strayData: Rate
  private readonly byAddress = new Map<string, Outlet>()
  private readonly byNumber = new Map<number, Outlet>()
  private readonly outletParts: OutletParts
  private link: Link | undefined
  private linkNumber = 0
  private welcome: Welcome | undefined

  constructor(private readonly parts: MessengerParts) {
    const { name, groups, keyring, clock, random, timers, limits, logger, events } = parts
    this.hints = new Hints(keyring, parts.incarnation, clock)
    this.strayData = new Rate(clock)
    this.outletParts = {
      name,
      keyring,
      clock,
      random,
      limits,
      linkNumber: () => this.link && this.linkNumber,
      linkReady: () => this.link?.writableNow ?? false,
      write: (frame) => this.link?.write([frame]),
      dropped: (to, code) => events.emit('dropped', { to, code }),
    }
    this.refusals = new Refusals({
      waiting: () => this.verbs.all.filter(({ flow }) => flow),
      stale: (from, incarnation, receipt) => this.stale(from, incarnation, receipt),
      dropped: (to, code) => events.emit('dropped', { to, code }),
    })
    const outletOf = (to: string, scope: string) => this.outlet(to, scope)
    this.verbs = new Verbs({
      clock,
      timers,
      limits,
      random,
      outlets: () => this.byNumber.values(),
      outletTo: (to) => {
        const address = parseAddress(to)
        return this.outlet(formatAddress(address), address.type === 'node' ? 'default' : address.group)
      },
      memberOutlet: outletOf,
    })
    this.answers = new Answers({
      groups,
      outletTo: outletOf,
      maxRunning: limits.maxRunningHandlers,
      clock,
      timers,
      logger,
      events,
    })
    const { answers } = this
    this.inbox = new Inbox({
      opener: new Opener<FlowOrder>({
        keyring,
        name,
        groups,
        incarnation: parts.incarnation,
        clock,
        strictInc: parts.strictIncarnation,
      }),
      clock,
      dispatch: (delivery) => answers.dispatch(delivery),
      again: (outcome) => answers.again(outcome),
      withdrawn: (from, corr) => answers.withdrawn(from, corr),
      answered: (from, corr, status, body) => this.answered(from, corr, status, body),
      receipt: (from, receipt) => this.refusals.told(from, receipt),
      stream: (arrival, corr, payload) => this.refuseStream(arrival, corr, payload),
      refused: (route, refusal, sealed) => this.refused(route, refusal, sealed),
      gap: (from, to, missing) => events.emit('gap', { from, to, missing }),
      unhandled: (from, code) => events.emit('refused', { from, code }),
      left: (gone) =>
        answers.abort(new SealwayError('PEER_GONE', { message: `${gone} disconnected`, target: gone }), gone),
    })
  }

  /** Calls in flight and handlers at work: what a drain waits for. */
  get busy(): boolean {
    return this.verbs.count > 0 || this.answers.handlers.busy > 0
  }

  get flushed(): boolean {
    return [...this.byNumber.values()].every(({ idle }) => idle)
  }

  /** A name cannot hold a space, so keys never meet. */
  private outlet(to: string, scope: string): Outlet {
    const key = `${to} ${scope}`
    const known = this.byAddress.get(key)
    if (known) return known
    const outlet = new Outlet(to, scope, this.byNumber.size + 1, this.outletParts)
    this.byAddress.set(key, outlet)
    this.byNumber.set(outlet.number, outlet)
    this.openRoute(outlet)
    return outlet
  }

  private openRoute(outlet: Outlet): void {
    if (!this.link || !this.welcome) return
    outlet.linked(this.welcome.limits)
    this.link.openRoute(outlet.number, outlet.to, outlet.scope)
  }

  // ---- the link

  readonly linkEvents: Omit<PageLinkEvents, 'closed' | 'goaway' | 'peers'> = {
    announce: (route, from, to, scope) => this.inbox.announce(route, from, to, scope),
    retire: (route) => this.inbox.retire(route),
    deliver: (route, sealed) => this.inbox.deliver(route, sealed),
    credit: (route, bytes, frames) => this.byNumber.get(route)?.credit(bytes, frames),
    reject: (route, code, frameId) => {
      const outlet = this.byNumber.get(route)
      if (outlet) this.refusals.frame(outlet.to, outlet.awaiting, frameId, readU64(frameId, 8), code, 'mediator')
    },
    accepted: (route, frameId, names) => {
      const counter = readU64(frameId, 8)
      for (const question of [...(this.byNumber.get(route)?.awaiting ?? [])]) {
        if (question.counter !== counter || !sameFlow(question.flow!.id, frameId)) continue
        question.accepted(names)
        // Its route to that member tells when it leaves.
        if (question.member !== undefined) this.outlet(question.member, question.outlet.scope)
      }
    },
    status: (route, online, incarnation) => this.status(this.byNumber.get(route), online, incarnation),
    writable: () => this.pump(),
  }

  private pump(): void {
    for (const outlet of this.byNumber.values()) outlet.pump()
  }

  private status(outlet: Outlet | undefined, online: boolean, incarnation: number): void {
    if (!outlet) return
    const left = outlet.online === true && !online
    outlet.online = online
    if (!online) {
      if (left) void this.peerLeft(outlet, false)
      return
    }
    if (outlet.incarnation !== 0 && outlet.incarnation !== incarnation) void this.peerLeft(outlet, true)
    outlet.retarget(incarnation)
    outlet.hurry(this.parts.clock())
    outlet.letGo()
  }

  linkUp(link: Link, welcome: Welcome): void {
    this.link = link
    this.linkNumber++
    this.welcome = welcome
    for (const outlet of this.byNumber.values()) {
      this.openRoute(outlet)
      outlet.hurry(this.parts.clock())
    }
    this.pump()
    this.parts.timers.setBackground(() => {
      if (this.link === link) for (const outlet of this.byNumber.values()) outlet.letGo()
    }, returnGraceMs)
  }

  linkDown(error: SealwayError): void {
    this.link = undefined
    this.inbox.unlinked()
    for (const outlet of this.byNumber.values()) outlet.unlinked()
    for (const question of this.verbs.all) {
      // What had left may or may not have arrived; what is kept, or had not left, goes out on the next link.
      if (!question.flow || question.kept) continue
      const message = `${question.what}: ${error.message} before the answer came`
      question.fail(question.error('LINK_LOST', message, 'unknown'))
    }
  }

  close(): void {
    for (const question of this.verbs.all) {
      question.fail(question.error('CLOSED', `${question.what}: this node was closed`, question.leftOutcome))
    }
    for (const outlet of this.byNumber.values()) outlet.close()
    this.answers.abort(new SealwayError('CLOSED', { message: 'this node was closed' }))
  }

  // ---- what became of what this page sent

  /** An answer has come. Only who was asked may answer; a member of the scope could otherwise guess the number. */
  private answered(from: string, corr: number, status: number, body: () => unknown): void {
    const question = this.verbs.get(corr)
    if (!question) return this.parts.events.emit('refused', { from, code: 'LATE' })
    const { to } = question.outlet
    if (!to.includes(':') && to !== from) return this.parts.events.emit('refused', { from, code: 'FORBIDDEN' })
    question.answered(from, status, body)
  }

  /** What was sent there is not answered any more. */
  private async peerLeft(outlet: Outlet, forGood: boolean): Promise<void> {
    const concerned = this.verbs.all.filter(
      (question) => question.flow && (question.outlet === outlet || question.member === outlet.to),
    )
    if (concerned.length === 0) return
    const tell = (question: Question): void => {
      if (question.settled) return
      const message = `${question.what}: ${outlet.to} disconnected before it answered`
      question.fail(question.error('PEER_GONE', message, 'unknown'))
    }
    // What crossed the news on its way is rejected, and so was not delivered: that is more than that the node has left.
    await this.answeredSoFar()
    for (const question of concerned) if (forGood || !question.kept) tell(question)
    if (forGood) return
    this.parts.timers.setBackground(() => {
      if (outlet.online === false) concerned.forEach(tell)
    }, returnGraceMs)
  }

  /** Frames and answers keep their order on a link: behind the answer to a question nothing from before it comes. */
  private async answeredSoFar(): Promise<void> {
    const { signal, done } = signalAfter(this.parts.timers, answeredWithinMs)
    try {
      await this.link?.query({ type: 'time' }, signal)
    } catch {
      // The link is gone, or the mediator is slow: nothing more is known, and no more is said.
    } finally {
      done()
    }
  }

  /** The page or process that had that name is another one now. */
  private stale(from: string, incarnation: number, { flow, ackUpTo }: Receipt): void {
    for (const outlet of this.byNumber.values()) {
      if (outlet.to !== from) continue
      outlet.retarget(incarnation)
      const sent = [...outlet.awaiting].some((question) => sameFlow(question.flow!.id, flow))
      if (sent) this.refusals.frame(from, outlet.awaiting, flow, ackUpTo, 'STALE_INCARNATION', 'receiver')
    }
  }

  /** What arrived does not open. */
  private refused({ from, scope }: InboundRoute, refusal: Refusal, sealed: Bytes): void {
    this.parts.events.emit('refused', { from, code: refusal.code })
    if (refusal.code === 'STALE_INCARNATION') this.hints.incarnation(this.outlet(from, scope), sealed)
    if (refusal.code !== 'UNKNOWN_KEY') return
    if (sealed[offset.kind] === Kind.receipt) this.refusals.unreadable(from, scope)
    else this.hints.unknownKey(this.outlet(from, scope), sealed, refusal.kid)
  }

  // ---- streams, which pages do not have

  /** An opening is refused at once, so that nobody waits; so is a body that does not fit a frame. */
  private refuseStream({ from, scope }: Arrival, number: number, payload: Bytes): void {
    const said = payload[0]!
    const op = said & opMask
    const byOpener = (said & acceptorFlag) === 0
    if (byOpener && op === Op.open) {
      this.reset(from, scope, number, acceptorFlag, 'NO_HANDLER', 'this node is a browser page, which takes no streams')
    } else if (byOpener && op === Op.carry && payload.length >= 18) {
      const bytes = readU64(payload, 2)
      const message = `a body of ${bytes} bytes does not fit a frame, and this node is a browser page, which takes no more`
      this.reset(from, scope, number, acceptorFlag, 'TOO_LARGE', message)
      const corr = readU64(payload, 10)
      if (payload[1] === Kind.reply && corr !== undefined) {
        this.answerTooLarge(from, corr, message)
      }
    } else if (op === Op.accept || op === Op.data) {
      // Of a stream that is not there.
      if (!this.strayData.take(from)) return
      this.reset(from, scope, number, byOpener ? acceptorFlag : 0, 'STREAM_LOST', 'there is no such stream')
    }
  }

  private answerTooLarge(from: string, corr: number, message: string): void {
    const question = this.verbs.get(corr)
    if (!question || (question.outlet.to !== from && !question.outlet.to.includes(':'))) return
    const what = `${question.what}: the answer of ${from}: ${message}`
    if (question instanceof Call) question.fail(question.error('TOO_LARGE', what, 'unknown', { hop: 'receiver' }))
    else question.answered(from, ReplyStatus.exception, () => ({ message }))
  }

  private reset(to: string, scope: string, number: number, flag: number, code: Code, message: string): void {
    const payload = joined([Uint8Array.of(Op.reset | flag), utf8(JSON.stringify({ code, message }))])
    try {
      this.outlet(to, scope).tryAdd({ kind: Kind.stream, corr: number, payload })
    } catch {
      // There is no key to say it with; the other end finds out at its deadline.
    }
  }
}
