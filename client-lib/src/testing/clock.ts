import { SealwayError } from '@sealway/protocol'
import type { Timers } from '../session/timers.js'

interface Due {
  readonly at: number
  /** Of two that are due at once, the one that was set first runs first. */
  readonly order: number
  readonly work: () => void
  cleared: boolean
}

/** Taken when this is loaded, so that fake timers of a test runner do not reach it. */
const nextTurn = setImmediate

/** 2023-11-14T22:13:20Z. */
const startsAt = 1_700_000_000_000
/** How far `until` lets time run before it says that this will never happen, ms. */
const patienceMs = 3_600_000

/**
 * Time that stands still until it is moved. What needs no time (messages, answers, handlers) happens by itself; what
 * waits (deadlines, retries, heartbeats) happens when `advance`, `until` or `settle` come to it, always in one order.
 */
export class VirtualClock implements Timers {
  private at: number
  private order = 0
  /** A binary heap: the first is due next. */
  private readonly heap: Due[] = []
  private tasks: (() => void)[] = []
  private pumping = false
  private stepping: Promise<unknown> = Promise.resolve()

  constructor(startAt = startsAt) {
    this.at = startAt
  }

  /** ms since 1970. */
  readonly now = (): number => this.at
  readonly monotonic = (): number => this.at

  /** Runs `work` when what is under way now has come to its end, promise code included; time does not move. */
  readonly soon = (work: () => void): void => {
    this.tasks.push(work)
    this.wake()
  }

  private wake(): void {
    if (this.pumping) return
    this.pumping = true
    nextTurn(this.pump)
  }

  private readonly pump = (): void => {
    const tasks = this.tasks
    this.tasks = []
    let done = 0
    try {
      for (const task of tasks) {
        done++
        task()
      }
    } finally {
      // One that throws must not take the others with it.
      if (done < tasks.length) this.tasks.unshift(...tasks.slice(done))
      this.pumping = false
      if (this.tasks.length > 0) this.wake()
    }
  }

  set(work: () => void, ms: number): unknown {
    const due: Due = { at: this.at + Math.max(0, ms), order: ++this.order, work, cleared: false }
    this.push(due)
    return due
  }

  setBackground(work: () => void, ms: number): unknown {
    return this.set(work, ms)
  }

  clear(timer: unknown): void {
    if (timer) (timer as Due).cleared = true
  }

  /** Resolves when so much time has gone by here. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.set(resolve, ms))
  }

  /** Runs all that is due now, until nothing more happens. Time does not move. */
  async settle(): Promise<void> {
    for (;;) {
      await this.quiet()
      const due = this.peek()
      if (!due || due.at > this.at) return
      this.pop()
      due.work()
    }
  }

  /** Lets so many milliseconds go by, and all that is due within them happen, one after the other. */
  async advance(ms: number): Promise<void> {
    if (!(ms >= 0)) throw invalid(`time goes forward only: ${String(ms)} ms`)
    const end = this.at + ms
    while (await this.step(end));
    this.at = Math.max(this.at, end)
  }

  /**
   * Lets as much time go by as it takes for a promise to settle, and gives what it gives.
   * @throws what the promise rejects with; SealwayError `TIMEOUT` where an hour was not enough
   */
  async until<T>(promise: PromiseLike<T>): Promise<T> {
    let settled = false
    const end = (): void => {
      settled = true
    }
    promise.then(end, end)
    const limit = this.at + patienceMs
    while (!settled && (await this.step(limit, () => settled)));
    if (!settled) {
      const message = 'nothing more will happen that could settle this: an hour of virtual time was not enough'
      throw new SealwayError('TIMEOUT', { message })
    }
    return promise
  }

  /** One timer, and what follows from it; one after the other, whoever asks. @returns false where none is due by then */
  private step(end: number, enough = (): boolean => false): Promise<boolean> {
    const step = this.stepping.then(async () => {
      await this.quiet()
      if (enough()) return true
      const due = this.peek()
      if (!due || due.at > end) return false
      this.pop()
      this.at = Math.max(this.at, due.at)
      due.work()
      await this.quiet()
      return true
    })
    this.stepping = step.catch(() => {})
    return step
  }

  /** No task is left, nor any promise code that could make one. */
  private async quiet(): Promise<void> {
    do {
      await new Promise<void>((resolve) => nextTurn(resolve))
    } while (this.tasks.length > 0 || this.pumping)
  }

  private peek(): Due | undefined {
    while (this.heap[0]?.cleared) this.pop()
    return this.heap[0]
  }

  private push(due: Due): void {
    const { heap } = this
    let i = heap.length
    heap.push(due)
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (!before(due, heap[parent]!)) break
      heap[i] = heap[parent]!
      i = parent
    }
    heap[i] = due
  }

  private pop(): void {
    const { heap } = this
    const last = heap.pop()!
    if (heap.length === 0) return
    let i = 0
    for (;;) {
      let child = 2 * i + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++
      if (!before(heap[child]!, last)) break
      heap[i] = heap[child]!
      i = child
    }
    heap[i] = last
  }
}

const before = (a: Due, b: Due): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)

const invalid = (message: string) => new SealwayError('INVALID_ARGUMENT', { message, outcome: 'not-delivered' })
