import { availableParallelism } from 'node:os'
import { BusyPoll } from '@sealway/protocol'

/**
 * @param us how long this process looks for more at most; 0: not at all
 * @param again runs at the end of this turn of the event loop
 * @returns to be told of each read, in bytes; undefined: nothing is to be done
 */
export function busyPoll(us: number, again: (turn: () => void) => void): ((bytes: number) => void) | undefined {
  // Whoever is waited for needs a processor as well.
  if (us === 0 || availableParallelism() < 2) return undefined
  return new BusyPoll({ windowMs: us / 1_000, now: () => performance.now(), again }).arrived
}
