import { SealwayError } from '@sealway/protocol'
import type { Timers } from '../session/timers.js'
import { aborted, watchDeadline } from './deadline.js'
import type { Outlet } from './outlet.js'

/** How many messages may wait for room; the next one is refused at once. */
const maxWaiting = 65_536

interface Waiter {
  readonly attempt: () => boolean
  readonly settle: (error?: SealwayError) => void
  /** It has left the queue, or is about to: nobody else takes it out. */
  taken: boolean
}

/** Those for whom an outlet had no room: first come, first served, per outlet. */
export class Waiting {
  private readonly byOutlet = new Map<Outlet, Waiter[]>()
  private readonly retrying = new Set<Outlet>()
  count = 0

  constructor(private readonly timers: Timers) {}

  /** Resolves when `attempt` found room. @throws SealwayError `BUSY`, `ABORTED` */
  add(
    outlet: Outlet,
    what: string,
    timeoutMs: number,
    signal: AbortSignal | undefined,
    attempt: () => boolean,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        attempt,
        taken: false,
        settle: (error) => {
          stopWatch()
          if (error) reject(error)
          else resolve()
        },
      }
      this.put(outlet, waiter)
      const stopWatch = watchDeadline(this.timers, timeoutMs, signal, (why) => {
        this.remove(outlet, waiter)
        waiter.settle(
          why === 'abort'
            ? aborted(what, signal!, 'not-delivered')
            : new SealwayError('BUSY', {
                message: `${what}: the queue to ${outlet.to} stayed full for ${timeoutMs} ms`,
                outcome: 'not-delivered',
                hop: 'client',
                target: outlet.to,
                afterMs: timeoutMs,
              }),
        )
      })
    })
  }

  /** Whether somebody waits there: nobody may overtake. */
  has(outlet: Outlet): boolean {
    return this.count > 0 && this.byOutlet.has(outlet)
  }

  /**
   * The same for a call or broadcast, whose own deadline watches over it.
   * @returns a function that gives up its place
   */
  enqueue(outlet: Outlet, attempt: () => boolean, onError: (error: SealwayError) => void): () => void {
    const waiter: Waiter = {
      attempt,
      taken: false,
      settle: (error) => {
        if (error) onError(error)
      },
    }
    this.put(outlet, waiter)
    return () => this.remove(outlet, waiter)
  }

  private put(outlet: Outlet, waiter: Waiter): void {
    if (this.count >= maxWaiting) {
      throw new SealwayError('BUSY', {
        message: `${maxWaiting} messages wait for room already`,
        outcome: 'not-delivered',
        hop: 'client',
      })
    }
    const waiters = this.byOutlet.get(outlet) ?? []
    waiters.push(waiter)
    this.byOutlet.set(outlet, waiters)
    this.count++
  }

  private remove(outlet: Outlet, waiter: Waiter): void {
    if (waiter.taken) return
    waiter.taken = true
    const waiters = this.byOutlet.get(outlet)
    const at = waiters?.indexOf(waiter) ?? -1
    if (at < 0) return
    waiters!.splice(at, 1)
    this.count--
    if (waiters!.length === 0) this.byOutlet.delete(outlet)
  }

  /** There is room: in order, until there is none again. */
  retry(outlet: Outlet): void {
    const waiters = this.byOutlet.get(outlet)
    // An attempt may make room itself and so lead back here; the loop below goes on with it.
    if (!waiters || this.retrying.has(outlet)) return
    this.retrying.add(outlet)
    let taken = 0
    for (const waiter of waiters) {
      let error: SealwayError | undefined
      try {
        if (!waiter.attempt()) break
      } catch (thrown) {
        error = thrown as SealwayError
      }
      taken++
      waiter.taken = true
      waiter.settle(error)
    }
    this.retrying.delete(outlet)
    waiters.splice(0, taken)
    this.count -= taken
    if (waiters.length === 0) this.byOutlet.delete(outlet)
  }

  close(): void {
    const error = new SealwayError('CLOSED', {
      message: 'this node was closed',
      outcome: 'not-delivered',
      hop: 'client',
    })
    const all = [...this.byOutlet.values()].flat()
    this.byOutlet.clear()
    this.count = 0
    for (const waiter of all) {
      waiter.taken = true
      waiter.settle(error)
    }
  }
}
