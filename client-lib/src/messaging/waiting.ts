import { SealwayError } from '@sealway/protocol'
import type { Timers } from '../session/timers.js'
import type { Allowance } from './allowance.js'
import { aborted, watchDeadline } from './deadline.js'
import type { Outlet } from './outlet.js'

/** How many messages may wait for room; the next one is refused at once. */
const maxWaiting = 65_536

interface Waiter {
  readonly attempt: () => boolean
  readonly settle: (error?: SealwayError) => void
  /** It needs the credit of its receiver, too: nobody waits for what becomes of it there. */
  readonly unanswered: boolean
  /** Of its message, where that is known. */
  readonly bytes: number
  /** It has left the queue, or is about to: nobody else takes it out. */
  taken: boolean
}

/** Those who wait to send to one target. */
class Queue {
  /** For room in the outlet, in order. */
  room: Waiter[] = []
  /** For credit of the receiver, in order. All others pass them by. */
  credit: Waiter[] = []
  /** Of those who wait for room, how many need credit, too. */
  unanswered = 0
  retrying = false
}

/** Those for whom an outlet had no room, or its receiver no credit: first come, first served, per outlet. */
export class Waiting {
  private readonly byOutlet = new Map<Outlet, Queue>()
  count = 0
  /** Somebody waits for credit. */
  onWaitForCredit: () => void = () => {}

  private bytes = 0

  /** @param maxBytes of messages that may wait */
  constructor(
    private readonly timers: Timers,
    private readonly maxBytes = Number.POSITIVE_INFINITY,
  ) {}

  /** Resolves when `attempt` found room. @throws SealwayError `BUSY`, `ABORTED` */
  add(
    outlet: Outlet,
    what: string,
    timeoutMs: number,
    signal: AbortSignal | undefined,
    attempt: () => boolean,
    bytes = 0,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        attempt,
        unanswered: true,
        bytes,
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

  /** Where somebody waits for credit. */
  outletsWithoutCredit(): Outlet[] {
    return [...this.byOutlet].filter(([, { credit }]) => credit.length > 0).map(([outlet]) => outlet)
  }

  /** Whether somebody waits there, for room or for credit. */
  waitsFor(outlet: Outlet): boolean {
    return this.byOutlet.has(outlet)
  }

  /** Whether somebody waits for room there: nobody may overtake. */
  has(outlet: Outlet): boolean {
    return this.count > 0 && (this.byOutlet.get(outlet)?.room.length ?? 0) > 0
  }

  /** Whether a message that nobody answers may go at once. */
  isOpen(outlet: Outlet): boolean {
    return outlet.allowance.room && (this.count === 0 || !this.byOutlet.has(outlet))
  }

  /**
   * The same as `add` for what has a deadline of its own.
   * @returns a function that gives up its place
   */
  enqueue(
    outlet: Outlet,
    attempt: () => boolean,
    onError: (error: SealwayError) => void,
    unanswered = false,
  ): () => void {
    const waiter: Waiter = {
      attempt,
      unanswered,
      bytes: 0,
      taken: false,
      settle: (error) => {
        if (error) onError(error)
      },
    }
    this.put(outlet, waiter)
    return () => this.remove(outlet, waiter)
  }

  private put(outlet: Outlet, waiter: Waiter): void {
    if (this.count >= maxWaiting || (this.count > 0 && this.bytes + waiter.bytes > this.maxBytes)) {
      throw new SealwayError('BUSY', {
        message: `${this.count} messages of ${this.bytes} bytes wait for room already`,
        outcome: 'not-delivered',
        hop: 'client',
      })
    }
    const queue = this.byOutlet.get(outlet) ?? new Queue()
    this.byOutlet.set(outlet, queue)
    this.count++
    this.bytes += waiter.bytes
    const noCredit = queue.credit.length > 0 || (queue.unanswered === 0 && !outlet.allowance.room)
    if (waiter.unanswered && noCredit) {
      queue.credit.push(waiter)
      this.onWaitForCredit()
    } else {
      queue.room.push(waiter)
      if (waiter.unanswered) queue.unanswered++
    }
  }

  private remove(outlet: Outlet, waiter: Waiter): void {
    if (waiter.taken) return
    waiter.taken = true
    const queue = this.byOutlet.get(outlet)
    if (!queue) return
    const [inRoom, inCredit] = [queue.room.indexOf(waiter), queue.credit.indexOf(waiter)]
    if (inRoom >= 0) {
      queue.room.splice(inRoom, 1)
      if (waiter.unanswered) queue.unanswered--
    } else if (inCredit >= 0) queue.credit.splice(inCredit, 1)
    else return
    this.count--
    this.bytes -= waiter.bytes
    this.tidy(outlet, queue)
  }

  private tidy(outlet: Outlet, { room, credit }: Queue): void {
    if (room.length === 0 && credit.length === 0) this.byOutlet.delete(outlet)
  }

  /** There may be room, or credit: in order, until there is none again. */
  retry(outlet: Outlet): void {
    const queue = this.byOutlet.get(outlet)
    // An attempt may make room itself and so lead back here; the loop below goes on with it.
    if (!queue || queue.retrying) return
    queue.retrying = true
    const { allowance } = outlet
    if (queue.room.length > 0 && queue.credit.length > 0) this.lineUp(queue, allowance)
    if (this.serveRoom(queue, allowance)) this.serveCredit(queue, allowance)
    queue.retrying = false
    this.tidy(outlet, queue)
    if (queue.credit.length > 0) this.onWaitForCredit()
  }

  /** Those who have credit again stand behind those who wait for room. */
  private lineUp(queue: Queue, { left }: Allowance): void {
    const moved = queue.credit.splice(0, left)
    queue.room.push(...moved)
    queue.unanswered += moved.length
  }

  /** @returns false where there is no room for the next */
  private serveRoom(queue: Queue, allowance: Allowance): boolean {
    const without: Waiter[] = []
    let done = 0
    let roomy = true
    for (const waiter of queue.room) {
      if (waiter.unanswered && !allowance.room) without.push(waiter)
      else if (!this.attempt(waiter)) {
        roomy = false
        break
      }
      if (waiter.unanswered) queue.unanswered--
      done++
    }
    queue.room.splice(0, done)
    if (without.length > 0) queue.credit = [...without, ...queue.credit]
    return roomy
  }

  private serveCredit(queue: Queue, allowance: Allowance): void {
    let done = 0
    for (const waiter of queue.credit) {
      if (!allowance.room || !this.attempt(waiter)) break
      done++
    }
    queue.credit.splice(0, done)
  }

  private attempt(waiter: Waiter): boolean {
    let error: SealwayError | undefined
    try {
      if (!waiter.attempt()) return false
    } catch (thrown) {
      error = thrown as SealwayError
    }
    waiter.taken = true
    this.count--
    this.bytes -= waiter.bytes
    waiter.settle(error)
    return true
  }

  close(): void {
    const error = new SealwayError('CLOSED', {
      message: 'this node was closed',
      outcome: 'not-delivered',
      hop: 'client',
    })
    const all = [...this.byOutlet.values()].flatMap(({ room, credit }) => [...room, ...credit])
    this.byOutlet.clear()
    this.count = 0
    this.bytes = 0
    for (const waiter of all) {
      waiter.taken = true
      waiter.settle(error)
    }
  }
}
