import { AsyncLocalStorage } from 'node:async_hooks'
import { SealwayError } from '@sealway/protocol'

/** What a handler runs under: the message that it handles. */
export interface Caller {
  readonly from: string
  /** When its sender stops waiting, ms since 1970. */
  readonly deadline: number | undefined
  /** It has its answer: what goes on after that is done for nobody. */
  readonly answered: boolean
  /** Why what the handler asks of others is not wanted any more. */
  readonly cancelled: SealwayError | undefined
  /** What came beside the body. */
  readonly meta: { readonly [name: string]: unknown }
  /** Runs `run` when it is cancelled. @returns a function that ends the wait */
  onCancel(run: (reason: SealwayError) => void): () => void
}

const caller = new AsyncLocalStorage<Caller | undefined>()

/** Runs a handler so that what it asks of others knows its caller: deadline, cancellation, meta and trace. */
export const runFor = <T>(of: Caller, handler: (...args: never[]) => T, ...args: unknown[]): T =>
  caller.run(of, handler as (...args: unknown[]) => T, ...args)

/**
 * Runs `work` outside of the handler that calls it: what it asks of others has no deadline, cancellation, meta or trace of
 * the handler's caller. For work that is to be done whoever waits: an audit entry, a cache that is filled.
 */
export const detached = <T>(work: () => T): T => caller.run(undefined, work)

/**
 * How long the one still waits for whom this is done, ms; undefined where nobody does, or for ever.
 * @throws SealwayError `TIMEOUT` where that one has stopped waiting, `ABORTED` where it gave up
 */
export function callerWaitsMs(clock: () => number): number | undefined {
  const of = caller.getStore()
  if (of === undefined || of.answered) return undefined
  if (of.cancelled) throw cancelledFor(of.from, of.cancelled, 'not-delivered')
  if (of.deadline === undefined) return undefined
  const remainingMs = of.deadline - clock()
  if (remainingMs > 0) return remainingMs
  throw new SealwayError('TIMEOUT', {
    message: `${of.from}, for whom this was to be asked, waits no longer`,
    outcome: 'not-delivered',
    hop: 'client',
    target: of.from,
  })
}

/** A question asked while another is being answered waits no longer than the one who asked first. @throws as above */
export function withinCaller(timeoutMs: number, clock: () => number): number {
  return Math.min(timeoutMs, callerWaitsMs(clock) ?? timeoutMs)
}

/**
 * Gives up when the caller of the handler that asks gives up.
 * @param giveUp gets an error for either outcome
 * @returns a function that ends the wait; undefined where there is no caller to follow
 */
export function followCaller(
  giveUp: (error: (outcome: 'not-delivered' | 'unknown') => SealwayError) => void,
): (() => void) | undefined {
  const of = caller.getStore()
  if (of === undefined || of.answered) return undefined
  return of.onCancel((reason) => giveUp((outcome) => cancelledFor(of.from, reason, outcome)))
}

/** What came beside the body of the message that is being handled; undefined outside of handlers. */
export function callerMeta(): { readonly [name: string]: unknown } | undefined {
  const of = caller.getStore()
  if (of === undefined) return undefined
  try {
    return of.meta
  } catch {
    // It is malformed, which the handler hears of when it looks at it.
    return undefined
  }
}

const cancelledFor = (from: string, reason: SealwayError, outcome: 'not-delivered' | 'unknown') =>
  new SealwayError('ABORTED', {
    message: `${from}, for whom this was asked, gave up: ${reason.message}`,
    outcome,
    hop: 'client',
    target: from,
    cause: reason,
  })
