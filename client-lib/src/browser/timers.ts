import { maxTimerMs, type Timers } from '../session/timers.js'

/** A page stays alive by itself, so waiting in the background is waiting like any other. */
const set = (work: () => void, ms: number): unknown => setTimeout(work, Math.min(ms, maxTimerMs))

export const pageTimers: Timers = {
  monotonic: () => performance.now(),
  set,
  setBackground: set,
  clear: (timer) => clearTimeout(timer as number | undefined),
}
