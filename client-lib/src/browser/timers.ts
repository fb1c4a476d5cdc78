import type { Timers } from '../session/timers.js'

/** setTimeout takes no more (2^31 - 1 ms); a longer wait fires at once there. */
const maxTimerMs = 0x7fff_ffff

/** A page stays alive by itself, so waiting in the background is waiting like any other. */
const set = (work: () => void, ms: number): unknown => setTimeout(work, Math.min(ms, maxTimerMs))

export const pageTimers: Timers = {
  monotonic: () => performance.now(),
  set,
  setBackground: set,
  clear: (timer) => clearTimeout(timer as number | undefined),
}

/** A signal that fires after `ms`, or when one of `others` does; `done` ends the wait. */
export function signalAfter(timers: Timers, ms: number, ...others: (AbortSignal | undefined)[]) {
  const controller = new AbortController()
  const timer = timers.setBackground(() => controller.abort(), ms)
  const signals = [controller.signal, ...others.filter((signal) => signal !== undefined)]
  return { signal: AbortSignal.any(signals), done: () => timers.clear(timer) }
}
