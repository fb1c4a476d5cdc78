import { Kind, type Limits, parseGroup, SealwayError } from '@sealway/protocol'
import { signalAfter, type Timers } from '../session/timers.js'
import { Acked, messageId, type Receipt } from './acked.js'
import type { AnyMember } from './any-member.js'
import { Broadcast } from './broadcast.js'
import { Call, type Calls, type Pending } from './calls.js'
import { refuseAborted, timeoutOf, type WaitOptions } from './deadline.js'
import { checkNeed, Gather } from './gather.js'
import { detached, withinCaller } from './inherited.js'
import type { Launcher } from './launcher.js'
import { MemberChoice } from './member-choice.js'
import type { Outlet } from './outlet.js'
import type { Outlets } from './outlets.js'
import { ackOnlyFlag, earlyOrKeptFlag } from './payload.js'
import type { Attempts } from './policy/attempts.js'
import type { Policies } from './policy/policy.js'
import type { BroadcastReport } from './report.js'
import type {
  AckedOptions,
  BroadcastOptions,
  CallOptions,
  GatherOptions,
  GatherResult,
  SendOptions,
} from './verb-options.js'

const broadcastTimeoutMs = 10_000
const ackedTimeoutMs = 10_000
/** What each node answers of itself; an action of the library, which `on` refuses. */
export const groupsAction = '$groups'
const groupsTimeoutMs = 5_000
/** How long the first message to any of a group waits to learn who is in it, ms. */
const learnMs = 1_000
/** A call or broadcast without payload takes back the one of the same number. */
const withdrawal = new Uint8Array(0)

export interface QuestionsParts {
  readonly calls: Calls
  readonly outlets: Outlets
  /** Of an address as the user writes it. @throws SealwayError `INVALID_NAME` */
  readonly outletTo: (to: string) => Outlet
  readonly launcher: Launcher
  readonly policies: Policies
  readonly attempts: Attempts
  readonly any: AnyMember
  readonly timers: Timers
  readonly limits: Limits
  readonly clock: () => number
  /** An answer that nobody here asked for, or not of that node. */
  readonly stray: (from: string, code: 'LATE' | 'FORBIDDEN') => void
}

/** The verbs whose callers wait for what others say. */
export class Questions {
  private readonly parts: QuestionsParts

  constructor(parts: QuestionsParts) {
    this.parts = parts
  }

  call(to: string, action: string, body: unknown, options: CallOptions | undefined, extraFlags = 0): Promise<unknown> {
    const { policies, attempts, outlets, limits, outletTo } = this.parts
    const outlet = outletTo(to)
    if (outlet.to.startsWith('group:')) {
      throw new SealwayError('INVALID_ARGUMENT', {
        message: `a call has one answer; ${outlet.to} has many: use broadcast with want: 'replies'`,
        outcome: 'not-delivered',
      })
    }
    const policy = policies.for(outlet.to, action, options)
    const timeoutMs = this.timeout(options, limits.callTimeoutMs, outlet.to, action)
    if (!policy?.retries && !policy?.breaker && !policy?.balance) {
      if (!outlet.to.startsWith('any:')) return this.ask(outlet, action, body, options, timeoutMs, extraFlags)
      return this.askAny(outlet, action, timeoutMs, options?.signal, false, (to, leftMs) =>
        this.ask(to, action, body, options, leftMs, extraFlags),
      )
    }
    return attempts.run({
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
          member === undefined ? outlet : outlets.get(member, outlet.scope),
          action,
          body,
          options,
          attemptMs,
          extraFlags,
        ),
    })
  }

  /** Which groups a node is in, as it says itself. */
  async groupsOf(name: string, scope: string): Promise<readonly string[]> {
    const outlet = this.parts.outlets.get(name, scope)
    // All handlers share the answer, so it belongs to no caller.
    const answer = await detached(() => this.ask(outlet, groupsAction, undefined, undefined, groupsTimeoutMs, 0))
    if (Array.isArray(answer) && answer.every((group) => typeof group === 'string')) return Object.freeze(answer)
    throw new SealwayError('MALFORMED', { message: `${name} named no groups`, hop: 'receiver', target: name })
  }

  /**
   * Asks a member of a group, and up to two others where one did nothing: it has no handler, is full, drains or has left.
   * @param always never leaves the choice to the mediator
   */
  private async askAny<Result>(
    outlet: Outlet,
    action: string,
    timeoutMs: number,
    signal: AbortSignal | undefined,
    always: boolean,
    ask: (to: Outlet, timeoutMs: number) => Promise<Result>,
  ): Promise<Result> {
    const { any, outlets, timers } = this.parts
    const began = timers.monotonic()
    const choice = new MemberChoice(any, outlets, outlet, action, always)
    if (!any.knows(choice.group)) await this.soon(any.learn(choice.group), timeoutMs, signal)
    let to = choice.first()
    if (!to) throw nobodyThere(outlet, action)
    for (;;) {
      const leftMs = Math.ceil(timeoutMs - (timers.monotonic() - began))
      try {
        return await ask(to, leftMs)
      } catch (error) {
        if (!(error instanceof SealwayError)) throw error
        const next = choice.next(error)
        if (!next || timers.monotonic() - began >= timeoutMs) throw error
        to = next
      }
    }
  }

  /** What a stream to any of a group waits for before it leaves; undefined: nothing. */
  ready(
    choice: MemberChoice,
    timeoutMs: number,
    signal: AbortSignal | undefined,
    before: Promise<void> | undefined,
  ): Promise<void> | undefined {
    const { any } = this.parts
    if (any.knows(choice.group)) return before
    return (before ?? Promise.resolve()).then(() => this.soon(any.learn(choice.group), timeoutMs, signal))
  }

  /** Waits for the members of a group, for a moment: without them the mediator chooses. */
  private async soon(known: Promise<void>, timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    const { signal: soon, done } = signalAfter(this.parts.timers, Math.min(timeoutMs, learnMs), signal)
    const late = new Promise<void>((resolve) => soon.addEventListener('abort', () => resolve(), { once: true }))
    await Promise.race([known, late])
    done()
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
    const { calls, launcher } = this.parts
    const what = `call ${action} to ${outlet.to}`
    return new Promise((resolve, reject) => {
      const call = new Call(calls, this.begin(what, options), outlet, what, timeoutMs, options?.signal)
      call.resolve = resolve
      call.reject = reject
      // A copy for one of a group could reach another member, so only a call to a node is sent again.
      call.resends = options?.idempotent === true && !outlet.to.includes(':')
      const flags = extraFlags | (call.resends ? earlyOrKeptFlag : 0)
      launcher.launch(call, outlet, Kind.call, action, body, options, timeoutMs, flags)
      if (call.resends) launcher.resendLater()
    })
  }

  broadcast(
    group: string,
    action: string,
    body: unknown,
    options: BroadcastOptions | undefined,
    extraFlags = 0,
  ): Promise<BroadcastReport> {
    const { calls, launcher } = this.parts
    const name = groupOf(group)
    const outlet = this.parts.outletTo(`group:${name}`)
    const timeoutMs = this.timeout(options, broadcastTimeoutMs, outlet.to, action)
    const want = options?.want ?? 'report'
    const what = `broadcast ${action} to ${name}`
    return new Promise((resolve, reject) => {
      const broadcast = new Broadcast(calls, this.begin(what, options), outlet, what, timeoutMs, options?.signal)
      broadcast.report.want = want
      broadcast.resolve = resolve
      broadcast.reject = reject
      const flags = extraFlags | (want === 'acks' ? ackOnlyFlag : 0)
      const ttlMs = want === 'report' ? -1 : timeoutMs
      launcher.launch(broadcast, outlet, Kind.broadcast, action, body, options, ttlMs, flags)
    })
  }

  /** Resolves with the receiver's sealed receipt; sends the same bytes again until it is there. */
  sendAcked(to: string, action: string, body: unknown, options: AckedOptions | undefined): Promise<Receipt> {
    const outlet = this.parts.outletTo(to)
    if (outlet.to.startsWith('group:')) {
      throw new SealwayError('INVALID_ARGUMENT', {
        message: `sendAcked has one receipt; ${outlet.to} has many members: use broadcast with want: 'acks'`,
        outcome: 'not-delivered',
      })
    }
    const timeoutMs = this.timeout(options, ackedTimeoutMs, outlet.to, action)
    if (!outlet.to.startsWith('any:')) return this.ackedBy(outlet, action, body, options, timeoutMs)
    // A member is chosen here: every copy must reach the same one.
    return this.askAny(outlet, action, timeoutMs, options?.signal, true, (member, leftMs) =>
      this.ackedBy(member, action, body, options, leftMs),
    )
  }

  private ackedBy(
    outlet: Outlet,
    action: string,
    body: unknown,
    options: AckedOptions | undefined,
    timeoutMs: number,
  ): Promise<Receipt> {
    const { calls, launcher } = this.parts
    const what = `send ${action} to ${outlet.to}`
    const id = options?.id
    const msgId = id === undefined ? undefined : messageId(id)
    const until = options?.until ?? 'processed'
    return new Promise((resolve, reject) => {
      const acked = new Acked(calls, this.begin(what, options), outlet, what, timeoutMs, options?.signal)
      acked.id = id
      acked.until = until
      acked.resolve = resolve
      acked.reject = reject
      const flags = until === 'delivered' ? earlyOrKeptFlag : 0
      launcher.launch(acked, outlet, Kind.acked, action, body, options, timeoutMs, flags, msgId)
      launcher.resendLater()
    })
  }

  /** Resolves when enough members have answered; the others are told that nobody waits any more. */
  gather(group: string, action: string, body: unknown, options: GatherOptions | undefined): Promise<GatherResult> {
    const { calls, launcher, limits } = this.parts
    const name = groupOf(group)
    const outlet = this.parts.outletTo(`group:${name}`)
    const timeoutMs = this.timeout(options, limits.callTimeoutMs, outlet.to, action)
    const need = checkNeed(options?.need ?? 'all')
    const what = `gather ${action} from ${name}`
    return new Promise((resolve, reject) => {
      const gather = new Gather(calls, this.begin(what, options), outlet, what, timeoutMs, options?.signal)
      gather.report.want = 'replies'
      gather.need = need
      gather.onEnough = () => this.withdraw(gather)
      gather.resolve = (report) => resolve(report.ok.map((from) => ({ from, body: report.replies.get(from) })))
      gather.reject = reject
      launcher.launch(gather, outlet, Kind.broadcast, action, body, options, timeoutMs, 0)
    })
  }

  /** What the call says, or the policies, or the verb; and no longer than the one waits for whom this is asked. */
  timeout(options: WaitOptions | undefined, verbMs: number, to: string, action: string): number {
    const { policies, limits, clock } = this.parts
    const defaultMs = options?.timeout === undefined ? (policies.for(to, action)?.timeoutMs ?? verbMs) : verbMs
    return withinCaller(timeoutOf(options, defaultMs, limits.maxCallTimeoutMs), clock)
  }

  private begin(what: string, options: SendOptions | undefined): number {
    refuseAborted(options?.signal, what)
    return this.parts.calls.nextCorr()
  }

  /** An answer has come. */
  answered(from: string, corr: number, status: number, body: () => unknown): void {
    const pending = this.parts.calls.get(corr)
    if (!pending) return this.parts.stray(from, 'LATE')
    if (!this.expects(from, corr)) return this.parts.stray(from, 'FORBIDDEN')
    pending.answered(from, status, body)
  }

  /** Only who was asked may answer; a member of the scope could otherwise guess the number. */
  expects(from: string, corr: number): boolean {
    const to = this.parts.calls.get(corr)?.outlet.to
    return to !== undefined && (to.includes(':') || to === from)
  }

  /** Tells those who were asked that nobody waits any more. */
  withdraw(pending: Pending): void {
    const { outlet, corr } = pending
    if (pending instanceof Gather) {
      outlet.raw(Kind.broadcast, withdrawal, corr)
    } else if (pending instanceof Call) {
      // A call to one of a group went to a member that the mediator has named.
      const to = pending.member === undefined ? outlet : this.parts.outlets.get(pending.member, outlet.scope)
      if (!to.to.includes(':')) to.raw(Kind.call, withdrawal, corr)
    }
  }
}

const groupOf = (group: string): string => parseGroup(group.startsWith('group:') ? group.slice(6) : group)

const nobodyThere = (outlet: Outlet, action: string): SealwayError =>
  new SealwayError('OFFLINE', {
    message: `send ${action} to ${outlet.to}: no member of the group is connected`,
    outcome: 'not-delivered',
    target: outlet.to,
    hop: 'client',
  })
