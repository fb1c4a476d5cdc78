import { type Code, type Outcome, SealwayError } from '@sealway/protocol'
import { errorOf } from '../messaging/answer-error.js'
import { aborted, watchDeadline } from '../messaging/deadline.js'
import { type BroadcastReport, Report } from '../messaging/report.js'
import type { Timers } from '../session/timers.js'
import type { Kept } from './kept.js'
import type { Entry, Outlet } from './outlet.js'
import type { SealingFlow } from './seal.js'

/** What questions share. */
export interface QuestionParts {
  readonly clock: () => number
  readonly timers: Timers
  /** It is over. */
  readonly forget: (question: Question) => void
  /** Tells the receiver that nobody waits any more. */
  readonly cancel: (question: Question) => void
}

/** One that waits for answers: a call or a receipt for one, a broadcast for its report. */
export abstract class Question {
  settled = false
  flow: SealingFlow | undefined
  counter = -1
  /** The frame that is sent again for this. */
  kept: Kept | undefined
  /** Its record, which can be taken out until it is sealed. */
  entry: Entry | undefined
  /** The member of a group that has it, as the mediator said. */
  member: string | undefined
  private readonly startedAt: number
  private readonly stopWatch: () => void

  constructor(
    private readonly parts: QuestionParts,
    readonly corr: number,
    readonly outlet: Outlet,
    readonly what: string,
    private readonly timeoutMs: number,
    signal: AbortSignal | undefined,
    /** Sent again until it is answered. */
    readonly resends: boolean,
  ) {
    this.startedAt = parts.clock()
    this.stopWatch = watchDeadline(parts.timers, timeoutMs, signal, (why) => {
      if (this.flow) parts.cancel(this)
      this.giveUp(why === 'timeout' ? this.timedOut() : aborted(what, signal!, this.leftOutcome))
    })
  }

  /** It is sealed, and about to leave. */
  left(flow: SealingFlow, counter: number, kept: Kept | undefined): void {
    this.flow = flow
    this.counter = counter
    this.kept = kept
    if (kept) kept.open++
  }

  /** It left more than once, so that what became of one copy says nothing of the others. */
  get repeated(): boolean {
    return (this.kept?.attempts ?? 1) > 1
  }

  get elapsedMs(): number {
    return this.parts.clock() - this.startedAt
  }

  remainingMs(): number {
    return this.timeoutMs - this.elapsedMs
  }

  get leftOutcome(): Outcome {
    return this.flow ? 'unknown' : 'not-delivered'
  }

  private timedOut(): SealwayError {
    const where = this.flow ? 'no answer' : 'it never left this page'
    return this.error('TIMEOUT', `${this.what}: ${where} within ${this.timeoutMs} ms`, this.leftOutcome)
  }

  error(code: Code, message: string, outcome: Outcome, more: { data?: unknown; hop?: 'mediator' | 'receiver' } = {}) {
    return new SealwayError(code, {
      message,
      outcome,
      target: this.outlet.to,
      afterMs: this.elapsedMs,
      hop: more.hop ?? 'client',
      ...(more.data === undefined ? {} : { data: more.data }),
    })
  }

  /** Ends the wait; exactly once, by whoever comes first. @returns false where it was over already */
  protected settle(): boolean {
    if (this.settled) return false
    this.settled = true
    this.stopWatch()
    this.outlet.awaiting.delete(this)
    if (this.entry && !this.flow) this.outlet.remove(this.entry)
    if (this.kept && --this.kept.open === 0) this.kept.release()
    this.parts.forget(this)
    return true
  }

  protected giveUp(error: SealwayError): void {
    this.fail(error)
  }

  abstract answered(from: string, status: number, body: () => unknown): void
  abstract accepted(names: readonly string[]): void
  abstract fail(error: SealwayError): void
}

/** A call or an acked message: the first answer settles it. */
export class Call extends Question {
  resolve!: (answer: { readonly from: string; readonly body: unknown }) => void
  reject!: (error: SealwayError) => void

  answered(from: string, status: number, body: () => unknown): void {
    const error = errorOf(this, from, status, body)
    if (!this.settle()) return
    if (error) return this.reject(error)
    try {
      this.resolve({ from, body: body() })
    } catch {
      this.reject(
        this.error('MALFORMED', `${this.what}: the answer of ${from} cannot be decoded`, 'unknown', {
          hop: 'receiver',
        }),
      )
    }
  }

  accepted(names: readonly string[]): void {
    this.member = names[0]
  }

  fail(error: SealwayError): void {
    if (this.settle()) this.reject(error)
  }
}

/** Waits for the report: until all who were reached have answered or the deadline has passed. */
export class Broadcast extends Question {
  readonly report = new Report()
  resolve!: (report: BroadcastReport) => void
  reject!: (error: SealwayError) => void

  accepted(names: readonly string[]): void {
    this.report.targets = names
    this.concludeIfComplete()
  }

  answered(from: string, status: number, body: () => unknown): void {
    if (this.report.add(this, from, status, body)) this.concludeIfComplete()
  }

  /** The deadline: with a report under way, who has not answered is missing, and that is the answer. */
  protected override giveUp(error: SealwayError): void {
    if (this.report.targets && error.code === 'TIMEOUT') this.conclude()
    else this.fail(error)
  }

  fail(error: SealwayError): void {
    if (this.settle()) this.reject(error)
  }

  private concludeIfComplete(): void {
    if (this.report.complete) this.conclude()
  }

  private conclude(): void {
    if (this.settle()) this.resolve(this.report.result)
  }
}
