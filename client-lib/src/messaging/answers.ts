import { Kind, SealwayError } from '@sealway/protocol'
import { encodeReceipt, type Receipt } from '../crypto/receipt.js'
import type { Logger } from '../session/log.js'
import type { Timers } from '../session/timers.js'
import { type Delivery, isExpectedError } from './delivery.js'
import { Drops } from './drops.js'
import type { Emitter, NodeEvents } from './events.js'
import { Grants } from './grants.js'
import { Handlers } from './handlers.js'
import { KeptAnswers } from './kept-answers.js'
import { OncePer } from './once-per.js'
import { type EncodedAnswer, KnownIds, type Outcome } from './outcomes.js'
import type { Outlet } from './outlet.js'
import type { Outlets } from './outlets.js'
import { ackOnlyFlag, type BodyWriter, earlyOrKeptFlag, eventEntry, ReplyStatus } from './payload.js'
import { closeStream, isStream, type StreamSource } from './streams/source.js'
import type { Streams } from './streams/streams.js'
import { messageOf } from './thrown.js'

const minuteMs = 60_000
/** Both ends count a deadline from when they have the message, ms. */
const deadlineSlackMs = 20

const waitsNoLonger = (target: string) => new SealwayError('TIMEOUT', { message: 'the caller waits no longer', target })

/** What libraries ask one another about their nodes; events and HTTP are work. */
const isOwnQuestion = ({ entry, stream }: Delivery): boolean =>
  entry.startsWith('$') && entry !== eventEntry && stream === undefined

export interface AnswersParts {
  /** Of this node. */
  readonly name: string
  readonly outlets: Outlets
  readonly body: BodyWriter
  /** Made after this, as each needs the other. */
  readonly streams: () => Streams
  readonly maxRunning: number
  readonly nextTurn: (work: () => void) => void
  /** How long the body of an answer may take that is too large for a frame, ms. */
  readonly bodyTimeoutMs: number
  readonly clock: () => number
  readonly timers: Timers
  readonly logger: Logger
  readonly events: Emitter<NodeEvents>
}

/** What this node is asked, and what it answers: from a message that was opened to the reply that leaves. */
export class Answers {
  readonly handlers: Handlers
  /** What senders may queue here. */
  readonly grants: Grants
  private readonly drops: Drops
  private readonly parts: AnswersParts
  /** Those whose handlers have not ended, and who can be told that nobody waits any more. */
  private readonly running = new Map<string, Delivery>()
  private readonly knownIds = new KnownIds()
  /** Answers to what may come again. */
  readonly kept: KeptAnswers
  private readonly overdueLog = new OncePer(minuteMs)
  /** Draining, this node takes no work that is addressed to it; closed, none at all. */
  private intake: 'open' | 'draining' | 'closed' = 'open'

  constructor(parts: AnswersParts) {
    this.parts = parts
    const { timers, nextTurn } = parts
    const tell = (to: string, scope: string, receipt: Receipt): void => this.tell(to, scope, receipt)
    this.grants = new Grants({ timers, nextTurn, tell, crowded: () => this.handlers.crowded })
    this.drops = new Drops({ timers, tell, flush: () => parts.outlets.flushNow() })
    this.kept = new KeptAnswers(parts.timers, parts.clock)
    this.handlers = new Handlers({
      name: parts.name,
      maxRunning: parts.maxRunning,
      grants: this.grants,
      timers: parts.timers,
      overdue: (delivery, handler, afterMs) => this.overdue(delivery, handler, afterMs),
      hookFailed: ({ action }, { from }, error) => this.crashed(action, from, error, 'a hook crashed'),
      answer: (delivery, result) => this.answer(delivery, result),
      failed: (delivery, error) => this.failed(delivery, error),
      refused: (delivery, error) => this.refuse(delivery, error),
      running: (delivery, begun) => {
        if (delivery.corr < 0) return
        if (begun) this.begun(delivery)
        else this.ended(delivery)
      },
    })
  }

  /** A caller took back what it asked. */
  withdrawn(from: string, corr: number): void {
    const delivery = this.running.get(`${from}/${corr}`)
    if (!delivery) return
    // A caller whose deadline has passed withdraws its call, too, and that may arrive before the timer here is due.
    if (delivery.remaining !== undefined && delivery.remaining <= deadlineSlackMs) delivery.abort(waitsNoLonger(from))
    else delivery.abort(new SealwayError('ABORTED', { message: `${from} gave up its call`, target: from }))
  }

  /** Nobody waits for these answers any more. @param from undefined: all of them */
  abort(reason: SealwayError, from?: string): void {
    for (const delivery of this.running.values()) {
      if (from === undefined || delivery.from === from) delivery.abort(reason)
    }
  }

  /** From now on new work is refused with `DRAINING`; what is queued here is handled. */
  drain(): void {
    this.intake = 'draining'
  }

  /** Nothing that was sent to this node as one of a group is on its way any more. */
  allHasCome(): void {
    this.intake = 'closed'
  }

  /** Whether work that arrives now is refused. @param to a draining node still takes what came to it as one of a group */
  turnsAway(to: string): boolean {
    return this.intake === 'closed' || (this.intake === 'draining' && to === this.parts.name)
  }

  /** This node leaves: what waits for a handler is refused, and its senders are told. */
  abandon(): void {
    this.grants.close()
    this.handlers.abandon()
    this.drops.tell()
  }

  /** @param begun it was accepted before: a body that has come in parts */
  dispatch(delivery: Delivery, begun = false): void {
    const { outcome, messageId: id } = delivery
    if (id !== undefined && outcome) {
      const first = this.knownIds.seen(id, outcome)
      if (first) {
        if (first.status === undefined) return
        outcome.answered(first.status, first, first.isGone)
        this.again(outcome)
        return
      }
    }
    if (!begun && this.intake !== 'open' && !isOwnQuestion(delivery) && this.turnsAway(delivery.to)) {
      this.handlers.turnAway(delivery)
      return
    }
    if (delivery.kind === Kind.acked && (delivery.flags & earlyOrKeptFlag) !== 0) {
      // It was opened, which is all that its sender wants to know.
      this.reply(delivery, ReplyStatus.ok, undefined)
    }
    this.handlers.dispatch(delivery)
  }

  again(outcome: Outcome): void {
    const { status, from, scope, corr, isGone } = outcome
    if (status === undefined) return
    const { body, outlets, logger } = this.parts
    try {
      const outlet = outlets.get(from, scope)
      if (isGone) body.prepare(answerGone)
      else body.restore(outcome)
      this.sendPrepared(outlet, isGone ? ReplyStatus.refused : status, corr)
    } catch (error) {
      // It could be said once; the key has been taken away since.
      logger.error({ err: error, to: from }, 'an answer could not be sent again')
    }
  }

  /** Sends what is prepared in `body`. @returns false where there is no room. @throws SealwayError `TOO_LARGE`, `NO_KEY` */
  private sendPrepared(outlet: Outlet, status: number, corr: number): boolean {
    const { encoding, size } = this.parts.body
    if (outlet.fits(2 + size)) return outlet.reply(status, this.parts.body, corr)
    const bytes = Buffer.allocUnsafeSlow(size)
    this.parts.body.write(bytes, 0)
    this.parts.streams().carry({
      what: `the answer to ${outlet.to}`,
      outlet,
      kind: Kind.reply,
      corr,
      timeoutMs: this.parts.bodyTimeoutMs,
      head: Uint8Array.of(status, encoding),
      bytes,
      settled: (error) => error && this.parts.events.emit('dropped', { to: outlet.to, code: error.code }),
    })
    return true
  }

  /** A handler that returned a promise: it can be told that nobody waits for its answer any more. */
  private begun(delivery: Delivery): void {
    this.running.set(delivery.key, delivery)
    if (delivery.deadline === undefined) return
    delivery.timer = this.parts.timers.setBackground(
      () => delivery.abort(waitsNoLonger(delivery.from)),
      delivery.deadline - this.parts.clock(),
    )
  }

  private ended(delivery: Delivery): void {
    this.running.delete(delivery.key)
    if (delivery.timer !== undefined) this.parts.timers.clear(delivery.timer)
  }

  private answer(delivery: Delivery, result: unknown): void {
    if (isStream(result) && !delivery.stream) return this.refuseStream(delivery, result)
    if (delivery.corr < 0) return
    const bare = delivery.kind === Kind.acked || (delivery.flags & ackOnlyFlag) !== 0
    this.reply(delivery, ReplyStatus.ok, bare ? undefined : result)
  }

  /** @param what for the log, where the error is none that the handler meant */
  failed(delivery: Delivery, error: unknown, what = 'a handler crashed'): void {
    if (isExpectedError(error)) {
      if (delivery.corr >= 0) this.reply(delivery, ReplyStatus.failed, { code: error.code, data: error.data })
      return
    }
    if (isCancelled(delivery, error)) {
      const { action, from } = delivery
      this.parts.logger.debug({ action, from, err: error }, 'a handler ended because its caller gave up')
    } else this.crashed(delivery.action, delivery.from, error, what)
    // The message goes back, the stack stays here.
    if (delivery.corr >= 0) this.reply(delivery, ReplyStatus.exception, { message: messageOf(error) })
  }

  private crashed(action: string, from: string, error: unknown, what: string): void {
    this.parts.logger.error({ err: error, action, from }, what)
    this.parts.events.emit('handlerError', { action, from, error })
  }

  /** A receipt for a sender. Where it cannot be sealed or there is no room, it is lost: the sender asks again. */
  private tell(to: string, scope: string, receipt: Receipt): void {
    try {
      this.parts.outlets.get(to, scope).raw(Kind.receipt, encodeReceipt(receipt))
    } catch (error) {
      this.parts.logger.debug({ err: error, to }, 'a sender could not be told what this node can queue')
    }
  }

  /** A handler that does not end: told to whoever listens, and logged once a minute for each action. */
  private overdue({ action, from, aborted }: Delivery, handler: string, afterMs: number): void {
    this.parts.events.emit('overdue', { action, from, afterMs })
    const count = this.overdueLog.count(handler, this.parts.timers.monotonic())
    if (count === 0) return
    const what = aborted
      ? 'a handler ignored its signal: its caller waits no longer, and its place went to another'
      : 'a handler has been running for long: later messages of its sender wait for it'
    this.parts.logger.warn({ action, from, afterMs: Math.round(afterMs), times: count }, what)
  }

  private refuse(delivery: Delivery, error: SealwayError): void {
    const { from, corr } = delivery
    this.parts.events.emit('refused', { from, code: error.code })
    if (corr >= 0) this.reply(delivery, ReplyStatus.refused, { code: error.code, message: error.message })
    else this.drops.add(delivery, error.code)
    // It was not handled, so the next one with this id may be.
    if (delivery.messageId !== undefined) this.knownIds.forget(delivery.messageId)
  }

  /** Who calls waits for one answer; it is not collected on the quiet. */
  private refuseStream(delivery: Delivery, result: StreamSource): void {
    const { action, from, corr } = delivery
    const message = `${action} answers with a stream: use node.stream(to, ${JSON.stringify(action)}, body)`
    const error = new SealwayError('INVALID_ARGUMENT', { message, hop: 'receiver' })
    closeStream(result, error)
    if (corr >= 0) this.reply(delivery, ReplyStatus.refused, { code: error.code, message })
    else this.crashed(action, from, error, 'nobody can read what a handler returned')
  }

  private reply(delivery: Delivery, status: number, body: unknown): void {
    if (delivery.stream) return this.replyStream(delivery, status, body)
    const { outcome } = delivery
    // Said already, when it was opened.
    if (outcome && outcome.status !== undefined) return
    const { outlets, body: writer } = this.parts
    let sent: boolean
    let copy: EncodedAnswer | undefined
    try {
      const outlet = outlets.get(delivery.from, delivery.scope)
      writer.prepare(body, status === ReplyStatus.ok ? 'answer' : 'error')
      if (outcome) copy = writer.copy()
      sent = this.sendPrepared(outlet, status, delivery.corr)
    } catch (error) {
      // What cannot be answered is a crash of the handler; where not even that can be said, nothing can.
      if (status !== ReplyStatus.exception) this.failed(delivery, error, unsendable)
      else this.parts.logger.error({ err: error, to: delivery.from }, 'an answer could not be sent')
      return
    }
    // Its caller does not read; what it does not take in is what it must do without.
    if (!sent) this.parts.events.emit('dropped', { to: delivery.from, code: 'BUSY' })
    if (outcome) this.keep(outcome, delivery, status, copy!)
  }

  private replyStream(delivery: Delivery, status: number, body: unknown): void {
    try {
      this.parts.streams().reply(delivery, status, body)
    } catch (error) {
      if (status === ReplyStatus.exception) throw error
      this.failed(delivery, error, unsendable)
    }
  }

  /** For the same message when it comes again, and for those that came again while its handler ran. */
  private keep(outcome: Outcome, { messageId, deadline }: Delivery, status: number, answer: EncodedAnswer): void {
    outcome.answered(status, answer)
    this.kept.add(outcome, deadline)
    for (const other of messageId === undefined ? [] : this.knownIds.done(messageId)) {
      other.answered(status, answer)
      this.kept.add(other, deadline)
      this.again(other)
    }
  }

  /** The node was closed. */
  close(): void {
    this.handlers.close()
    this.kept.close()
  }
}

/** For a repeat whose first answer is not kept any more: it must not run again, and its sender must not think it never ran. */
const answerGone = {
  code: 'BUSY',
  message: 'this was handled already, and the answer is not kept any more',
  outcome: 'unknown',
}

/** The log names the action beside it. */
const unsendable = 'the answer of a handler cannot be sent'

/** What a handler asks of others is cancelled with its caller: that is no crash. */
const isCancelled = ({ cancelled }: Delivery, error: unknown): boolean =>
  cancelled !== undefined && error instanceof SealwayError && (error === cancelled || error.cause === cancelled)
