import { quote, SealwayError } from '@sealway/protocol'
import type { Command, Context, Delivery } from './delivery.js'

/** Returns the answer, or a promise of it. Throws `context.fail(...)` for an expected error, anything else for a crash. */
export type Handler<Body = unknown> = (command: Command<Body>, context: Context) => unknown

/** Messages that wait for a handler to become free; beyond this they are refused. */
const maxWaiting = 10_000

export interface HandlersParts {
  readonly maxRunning: number
  /** The handler is done: `result` is its answer. */
  readonly answer: (delivery: Delivery, result: unknown) => void
  /** It threw. */
  readonly failed: (delivery: Delivery, error: unknown) => void
  /** Nobody takes this, or there is no room. */
  readonly refused: (delivery: Delivery, error: SealwayError) => void
  /** A handler that returned a promise has begun, or ended. */
  readonly running: (delivery: Delivery, begun: boolean) => void
}

/** What this node does with what arrives, by action; `*` takes what nothing else does. */
export class Handlers {
  private readonly byAction = new Map<string, Handler>()
  private readonly parts: HandlersParts
  private readonly waiting: Delivery[] = []
  private runningCount = 0

  constructor(parts: HandlersParts) {
    this.parts = parts
  }

  get running(): number {
    return this.runningCount + this.waiting.length
  }

  get actions(): string[] {
    return [...this.byAction.keys()]
  }

  /** @throws SealwayError `INVALID_ARGUMENT` */
  set(action: string, handler: Handler): void {
    if (typeof action !== 'string' || action.length === 0 || action.length > 255) {
      throw invalid(`action ${quote(action)} must be a text of 1 to 255 characters`)
    }
    if (typeof handler !== 'function') throw invalid(`the handler of ${quote(action)} must be a function`)
    if (this.byAction.has(action)) {
      throw invalid(`${quote(action)} has a handler already; off(${quote(action)}) first to replace it`)
    }
    this.byAction.set(action, handler)
  }

  delete(action: string): boolean {
    return this.byAction.delete(action)
  }

  /** Runs the handler. In the order of arrival; one that returns a promise does not hold up the next. */
  dispatch(delivery: Delivery): void {
    if (this.runningCount < this.parts.maxRunning) {
      this.run(delivery)
    } else if (this.waiting.length < maxWaiting) {
      this.waiting.push(delivery)
    } else {
      const message = `${this.parts.maxRunning} handlers are running and ${maxWaiting} messages wait for one`
      this.parts.refused(delivery, new SealwayError('BUSY', { message, outcome: 'not-delivered', hop: 'receiver' }))
    }
  }

  private run(delivery: Delivery): void {
    const handler = this.byAction.get(delivery.action) ?? this.byAction.get('*')
    if (!handler) {
      const message = `there is no handler for ${quote(delivery.action)}`
      this.parts.refused(
        delivery,
        new SealwayError('NO_HANDLER', { message, outcome: 'not-delivered', hop: 'receiver' }),
      )
      return
    }
    let result: unknown
    let pending: Promise<unknown> | undefined
    try {
      result = handler(delivery, delivery)
      // Not its own `then`: a strange one could throw, or call back twice.
      if (isThenable(result)) pending = Promise.resolve(result)
    } catch (error) {
      this.parts.failed(delivery, error)
      return
    }
    if (!pending) {
      this.parts.answer(delivery, result)
      return
    }
    this.runningCount++
    this.parts.running(delivery, true)
    pending.then(
      (value) => this.done(delivery, () => this.parts.answer(delivery, value)),
      (error: unknown) => this.done(delivery, () => this.parts.failed(delivery, error)),
    )
  }

  private done(delivery: Delivery, report: () => void): void {
    this.runningCount--
    this.parts.running(delivery, false)
    report()
    while (this.waiting.length > 0 && this.runningCount < this.parts.maxRunning) this.run(this.waiting.shift()!)
  }
}

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'

const invalid = (message: string) =>
  new SealwayError('INVALID_ARGUMENT', { message, outcome: 'not-delivered', hop: 'client' })
