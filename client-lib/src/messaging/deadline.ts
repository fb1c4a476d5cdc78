import { type Limits, SealwayError } from '@sealway/protocol'
import { onAbort } from '../session/abort-listener.js'
import type { Timers } from '../session/timers.js'

/** What every verb takes. */
export interface WaitOptions {
  /** Gives up when it fires. */
  readonly signal?: AbortSignal
  /** Gives up after this long, ms. */
  readonly timeout?: number
}

/** @returns ms. @throws SealwayError `INVALID_ARGUMENT` */
export function timeoutOf(options: WaitOptions | undefined, defaultMs: number, maxMs: number): number {
  const timeout = options?.timeout ?? defaultMs
  if (typeof timeout === 'number' && timeout > 0) return Math.min(timeout, maxMs)
  throw new SealwayError('INVALID_ARGUMENT', {
    message: `timeout must be a number of milliseconds above 0, not ${String(timeout)}`,
    outcome: 'not-delivered',
    hop: 'client',
  })
}

/** @throws SealwayError `ABORTED` where the signal has fired already */
export function refuseAborted(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted) throw aborted(what, signal, 'not-delivered')
}

export const aborted = (what: string, signal: AbortSignal, outcome: 'not-delivered' | 'unknown') =>
  new SealwayError('ABORTED', { message: `${what} was aborted`, outcome, hop: 'client', cause: signal.reason })

/**
 * Waits for `work` at most `timeoutMs`, or until the signal fires; `onGiveUp` learns which.
 * @returns a function that ends the watch
 */
export function watchDeadline(
  timers: Timers,
  timeoutMs: number,
  signal: AbortSignal | undefined,
  onGiveUp: (why: 'timeout' | 'abort') => void,
): () => void {
  const timer = timers.set(() => onGiveUp('timeout'), Math.ceil(timeoutMs))
  if (!signal) return () => timers.clear(timer)
  const unlisten = onAbort(signal, () => onGiveUp('abort'))
  return () => {
    timers.clear(timer)
    unlisten()
  }
}

/**
 * Waits for what comes before a verb, in the time and under the signal of that verb.
 * @returns the verb's options with what is left of the time
 * @throws SealwayError `INVALID_ARGUMENT`, `ABORTED`; `TIMEOUT`, saying `tooLate`
 */
export function within<O extends WaitOptions>(
  { timers, limits }: { readonly timers: Timers; readonly limits: Limits },
  wait: Promise<void>,
  options: O | undefined,
  what: string,
  tooLate: string,
): Promise<O | undefined> {
  return new Promise((resolve, reject) => {
    const timeoutMs = timeoutOf(options, limits.callTimeoutMs, limits.maxCallTimeoutMs)
    refuseAborted(options?.signal, what)
    const began = timers.monotonic()
    const stopWatch = watchDeadline(timers, timeoutMs, options?.signal, (why) => {
      const message = `${tooLate} within ${timeoutMs} ms`
      reject(
        why === 'abort'
          ? aborted(what, options!.signal!, 'not-delivered')
          : new SealwayError('TIMEOUT', { message, outcome: 'not-delivered', hop: 'client', afterMs: timeoutMs }),
      )
    })
    void wait.then(() => {
      stopWatch()
      const leftMs = Math.max(1, timeoutMs - (timers.monotonic() - began))
      resolve(options?.timeout === undefined ? options : { ...options, timeout: leftMs })
    })
  })
}
