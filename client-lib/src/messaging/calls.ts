import { type Code, Numbered, type Outcome, SealwayError } from '@sealway/protocol'
import type { SealingFlow } from '../crypto/seal.js'
import { onAbort } from '../session/abort-listener.js'
import type { Timers } from '../session/timers.js'
import { errorOf } from './answer-error.js'
import type { Waiter } from './bundle.js'
import { aborted } from './deadline.js'
import { Deadlines, Timed } from './deadlines.js'
import { followCaller } from './inherited.js'
import type { Outlet } from './outlet.js'
import type { Unacked } from './unacked.js'

/** One that waits for answers: a call for one, a broadcast for its report. */
export abstract class Pending extends Timed implements Waiter {
  recordStart = 0
  recordEnd = 0
  settled = false
  flow: SealingFlow | undefined
  counter = -1
  /** Kept and sent again while this waits. */
  readonly resends: boolean = false
  /** The frame that is sent again for this. */
  kept: Unacked | undefined
  /** The same, or the frame that this shares with one for which it is sent again. */
  private carrier: Unacked | undefined
  /** Its body is a stream, which does not outlive the link; sends it anew. */
  again: (() => void) | undefined
  /** The member of a group that has it, as the mediator said. */
  member: string | undefined
  private watched: Outlet | undefined
  /** Set while it waits for room. */
  leaveQueue: (() => void) | undefined
  private readonly startedAt: number
  /** Ends the wait for the user's signal. */
  private readonly unlisten: (() => void) | undefined
  /** Ends the wait for the caller of the handler that asks. */
  private readonly unfollow: (() => void) | undefined

  constructor(
    readonly calls: Calls,
    readonly corr: number,
    readonly outlet: Outlet,
    readonly what: string,
    private readonly timeoutMs: number,
    signal: AbortSignal | undefined,
  ) {
    super()
    this.startedAt = calls.clock()
    calls.deadlines.add(this, timeoutMs)
    this.unfollow = followCaller((error) => this.giveUp(error))
    if (!signal) return
    this.unlisten = onAbort(signal, () => this.giveUp((outcome) => aborted(this.what, signal, outcome)))
  }

  /** The route to the member of a group that has it: it tells when that one leaves. */
  watch(outlet: Outlet): void {
    if (this.watched || this.settled) return
    this.watched = outlet
    outlet.holders++
  }

  expire(): void {
    this.giveUp((outcome) => this.timedOut(outcome))
  }

  private giveUp(why: (outcome: 'not-delivered' | 'unknown') => SealwayError): void {
    this.outlet.withdraw(this)
    if (this.flow) this.calls.cancel(this)
    this.onGiveUp(why(this.flow ? 'unknown' : 'not-delivered'))
  }

  private stopWatch(): void {
    this.calls.deadlines.remove(this)
    this.unlisten?.()
    this.unfollow?.()
  }

  sealed(flow: SealingFlow, counter: number, kept: Unacked | undefined): void {
    this.flow = flow
    this.counter = counter
    this.carrier = kept
    if (!this.resends || !kept) return
    this.kept = kept
    kept.open++
  }

  /** It left more than once, so that what became of one copy says nothing of the others. */
  get repeated(): boolean {
    return (this.carrier?.attempts ?? 1) > 1
  }

  elapsedMs(): number {
    return this.calls.clock() - this.startedAt
  }

  remainingMs(): number {
    return this.startedAt + this.timeoutMs - this.calls.clock()
  }

  private timedOut(outcome: Outcome): SealwayError {
    const where = this.flow ? 'no answer' : 'it never left this process'
    return this.error('TIMEOUT', `${this.what}: ${where} within ${this.timeoutMs} ms`, outcome)
  }

  error(code: Code, message: string, outcome: Outcome, more: { data?: unknown; hop?: 'mediator' | 'receiver' } = {}) {
    return new SealwayError(code, {
      message,
      outcome,
      target: this.outlet.to,
      afterMs: this.elapsedMs(),
      hop: more.hop ?? 'client',
      ...(more.data === undefined ? {} : { data: more.data }),
    })
  }

  /** Ends the wait; exactly once, by whoever comes first. @returns false where it was over already */
  protected settle(): boolean {
    if (this.settled) return false
    this.settled = true
    this.stopWatch()
    this.leaveQueue?.()
    if (this.watched) this.watched.holders--
    this.outlet.awaiting.delete(this.corr)
    if (this.kept && --this.kept.open === 0) this.outlet.forget(this.kept)
    this.calls.forget(this)
    return true
  }

  protected onGiveUp(error: SealwayError): void {
    this.fail(error)
  }

  abstract answered(from: string, status: number, body: () => unknown): void
  abstract accepted(names: readonly string[]): void
  abstract peerLeft(name: string): void
  abstract fail(error: SealwayError): void
}

/** A call: the first answer settles it. */
export class Call extends Pending {
  override resends = false
  resolve!: (value: unknown) => void
  reject!: (error: SealwayError) => void

  answered(from: string, status: number, body: () => unknown): void {
    if (!this.settle()) return
    const error = errorOf(this, from, status, body)
    if (error) this.reject(error)
    else this.resolve(safely(this, from, body, this.reject))
  }

  accepted(names: readonly string[]): void {
    this.member = names[0]
    if (this.member !== undefined) this.calls.reached(this, this.member)
  }

  peerLeft(name: string): void {
    if (this.outlet.to === name || this.member === name) {
      this.fail(this.error('PEER_GONE', `${this.what}: ${name} disconnected before it answered`, 'unknown'))
    }
  }

  fail(error: SealwayError): void {
    if (this.settle()) this.reject(error)
  }
}

function safely(call: Call, from: string, body: () => unknown, reject: (error: SealwayError) => void): unknown {
  try {
    return body()
  } catch (cause) {
    reject(
      new SealwayError('MALFORMED', {
        message: `${call.what}: the answer of ${from} cannot be decoded`,
        hop: 'receiver',
        cause,
      }),
    )
    return undefined
  }
}

/** Leaves 2^52 numbers to count on. */
const firstCorrBelow = 2 ** 47

/** All that waits for answers, by correlation number. */
export class Calls {
  private readonly pending = new Numbered<Pending>()
  readonly deadlines: Deadlines
  private lastCorr: number

  constructor(
    readonly clock: () => number,
    timers: Timers,
    private readonly maxPending: number,
    /** Tells the receiver that nobody waits any more. */
    private readonly onCancel: (pending: Pending) => void,
    /** A member of a group has this call: it must be known when that one leaves. */
    private readonly onReached: (pending: Pending, member: string) => Outlet,
    /** 0 to 1. */
    random: () => number,
  ) {
    this.deadlines = new Deadlines(timers)
    // An answer to the process that had this name before must not carry the number of a question of this one.
    this.lastCorr = Math.floor(random() * firstCorrBelow)
  }

  get count(): number {
    return this.pending.size
  }

  /** @throws SealwayError `BUSY` */
  nextCorr(): number {
    if (this.pending.size >= this.maxPending) {
      throw new SealwayError('BUSY', {
        message: `${this.maxPending} calls are in flight already`,
        outcome: 'not-delivered',
        hop: 'client',
      })
    }
    return ++this.lastCorr
  }

  add(pending: Pending): void {
    this.pending.set(pending.corr, pending)
    pending.outlet.inFlight++
  }

  get(corr: number): Pending | undefined {
    return this.pending.get(corr)
  }

  forget(pending: Pending): void {
    if (this.pending.delete(pending.corr)) pending.outlet.inFlight--
  }

  reached(pending: Pending, member: string): void {
    const outlet = this.onReached(pending, member)
    pending.watch(outlet)
  }

  /** Everything that a member of a group was asked. */
  *askedOf(member: string): Generator<Pending> {
    for (const pending of this.pending.values()) {
      if (pending.member === member || pending.outlet.to.startsWith('group:')) yield pending
    }
  }

  cancel(pending: Pending): void {
    this.onCancel(pending)
  }

  /** The link is gone: what had left it may or may not have arrived. What had not, goes out on the next link. */
  linkLost(error: SealwayError): void {
    for (const pending of this.pending.values()) {
      // What is kept is sent again on the next link.
      if (!pending.flow || pending.kept) continue
      if (pending.again) {
        pending.again()
        continue
      }
      pending.fail(pending.error('LINK_LOST', `${pending.what}: ${error.message} before the answer came`, 'unknown'))
    }
  }

  /** This node was closed: nothing will be answered any more. */
  closed(): void {
    for (const pending of this.pending.values()) {
      pending.outlet.withdraw(pending)
      const outcome = pending.flow ? 'unknown' : 'not-delivered'
      pending.fail(pending.error('CLOSED', `${pending.what}: this node was closed`, outcome))
    }
    this.deadlines.close()
  }
}
