import { AsyncLocalStorage } from 'node:async_hooks'
import { SealwayError } from '@sealway/protocol'

/** What a handler runs under: when its caller stops waiting. */
interface Caller {
  readonly from: string
  /** ms since 1970. */
  readonly deadline: number | undefined
}

const caller = new AsyncLocalStorage<Caller>()

/** Runs a handler so that what it asks of others knows its caller's deadline. */
export const runFor = <T>(of: Caller, handler: (...args: never[]) => T, ...args: unknown[]): T =>
  caller.run(of, handler as (...args: unknown[]) => T, ...args)

/**
 * A question asked while another is being answered waits no longer than the one who asked first.
 * @throws SealwayError `TIMEOUT` where that one has stopped waiting
 */
export function withinCaller(timeoutMs: number, clock: () => number): number {
  const of = caller.getStore()
  if (of?.deadline === undefined) return timeoutMs
  const remainingMs = of.deadline - clock()
  if (remainingMs > 0) return Math.min(timeoutMs, remainingMs)
  throw new SealwayError('TIMEOUT', {
    message: `${of.from}, for whom this was to be asked, waits no longer`,
    outcome: 'not-delivered',
    hop: 'client',
    target: of.from,
  })
}
