import { SealwayError } from '@sealway/protocol'
import { type Observable, type Subscription, take, takeWhile, toArray } from 'rxjs'
import { Fifo } from '../messaging/lines.js'
import { onAbort } from '../session/abort-listener.js'

/** An observable cannot be told to wait; beyond this many values that nobody has read yet its stream is given up. */
export const maxWaitingValues = 16_384

interface Waiter {
  resolve(result: IteratorResult<unknown, undefined>): void
  reject(error: unknown): void
}

/** The values of an observable, one after the other. It is subscribed to with the first read, and no longer than it is read. */
export class ObservedItems implements AsyncIterableIterator<unknown, undefined, undefined> {
  private readonly waiting = new Fifo<unknown>()
  private readonly readers = new Fifo<Waiter>()
  private subscription: Subscription | undefined
  private end: { readonly error?: unknown } | undefined

  constructor(private readonly source: Observable<unknown>) {}

  next(): Promise<IteratorResult<unknown, undefined>> {
    return new Promise((resolve, reject) => {
      this.readers.push({ resolve, reject })
      this.subscription ??= this.subscribe()
      this.serve()
    })
  }

  async return(): Promise<IteratorResult<unknown, undefined>> {
    this.finish({})
    while (this.waiting.size > 0) this.waiting.shift()
    this.serve()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  private subscribe(): Subscription {
    // An observable that gives all its values while it is subscribed to can be stopped by no other means.
    return this.source.pipe(takeWhile(() => !this.end)).subscribe({
      next: (value) => {
        this.waiting.push(value)
        if (this.waiting.size > maxWaitingValues) this.finish({ error: tooFast() })
        this.serve()
      },
      error: (error: unknown) => this.finish({ error }),
      complete: () => this.finish({}),
    })
  }

  private finish(end: { readonly error?: unknown }): void {
    this.end ??= end
    this.subscription?.unsubscribe()
    this.serve()
  }

  private serve(): void {
    while (this.readers.size > 0 && (this.waiting.size > 0 || this.end)) {
      const reader = this.readers.shift()!
      if (this.waiting.size > 0) {
        reader.resolve({ done: false, value: this.waiting.shift() })
      } else if (this.end && 'error' in this.end) {
        reader.reject(this.end.error)
        this.end = {}
      } else {
        reader.resolve({ done: true, value: undefined })
      }
    }
  }
}

/**
 * The one value of an observable; undefined where it has none. Of more than one nothing is made up: they are a stream, for
 * the node to refuse to who called for one answer.
 */
export function oneValue(source: Observable<unknown>, signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const subscription = source.pipe(take(2), toArray()).subscribe({
      next: (values) => resolve(values.length > 1 ? noItems() : values[0]),
      error: reject,
    })
    const abort = (): void => {
      subscription.unsubscribe()
      reject(signal.reason)
    }
    subscription.add(onAbort(signal, abort))
    if (signal.aborted) abort()
  })
}

async function* noItems(): AsyncGenerator<never, void, undefined> {}

const tooFast = () =>
  new SealwayError('BUSY', {
    message: `an observable gave ${maxWaitingValues} values faster than they were read; an async generator is pulled`,
    outcome: 'unknown',
    hop: 'receiver',
  })
