import type { Command, Context } from '../delivery.js'

/** Events that wait for a reader; a reader that is further behind loses the newest, and is told how many. */
const maxBacklog = 10_000

/** An event as an async iterable gives it. */
export interface ReceivedEvent<Body = unknown> {
  readonly event: string
  readonly from: string
  readonly body: Body
  readonly meta: { readonly [name: string]: unknown }
  /** Events before this one that were dropped because the reader was behind. */
  readonly missed: number
}

/** Turns a subscription into an async iterable; `break` ends the subscription. */
export class EventReader<Body> implements AsyncIterableIterator<ReceivedEvent<Body>> {
  private readonly backlog: ReceivedEvent<Body>[] = []
  private missed = 0
  private wake: (() => void) | undefined
  private ended = false
  private unsubscribe: () => void = () => {}

  attach(unsubscribe: () => void): this {
    this.unsubscribe = unsubscribe
    return this
  }

  readonly take = (command: Command<Body>, { from }: Context): void => {
    if (this.backlog.length >= maxBacklog) {
      this.missed++
      return
    }
    const { action: event, body, meta } = command
    this.backlog.push({ event, from, body, meta, missed: this.missed })
    this.missed = 0
    this.wake?.()
  }

  readonly end = (): void => {
    this.ended = true
    this.unsubscribe()
    this.wake?.()
  }

  async next(): Promise<IteratorResult<ReceivedEvent<Body>>> {
    while (this.backlog.length === 0) {
      if (this.ended) return { done: true, value: undefined }
      await new Promise<void>((resolve) => {
        this.wake = resolve
      })
      this.wake = undefined
    }
    return { done: false, value: this.backlog.shift()! }
  }

  async return(): Promise<IteratorResult<ReceivedEvent<Body>>> {
    this.end()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
