import { Backlog } from '../backlog.js'
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
  private readonly backlog = new Backlog<ReceivedEvent<Body>>(maxBacklog)
  private missed = 0
  private unsubscribe: () => void = () => {}

  attach(unsubscribe: () => void): this {
    this.unsubscribe = unsubscribe
    return this
  }

  readonly take = (command: Command<Body>, { from }: Context): void => {
    if (this.backlog.full) {
      this.missed++
      return
    }
    const { action: event, body, meta } = command
    this.backlog.push({ event, from, body, meta, missed: this.missed })
    this.missed = 0
  }

  readonly end = (): void => {
    this.backlog.end()
    this.unsubscribe()
  }

  next(): Promise<IteratorResult<ReceivedEvent<Body>>> {
    return this.backlog.next()
  }

  async return(): Promise<IteratorResult<ReceivedEvent<Body>>> {
    this.end()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
