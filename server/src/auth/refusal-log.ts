import type { Log } from '../observe/log.js'

/** A node with a wrong secret asks again and again, and strangers may ask as often as they like. */
const windowMs = 10_000
const linesPerWindow = 10

/**
 * Logs why tokens were refused, which the one who asked is not told: at most 10 lines in 10 s, and then how many more
 * there were.
 * @param clock ms
 */
export function createRefusalLog(log: Log, clock: () => number): (reason: string) => void {
  let began = Number.NEGATIVE_INFINITY
  let lines = 0
  let unsaid = 0
  return (reason) => {
    const now = clock()
    // A clock that was set back begins a new window.
    if (now - began >= windowMs || now < began) {
      began = now
      lines = 0
    }
    if (lines >= linesPerWindow) {
      unsaid++
      return
    }
    lines++
    log.warn({ reason, ...(unsaid > 0 ? { notLogged: unsaid } : {}) }, 'token refused')
    unsaid = 0
  }
}
