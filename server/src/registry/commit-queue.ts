import { SealwayError } from '@sealway/protocol'

/** What became of one entry of a batch: its result, an error of its own, or `again` for the next batch. */
export type Settled<Result> = { readonly done: Result } | { readonly failed: SealwayError } | 'again'

export interface CommitQueueOptions<Entry, Result> {
  /** Entries of one key never share a batch, and keep their order. */
  key(entry: Entry): string | undefined
  /** Runs one batch in one transaction; answers in the same order. Throws where the transaction did not happen. */
  run(batch: readonly Entry[]): Promise<readonly Settled<Result>[]>
  /** Called with what was done for somebody who had given up waiting. */
  abandoned(entry: Entry, result: Result): void
  readonly maxBatch?: number
  readonly lingerMs?: number
  readonly maxWaiting?: number
  readonly waitMs?: number
}

interface Waiting<Entry, Result> {
  readonly entry: Entry
  readonly resolve: (result: Result) => void
  readonly reject: (error: unknown) => void
  tries: number
  settled: boolean
  deadline?: NodeJS.Timeout
}

/** How often an entry is tried that lost to somebody else each time. */
const maxTries = 10
/** Between two tries of a database that does not answer, ms. */
const retryMs = 200

/**
 * Group commit: entries that arrive together share one transaction, since each commit of SQLite is an fsync that holds
 * up every link (RELIABILITY F8). Up to 256 entries or 2 ms; while a batch runs, the next one gathers.
 * Nobody waits longer than 5 s; then `STORAGE_UNAVAILABLE`. At most 16,384 wait; then `OVERLOADED`.
 */
export class CommitQueue<Entry, Result> {
  private readonly options: Required<CommitQueueOptions<Entry, Result>>
  private waiting: Waiting<Entry, Result>[] = []
  private running: Promise<void> | undefined
  private linger: NodeJS.Timeout | undefined
  private closed = false

  constructor(options: CommitQueueOptions<Entry, Result>) {
    this.options = { maxBatch: 256, lingerMs: 2, maxWaiting: 16_384, waitMs: 5_000, ...options }
  }

  add(entry: Entry): Promise<Result> {
    const { maxWaiting, maxBatch, lingerMs, waitMs } = this.options
    if (this.closed) return Promise.reject(closedError())
    if (this.waiting.length >= maxWaiting) {
      return Promise.reject(
        new SealwayError('OVERLOADED', {
          message: `${maxWaiting} registrations wait for the database already`,
          outcome: 'not-delivered',
        }),
      )
    }
    return new Promise((resolve, reject) => {
      const item: Waiting<Entry, Result> = { entry, resolve, reject, tries: 0, settled: false }
      item.deadline = setTimeout(() => this.expire(item), waitMs)
      this.waiting.push(item)
      if (this.running) return
      if (this.waiting.length >= maxBatch) this.start()
      else this.linger ??= setTimeout(() => this.start(), lingerMs)
    })
  }

  /** Lets the batch that runs come to its end; what waits behind it is refused. */
  async close(): Promise<void> {
    this.closed = true
    clearTimeout(this.linger)
    for (const item of this.waiting.splice(0)) settle(item, () => item.reject(closedError()))
    await this.running
  }

  private start(): void {
    clearTimeout(this.linger)
    this.linger = undefined
    if (this.waiting.length > 0) this.running = this.drain()
  }

  private async drain(): Promise<void> {
    while (this.waiting.length > 0) await this.runBatch(this.takeBatch())
    // In the same breath as the check above: an entry added later starts the queue again.
    this.running = undefined
  }

  private takeBatch(): Waiting<Entry, Result>[] {
    const batch: Waiting<Entry, Result>[] = []
    const later: Waiting<Entry, Result>[] = []
    const keys = new Set<string>()
    for (const item of this.waiting) {
      const key = this.options.key(item.entry)
      if (batch.length >= this.options.maxBatch || (key !== undefined && keys.has(key))) later.push(item)
      else batch.push(item)
      if (key !== undefined) keys.add(key)
    }
    this.waiting = later
    return batch
  }

  private async runBatch(batch: readonly Waiting<Entry, Result>[]): Promise<void> {
    let settled: readonly Settled<Result>[]
    try {
      settled = await this.options.run(batch.map((item) => item.entry))
    } catch (error) {
      await this.batchFailed(batch, error)
      return
    }
    const again: Waiting<Entry, Result>[] = []
    for (const [i, item] of batch.entries()) {
      const outcome = settled[i]!
      if (outcome === 'again') {
        again.push(item)
      } else if ('failed' in outcome) {
        settle(item, () => item.reject(outcome.failed))
      } else if (item.settled) {
        this.options.abandoned(item.entry, outcome.done)
      } else {
        settle(item, () => item.resolve(outcome.done))
      }
    }
    this.tryAgain(again)
  }

  private async batchFailed(batch: readonly Waiting<Entry, Result>[], error: unknown): Promise<void> {
    const { code, outcome } = error instanceof SealwayError ? error : { code: 'INTERNAL', outcome: 'unknown' }
    if (code === 'STORAGE_UNAVAILABLE' && outcome === 'not-delivered') {
      // Nothing was changed: those who still have time are tried again when the database may be back.
      this.putBack(batch)
      if (this.waiting.length > 0) await new Promise((resolve) => setTimeout(resolve, retryMs))
      return
    }
    if (code === 'CONFLICT' && outcome === 'not-delivered') {
      // The database chose this transaction, time and again, to give way to another.
      this.tryAgain(batch)
      return
    }
    if (code === 'INTERNAL' && batch.length > 1) {
      // One entry may have caused it: the others must not fail with it.
      for (const item of batch) await this.runBatch([item])
      return
    }
    for (const item of batch) settle(item, () => item.reject(error))
  }

  private tryAgain(items: readonly Waiting<Entry, Result>[]): void {
    for (const item of items) {
      item.tries += 1
      if (item.tries >= maxTries) settle(item, () => item.reject(lostError()))
    }
    this.putBack(items)
  }

  private putBack(items: readonly Waiting<Entry, Result>[]): void {
    const open = items.filter((item) => !item.settled)
    if (this.closed) for (const item of open) settle(item, () => item.reject(closedError()))
    else this.waiting.unshift(...open)
  }

  private expire(item: Waiting<Entry, Result>): void {
    const at = this.waiting.indexOf(item)
    if (at >= 0) this.waiting.splice(at, 1)
    settle(item, () =>
      item.reject(
        new SealwayError('STORAGE_UNAVAILABLE', {
          message: `the database did not answer within ${this.options.waitMs / 1_000} s`,
          // One that was with the database may yet be done.
          outcome: at >= 0 ? 'not-delivered' : 'unknown',
          afterMs: this.options.waitMs,
        }),
      ),
    )
  }
}

function settle(item: { settled: boolean; deadline?: NodeJS.Timeout }, tell: () => void): void {
  if (item.settled) return
  item.settled = true
  clearTimeout(item.deadline)
  tell()
}

const closedError = () =>
  new SealwayError('STORAGE_UNAVAILABLE', { message: 'the registry is closed', outcome: 'not-delivered' })
const lostError = () =>
  new SealwayError('CONFLICT', {
    message: `others claimed this name ${maxTries} times in a row while this one tried`,
    outcome: 'not-delivered',
  })
