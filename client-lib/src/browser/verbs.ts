import { Kind, type Limits, parseGroup, SealwayError } from '@sealway/protocol'
import { aborted, refuseAborted, timeoutOf, type WaitOptions, watchDeadline } from '../messaging/deadline.js'
import { encodeMeta, type MetaOptions } from '../messaging/meta.js'
import { ackOnlyFlag, earlyOrKeptFlag } from '../messaging/payload.js'
import type { BroadcastReport } from '../messaging/report.js'
import type { Timers } from '../session/timers.js'
import { type Bytes, utf8 } from './bytes.js'
import { encodeAction, encodeBody, encodeMessage } from './message.js'
import type { Outlet } from './outlet.js'
import { Broadcast, Call, type Question, type QuestionParts } from './question.js'
import type { RecordFields } from './record.js'

export interface PageSendOptions extends WaitOptions, MetaOptions {}

export interface PageCallOptions extends PageSendOptions {
  /** The handler may run again without harm: the question is sent again until its answer is there. */
  readonly idempotent?: boolean
}

export interface PageAckedOptions extends PageSendOptions {
  /** The same message, however often and by which page it is sent: handled once per process of the target. */
  readonly id?: string
  /** What the receipt must say; `processed` unless given. */
  readonly until?: 'delivered' | 'processed'
}

export interface PageBroadcastOptions extends PageSendOptions {
  /** `report` (default): who was reached. `acks`: whose handler ran. `replies`: what each answered. */
  readonly want?: 'report' | 'acks' | 'replies'
}

/** Proof, sealed by the receiving library, of what became of a message. */
export interface PageReceipt {
  readonly id: string | undefined
  /** The node that says so. */
  readonly by: string
  /** `delivered`: opened there. `processed`: its handler is done. */
  readonly status: 'delivered' | 'processed'
  /** From the send to the receipt, ms. */
  readonly afterMs: number
}

export interface VerbsParts {
  readonly clock: () => number
  readonly timers: Timers
  readonly limits: Limits
  /** 0 to 1. */
  readonly random: () => number
  readonly outlets: () => Iterable<Outlet>
  /** Of an address as the user writes it. @throws SealwayError `INVALID_NAME` */
  readonly outletTo: (to: string) => Outlet
  readonly memberOutlet: (name: string, scope: string) => Outlet
}

/** Leaves 2^52 numbers to count on. */
const firstCorrBelow = 2 ** 47
const sendTimeoutMs = 10_000
/** How often what is due is sent again, ms. */
const resendTickMs = 100
const withdrawal = new Uint8Array(0)

/** The verbs of a page, and all that waits for answers. */
export class Verbs {
  private readonly pending = new Map<number, Question>()
  private lastCorr: number
  private resending = false
  private readonly questionParts: QuestionParts

  constructor(private readonly parts: VerbsParts) {
    this.questionParts = {
      clock: parts.clock,
      timers: parts.timers,
      forget: (question) => void this.pending.delete(question.corr),
      cancel: (question) => this.withdraw(question),
    }
    // An answer to the page that had this name before must not carry the number of a question of this one.
    this.lastCorr = Math.floor(parts.random() * firstCorrBelow)
  }

  get count(): number {
    return this.pending.size
  }

  /** All that is asked and not settled. */
  get all(): Question[] {
    return [...this.pending.values()]
  }

  get(corr: number): Question | undefined {
    return this.pending.get(corr)
  }

  /** Resolves when the message is queued here. */
  async send(to: string, action: string, body: unknown, options: PageSendOptions = {}): Promise<void> {
    const { timers, limits } = this.parts
    const outlet = this.parts.outletTo(to)
    const what = `send ${action} to ${outlet.to}`
    const payload = messageOf(action, body, options, 0)
    refuseAborted(options.signal, what)
    const timeoutMs = timeoutOf(options, sendTimeoutMs, limits.maxCallTimeoutMs)
    let isQueued = false
    let onQueued = (): void => {
      isQueued = true
    }
    let onLost = (): void => {}
    const entry = outlet.add({ kind: Kind.fire, payload }, { queued: () => onQueued(), lost: () => onLost() })
    if (isQueued) return
    await new Promise<void>((resolve, reject) => {
      const stopWatch = watchDeadline(timers, timeoutMs, options.signal, (why) => {
        stopWatch()
        outlet.remove(entry)
        const full = `${what}: the queue to ${outlet.to} stayed full for ${timeoutMs} ms`
        reject(why === 'abort' ? aborted(what, options.signal!, 'not-delivered') : outlet.busy(full, timeoutMs))
      })
      onQueued = () => {
        stopWatch()
        resolve()
      }
      onLost = () => {
        stopWatch()
        reject(new SealwayError('CLOSED', { message: `${what}: this node was closed`, outcome: 'not-delivered' }))
      }
    })
  }

  async call(to: string, action: string, body: unknown, options: PageCallOptions = {}): Promise<unknown> {
    const outlet = this.parts.outletTo(to)
    if (outlet.to.startsWith('group:')) {
      throw invalid(`a call has one answer; ${outlet.to} has many: use broadcast with want: 'replies'`)
    }
    // A copy for one of a group could reach another member, so only a call to a node is sent again.
    const resends = options.idempotent === true && !outlet.to.includes(':')
    const payload = messageOf(action, body, options, resends ? earlyOrKeptFlag : 0)
    const { callTimeoutMs } = this.parts.limits
    const ask = this.askOne(
      outlet,
      Kind.call,
      `call ${action} to ${outlet.to}`,
      payload,
      options,
      callTimeoutMs,
      resends,
    )
    return (await ask).body
  }

  async sendAcked(to: string, action: string, body: unknown, options: PageAckedOptions = {}): Promise<PageReceipt> {
    const outlet = this.parts.outletTo(to)
    if (outlet.to.includes(':')) {
      throw invalid(`sendAcked is to one node, not to ${outlet.to}: use broadcast with want: 'acks'`)
    }
    const { clock } = this.parts
    const { id, until: status = 'processed' } = options
    const payload = messageOf(action, body, options, status === 'delivered' ? earlyOrKeptFlag : 0)
    const msgId = id === undefined ? undefined : await messageId(id)
    const startedAt = clock()
    const what = `send ${action} to ${outlet.to}`
    const { from } = await this.askOne(outlet, Kind.acked, what, payload, options, sendTimeoutMs, true, msgId)
    return { id, by: from, status, afterMs: clock() - startedAt }
  }

  private askOne(
    outlet: Outlet,
    kind: Kind,
    what: string,
    payload: Bytes,
    options: WaitOptions,
    defaultMs: number,
    resends: boolean,
    msgId?: Bytes,
  ): Promise<{ readonly from: string; readonly body: unknown }> {
    const timeoutMs = this.begin(options, what, defaultMs)
    return new Promise((resolve, reject) => {
      const call = new Call(this.questionParts, this.nextCorr(), outlet, what, timeoutMs, options.signal, resends)
      call.resolve = resolve
      call.reject = reject
      this.launch(call, { kind, corr: call.corr, ttlMs: Math.ceil(timeoutMs), msgId, payload }, outlet.to.includes(':'))
      if (resends) this.resendLater()
    })
  }

  async broadcast(
    group: string,
    action: string,
    body: unknown,
    options: PageBroadcastOptions = {},
  ): Promise<BroadcastReport> {
    const name = parseGroup(group.startsWith('group:') ? group.slice(6) : group)
    const outlet = this.parts.outletTo(`group:${name}`)
    const { want = 'report' } = options
    const payload = messageOf(action, body, options, want === 'acks' ? ackOnlyFlag : 0)
    const what = `broadcast ${action} to ${name}`
    const timeoutMs = this.begin(options, what, sendTimeoutMs)
    return new Promise((resolve, reject) => {
      const corr = this.nextCorr()
      const broadcast = new Broadcast(this.questionParts, corr, outlet, what, timeoutMs, options.signal, false)
      broadcast.report.want = want
      broadcast.resolve = resolve
      broadcast.reject = reject
      // One that only wants to know whom it reached asks the mediator, not the members.
      const asks = want === 'report' ? {} : { corr, ttlMs: Math.ceil(timeoutMs) }
      this.launch(broadcast, { kind: Kind.broadcast, ...asks, payload }, true)
    })
  }

  private begin(options: WaitOptions, what: string, defaultMs: number): number {
    const { limits } = this.parts
    refuseAborted(options.signal, what)
    if (this.pending.size >= limits.maxPendingCalls) {
      const message = `${limits.maxPendingCalls} calls are in flight already`
      throw new SealwayError('BUSY', { message, outcome: 'not-delivered', hop: 'client' })
    }
    return timeoutOf(options, defaultMs, limits.maxCallTimeoutMs)
  }

  private nextCorr(): number {
    return ++this.lastCorr
  }

  private launch(question: Question, record: RecordFields, wantAccepted: boolean): void {
    this.pending.set(question.corr, question)
    try {
      question.entry = question.outlet.add(record, { question, wantAccepted })
    } catch (error) {
      question.fail(error as SealwayError)
    }
  }

  /** Tells the one who was asked that nobody waits any more. */
  private withdraw(question: Question): void {
    if (!(question instanceof Call)) return
    const { outlet, member, corr } = question
    // A call to one of a group went to a member that the mediator has named.
    const to = member === undefined ? outlet : this.parts.memberOutlet(member, outlet.scope)
    if (!to.to.includes(':')) to.tryAdd({ kind: Kind.call, corr, payload: withdrawal })
  }

  /** Something is kept: from now on it is looked whether it is due. */
  private resendLater(): void {
    if (this.resending) return
    this.resending = true
    this.parts.timers.setBackground(() => {
      this.resending = false
      const now = this.parts.clock()
      let kept = false
      for (const outlet of this.parts.outlets()) kept = outlet.resend(now) || kept
      if (kept || this.pending.size > 0) this.resendLater()
    }, resendTickMs)
  }
}

/** @throws SealwayError `INVALID_ARGUMENT`, `UNSERIALISABLE`, `TOO_LARGE` */
const messageOf = (action: string, body: unknown, options: MetaOptions, flags: number): Bytes =>
  encodeMessage(encodeAction(action), encodeMeta(options, utf8), encodeBody(body), flags)

/** 16 bytes from the user's text, the same on every node. @throws SealwayError `INVALID_ARGUMENT` */
async function messageId(id: unknown): Promise<Bytes> {
  if (typeof id !== 'string' || id.length === 0 || id.length > 256) {
    throw invalid('id must be a text of 1 to 256 characters')
  }
  return new Uint8Array(await crypto.subtle.digest('SHA-256', utf8(id))).slice(0, 16)
}

const invalid = (message: string) =>
  new SealwayError('INVALID_ARGUMENT', { message, outcome: 'not-delivered', hop: 'client' })
