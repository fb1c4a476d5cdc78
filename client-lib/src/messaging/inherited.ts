import { AsyncLocalStorage } from 'node:async_hooks'
import { SealwayError } from '@sealway/protocol'

/** What a handler runs under: when its caller stops waiting. */
interface Caller {
  readonly from: string
  /** ms since 1970. */
  readonly deadline: number | undefined
  /** It has its answer: what goes on after that is done for nobody. */
  readonly answered: boolean
}

const caller = new AsyncLocalStorage<Caller>()

/** Runs a handler so that what it asks of others knows its caller's deadline. */
export const runFor = <T>(of: Caller, handler: (...args: never[]) => T, ...args: unknown[]): T =>
  caller.run(of, handler as (...args: unknown[]) => T, ...args)

/**
 * How long the one still waits for whom this is done, ms; undefined where nobody does, or for ever.
 * @throws SealwayError `TIMEOUT` where that one has stopped waiting
 */
export function callerWaitsMs(clock: () => number): number | undefined {
  const of = caller.getStore()
  if (of?.deadline === undefined || of.answered) return undefined
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
