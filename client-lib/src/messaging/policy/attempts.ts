import { type Outcome, SealwayError } from '@sealway/protocol'
import type { Timers } from '../../session/timers.js'
import { type AnyMember, canMoveOn, maxMembersAsked } from '../any-member.js'
import { aborted, watchDeadline } from '../deadline.js'
import { followCaller } from '../inherited.js'
import { type Balancer, keyAt } from './balance.js'
import { type Breakers, type Pass, verdictOn } from './breaker.js'
import type { Resolved } from './policy.js'
import { backOffMs, isNoPeer, mayRetry } from './retry.js'

/** A call with its policy. */
export interface PolicedCall {
  /** Canonical. */
  readonly to: string
  readonly action: string
  readonly body: unknown
  readonly policy: Resolved
  readonly idempotent: boolean
  readonly stickyKey: string | undefined
  /** For all attempts together, ms. */
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
  /**
   * One attempt.
   * @param member of the group, to be asked in place of any of them
   */
  readonly ask: (member: string | undefined, timeoutMs: number) => Promise<unknown>
}

export interface AttemptsParts {
  /** This node, which is not asked while there are others. */
  readonly name: string
  readonly timers: Timers
  /** 0 to 1. */
  readonly random: () => number
  readonly breakers: Breakers
  readonly balancer: Balancer
  readonly any: AnyMember
  /** Who is in a group, sorted; undefined where that is not known. */
  readonly members: (group: string) => readonly string[] | undefined
  readonly inFlight: (member: string, group: string) => number
  readonly retrying: (to: string, action: string, error: SealwayError, inMs: number) => void
  /** Attempts that wait for their turn at the same time. */
  readonly maxWaiting: number
}

/** When nobody was there so far, the last attempt is made this long before the deadline, ms: what it takes to be told. */
const lastLookMs = 50

/** What became of a call so far. */
interface History {
  attempts: number
  /** Those that `max` counts. */
  counted: number
  /** `unknown` as soon as one attempt may have been done. */
  outcome: Outcome
  last: SealwayError | undefined
}

/** Makes calls as their policies say: whom to ask, whether at all, and how often. */
export class Attempts {
  private readonly parts: AttemptsParts
  private readonly pauses = new Map<(error: SealwayError) => void, Outcome>()

  constructor(parts: AttemptsParts) {
    this.parts = parts
  }

  /** Calls that wait for their next attempt: a drain waits for them too. */
  get waiting(): number {
    return this.pauses.size
  }

  async run(call: PolicedCall): Promise<unknown> {
    const { timers, random } = this.parts
    const { retries } = call.policy
    const began = timers.monotonic()
    const tried = new Set<string>()
    const history: History = { attempts: 0, counted: 0, outcome: 'not-delivered', last: undefined }
    let leaveToMediator = false
    for (;;) {
      const leftMs = call.timeoutMs - (timers.monotonic() - began)
      const choice = this.choose(call, tried, leaveToMediator, history)
      let error: SealwayError
      try {
        const value = await call.ask(choice.member, Math.min(leftMs, retries?.attemptMs ?? leftMs))
        choice.pass?.('ok')
        return value
      } catch (thrown) {
        if (!(thrown instanceof SealwayError)) {
          choice.pass?.('nothing')
          throw thrown
        }
        error = thrown
        choice.pass?.(verdictOn(error))
      }
      history.attempts++
      history.last = error
      if (error.outcome === 'unknown') history.outcome = 'unknown'
      const remainingMs = call.timeoutMs - (timers.monotonic() - began)
      // It had left before we heard of it; the mediator knows who is there.
      leaveToMediator = choice.member !== undefined && isNoPeer(error) && !leaveToMediator
      if (leaveToMediator && remainingMs > 0) continue
      if (choice.member !== undefined) {
        tried.add(choice.member)
        this.parts.any.failed(choice.member, call.action, error)
        // Nothing was done there, and another member can be asked at once.
        const others = tried.size < maxMembersAsked && remainingMs > 0
        if (others && canMoveOn(error) && this.parts.any.hasAnother(call.to.slice('any:'.length), tried)) continue
      }

      const noPeer = retries?.whenNoPeer === true && isNoPeer(error)
      const allowed =
        retries !== undefined && (noPeer || history.counted < retries.max) && mayRetry(error, call.idempotent)
      if (!allowed) throw told(call, error, history, timers.monotonic() - began)
      if (!noPeer) history.counted++
      const wait = backOffMs(retries, history.attempts, random())
      const waitMs = noPeer ? Math.min(wait, remainingMs - lastLookMs) : wait
      if (waitMs <= 0 || waitMs >= remainingMs || this.pauses.size >= this.parts.maxWaiting) {
        throw told(call, error, history, timers.monotonic() - began)
      }
      this.parts.retrying(call.to, call.action, error, waitMs)
      await this.pause(call, waitMs, history.outcome)
    }
  }

  /** @throws SealwayError `CIRCUIT_OPEN` */
  private choose(
    call: PolicedCall,
    tried: ReadonlySet<string>,
    leaveToMediator: boolean,
    history: History,
  ): { readonly member?: string; readonly pass?: Pass } {
    const { balance, breaker } = call.policy
    const { breakers } = this.parts
    const keyOf = (target: string) => (breaker?.perAction ? `${target} ${call.action}` : target)
    const member = balance !== 'mediator' && !leaveToMediator ? this.member(call, tried, keyOf) : undefined
    const target = member ?? call.to
    const pass = breaker && breakers.enter(keyOf(target), breaker)
    if (breaker && !pass) throw circuitOpen(call, target, breakers.opensInMs(keyOf(target)), history)
    return { ...(member === undefined ? {} : { member }), ...(pass ? { pass } : {}) }
  }

  /** Undefined: it is for the mediator to choose. */
  private member(call: PolicedCall, tried: ReadonlySet<string>, keyOf: (target: string) => string): string | undefined {
    const { name, breakers, balancer, members, inFlight, any } = this.parts
    const { balance = 'least-in-flight', breaker } = call.policy
    if (balance === 'mediator' || !call.to.startsWith('any:')) return undefined
    const group = call.to.slice('any:'.length)
    if (call.policy.balance === undefined && !breaker) return any.choose(group, call.action, tried)
    const others = members(group)?.filter((member) => member !== name)
    if (!others || others.length === 0) return undefined
    const healthy = breaker ? others.filter((member) => breakers.allows(keyOf(member), breaker)) : others
    // Where all circuits are open, whoever comes first says so.
    const open = healthy.length > 0 ? healthy : others
    const untried = open.filter((member) => !tried.has(member))
    const key = call.stickyKey ?? (typeof balance === 'object' ? keyAt(call.body, balance.sticky) : undefined)
    return balancer.pick(balance, group, untried.length > 0 ? untried : open, key, (member) => inFlight(member, group))
  }

  private pause(call: PolicedCall, ms: number, outcome: Outcome): Promise<void> {
    const { timers } = this.parts
    const { signal, to, action } = call
    return new Promise((resolve, reject) => {
      const what = `call ${action} to ${to}`
      const settle = (error?: SealwayError): void => {
        stopWatch()
        unfollow?.()
        this.pauses.delete(settle)
        if (error) reject(error)
        else resolve()
      }
      const stopWatch = watchDeadline(timers, ms, signal, (why) =>
        settle(why === 'abort' ? aborted(what, signal!, outcome) : undefined),
      )
      const unfollow = followCaller((error) => settle(error(outcome)))
      this.pauses.set(settle, outcome)
      if (signal?.aborted) settle(aborted(what, signal, outcome))
    })
  }

  /** This node was closed. */
  close(): void {
    const message = 'this node was closed while a call waited for its next attempt'
    for (const [settle, outcome] of [...this.pauses])
      settle(new SealwayError('CLOSED', { message, outcome, hop: 'client' }))
  }
}

function circuitOpen(call: PolicedCall, target: string, inMs: number, { outcome, last }: History): SealwayError {
  return new SealwayError('CIRCUIT_OPEN', {
    message: `call ${call.action} to ${call.to}: ${target} failed too often and is left alone for ${Math.ceil(inMs)} ms`,
    outcome,
    target,
    hop: 'client',
    data: { opensInMs: inMs },
    ...(last ? { cause: last } : {}),
  })
}

/** The last error, in the light of all attempts: if one of them may have been done, the call may have been done. */
function told(call: PolicedCall, error: SealwayError, { attempts, outcome }: History, afterMs: number): SealwayError {
  if (attempts === 1) return error
  return new SealwayError(error.code, {
    message: `${error.message} (the last of ${attempts} attempts within ${Math.round(afterMs)} ms)`,
    outcome,
    target: error.target ?? call.to,
    afterMs,
    cause: error,
    ...(error.hop === undefined ? {} : { hop: error.hop }),
    ...(error.data === undefined ? {} : { data: error.data }),
  })
}
