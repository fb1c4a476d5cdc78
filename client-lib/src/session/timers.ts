import { onAbort } from './abort-listener.js'

/** Time as this library uses it; tests hand in their own. */
export interface Timers {
  /** ms, never set back. */
  monotonic(): number
  /** Runs `work` once, `ms` from now. */
  set(work: () => void, ms: number): unknown
  /** As `set`, but does not keep the process alive. */
  setBackground(work: () => void, ms: number): unknown
  clear(timer: unknown): void
}

/** setTimeout takes no more (2^31 - 1 ms, 24.8 days); a longer wait fires at once there. */
export const maxTimerMs = 0x7fff_ffff

export const realTimers: Timers = {
  monotonic: () => performance.now(),
  set: (work, ms) => setTimeout(work, Math.min(ms, maxTimerMs)),
  setBackground: (work, ms) => setTimeout(work, Math.min(ms, maxTimerMs)).unref(),
  clear: (timer) => clearTimeout(timer as NodeJS.Timeout | undefined),
}

/** @returns a function that ends it */
export function follow(controller: AbortController, signal: AbortSignal): () => void {
  if (!signal.aborted) return onAbort(signal, () => controller.abort(signal.reason))
  controller.abort(signal.reason)
  return () => {}
}

/** A signal that fires after `ms`, or when one of `others` does; `done` ends the wait. */
export function signalAfter(
  timers: Timers,
  ms: number,
  ...others: (AbortSignal | undefined)[]
): { readonly signal: AbortSignal; readonly done: () => void } {
  const controller = new AbortController()
  const timer = timers.setBackground(() => controller.abort(), ms)
  // Not AbortSignal.any: on Node 20 a signal that lives long keeps something of each signal that follows it.
  const unlisten = others.map((signal) => signal && follow(controller, signal))
  return {
    signal: controller.signal,
    done: () => {
      timers.clear(timer)
      for (const end of unlisten) end?.()
    },
  }
}
