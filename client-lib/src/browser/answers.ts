import { Kind, SealwayError } from '@sealway/protocol'
import type { Emitter } from '../messaging/events.js'
import { KnownIds, type Outcome } from '../messaging/outcomes.js'
import { ackOnlyFlag, earlyOrKeptFlag, eventEntry, ReplyStatus } from '../messaging/payload.js'
import { messageOf } from '../messaging/thrown.js'
import type { Logger } from '../session/log.js'
import type { Timers } from '../session/timers.js'
import { joined } from './bytes.js'
import { type Delivery, PageExpectedError, type PageHandler } from './delivery.js'
import type { PageEvents } from './events.js'
import { Handlers } from './handlers.js'
import { type EncodedBody, encodeBody } from './message.js'
import type { Outlet } from './outlet.js'

export interface AnswersParts {
  /** Groups of this page. */
  readonly groups: readonly string[]
  readonly outletTo: (name: string, scope: string) => Outlet
  readonly maxRunning: number
  readonly clock: () => number
  readonly timers: Timers
  readonly logger: Logger
  readonly events: Emitter<PageEvents>
}

/** What this page is asked, and what it answers: from a message that was opened to the reply that leaves. */
export class Answers {
  readonly handlers: Handlers
  /** Those whose handlers have not ended, and who can be told that nobody waits any more. */
  private readonly running = new Map<string, Delivery>()
  private readonly knownIds = new KnownIds()

  constructor(private readonly parts: AnswersParts) {
    this.handlers = new Handlers(
      {
        maxRunning: parts.maxRunning,
        answer: (delivery, result) => this.answer(delivery, result),
        failed: (delivery, error) => this.failed(delivery, error),
        refused: (delivery, error) => this.refuse(delivery, error),
        running: (delivery, begun) => (begun ? this.begun(delivery) : this.ended(delivery)),
      },
      new Map<string, PageHandler>([
        ['$groups', () => parts.groups],
        // A page subscribes to nothing, and says so to publishers who ask.
        ['$subscriptions', () => []],
        ['$subscribed', () => undefined],
        [eventEntry, () => false],
      ]),
    )
  }

  dispatch(delivery: Delivery): void {
    const { outcome, messageId } = delivery
    if (messageId !== undefined && outcome) {
      const first = this.knownIds.seen(messageId, outcome)
      if (first) {
        if (first.status === undefined) return
        outcome.answered(first.status, first)
        this.again(outcome)
        return
      }
    }
    // It was opened, which is all that its sender wants to know.
    if (delivery.isAcked && (delivery.flags & earlyOrKeptFlag) !== 0) this.reply(delivery, ReplyStatus.ok, undefined)
    this.handlers.dispatch(delivery)
  }

  /** The same frame came again: it is answered again, and not handled again. */
  again({ status, encoding, bytes, from, scope, corr }: Outcome): void {
    if (status === undefined) return
    try {
      this.sendReply(this.parts.outletTo(from, scope), status, { encoding, bytes: bytes ?? noBytes }, corr)
    } catch (error) {
      // It could be said once; the key has been taken away since.
      this.parts.logger.error({ err: error, to: from }, 'an answer could not be sent again')
    }
  }

  /** A caller took back what it asked. */
  withdrawn(from: string, corr: number): void {
    const reason = new SealwayError('ABORTED', { message: `${from} gave up its call`, target: from })
    this.running.get(`${from}/${corr}`)?.abort(reason)
  }

  /** Nobody waits for these answers any more. @param from undefined: all of them */
  abort(reason: SealwayError, from?: string): void {
    for (const delivery of this.running.values()) {
      if (from === undefined || delivery.from === from) delivery.abort(reason)
    }
  }

  /** A handler that returned a promise: it can be told that nobody waits for its answer any more. */
  private begun(delivery: Delivery): void {
    if (delivery.corr === undefined) return
    this.running.set(delivery.key, delivery)
    if (delivery.deadline === undefined) return
    const late = () => new SealwayError('TIMEOUT', { message: 'the caller waits no longer', target: delivery.from })
    const { timers, clock } = this.parts
    delivery.timer = timers.setBackground(() => delivery.abort(late()), delivery.deadline - clock())
  }

  private ended(delivery: Delivery): void {
    this.running.delete(delivery.key)
    if (delivery.timer !== undefined) this.parts.timers.clear(delivery.timer)
  }

  private answer(delivery: Delivery, result: unknown): void {
    if (delivery.corr === undefined) return
    const bare = delivery.isAcked || (delivery.flags & ackOnlyFlag) !== 0
    this.reply(delivery, ReplyStatus.ok, bare ? undefined : result)
  }

  private failed(delivery: Delivery, error: unknown): void {
    const { action, from, corr } = delivery
    if (isExpected(error)) {
      if (corr !== undefined) this.reply(delivery, ReplyStatus.failed, { code: error.code, data: error.data })
      return
    }
    this.parts.logger.error({ err: error, action, from }, 'a handler crashed')
    this.parts.events.emit('handlerError', { action, from, error })
    // The message goes back, the stack stays here.
    if (corr !== undefined) this.reply(delivery, ReplyStatus.exception, { message: messageOf(error) })
  }

  private refuse(delivery: Delivery, { code, message }: SealwayError): void {
    this.parts.events.emit('refused', { from: delivery.from, code })
    if (delivery.corr !== undefined) this.reply(delivery, ReplyStatus.refused, { code, message })
    // It was not handled, so the next one with this id may be.
    if (delivery.messageId !== undefined) this.knownIds.forget(delivery.messageId)
  }

  private reply(delivery: Delivery, status: number, body: unknown): void {
    const { outcome, messageId, from, scope, corr } = delivery
    // Said already, when it was opened.
    if (outcome && outcome.status !== undefined) return
    let answer: EncodedBody
    try {
      answer = encodeBody(body, status === ReplyStatus.ok ? 'answer' : 'error')
      this.sendReply(this.parts.outletTo(from, scope), status, answer, corr!)
    } catch (error) {
      // What cannot be answered is a crash of the handler; where not even that can be said, nothing can.
      if (status !== ReplyStatus.exception) this.failed(delivery, error)
      else this.parts.logger.error({ err: error, to: from }, 'an answer could not be sent')
      return
    }
    if (!outcome) return
    outcome.answered(status, answer)
    for (const other of messageId === undefined ? [] : this.knownIds.done(messageId)) {
      other.answered(status, answer)
      this.again(other)
    }
  }

  /** @throws SealwayError `TOO_LARGE`, `NO_KEY` */
  private sendReply(outlet: Outlet, status: number, { encoding, bytes }: EncodedBody, corr: number): void {
    const payload = joined([Uint8Array.of(status, encoding), bytes])
    // Its caller does not read; what it does not take in is what it must do without.
    if (!outlet.tryAdd({ kind: Kind.reply, corr, payload }))
      this.parts.events.emit('dropped', { to: outlet.to, code: 'BUSY' })
  }
}

/** Looks at whatever was thrown, which may throw at a look. */
function isExpected(thrown: unknown): thrown is PageExpectedError {
  try {
    return thrown instanceof PageExpectedError
  } catch {
    return false
  }
}

const noBytes = new Uint8Array(0)
