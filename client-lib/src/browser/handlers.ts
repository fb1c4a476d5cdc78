import { quote, SealwayError } from '@sealway/protocol'
import { Fifo } from '../messaging/lines.js'
import { eventEntry } from '../messaging/payload.js'
import type { Delivery, PageHandler } from './delivery.js'
import { encodeAction } from './message.js'

/** What waits for its turn, over all senders; beyond this messages are refused. */
const maxWaiting = 4_096
const maxWaitingBytes = 16 * 1024 * 1024

export interface HandlersParts {
  readonly maxRunning: number
  /** The handler is done: `result` is its answer. */
  readonly answer: (delivery: Delivery, result: unknown) => void
  /** It threw. */
  readonly failed: (delivery: Delivery, error: unknown) => void
  /** Nobody takes this, there is no room, or nobody waits for it any more. */
  readonly refused: (delivery: Delivery, error: SealwayError) => void
  /** A handler's promise is waited for, or has ended. */
  readonly running: (delivery: Delivery, begun: boolean) => void
}

interface Entry {
  readonly handler: PageHandler
  readonly once: boolean
}

/**
 * The handlers of a page. What nobody waits for runs one after the other for each sender, in its order; calls and acked
 * messages run at once (docs/decisions/0009).
 */
export class Handlers {
  private readonly byAction = new Map<string, Entry>()
  /** Senders of whose fires one runs, or is about to, and what waits behind it. */
  private readonly lines = new Map<string, Fifo<Delivery>>()
  /** Their turn has come, but too many handlers run. */
  private readonly ready = new Fifo<Delivery>()
  private runningCount = 0
  private waitingCount = 0
  private waitingBytes = 0

  /** @param ours what the library answers itself, by names that begin with `$`; `$event` for all events */
  constructor(
    private readonly parts: HandlersParts,
    private readonly ours: ReadonlyMap<string, PageHandler>,
  ) {}

  /** Handlers that run and messages that wait for one. */
  get busy(): number {
    return this.runningCount + this.waitingCount
  }

  /** @throws SealwayError `INVALID_ARGUMENT` */
  set(action: string, handler: unknown, once = false): void {
    encodeAction(action)
    if (action.startsWith('$')) throw invalid(`${quote(action)}: names that begin with $ are the library's own`)
    if (typeof handler !== 'function') throw invalid(`the handler of ${quote(action)} must be a function`)
    if (this.byAction.has(action)) throw invalid(`${quote(action)} has a handler already; off(${quote(action)}) first`)
    this.byAction.set(action, { handler: handler as PageHandler, once })
  }

  /** @param handler only if it is this one */
  delete(action: string, handler?: PageHandler): boolean {
    if (handler !== undefined && this.byAction.get(action)?.handler !== handler) return false
    return this.byAction.delete(action)
  }

  private find(delivery: Delivery): { entry: Entry; name: string } | undefined {
    if (delivery.isEvent || delivery.action.startsWith('$')) {
      const handler = this.ours.get(delivery.isEvent ? eventEntry : delivery.action)
      return handler && { entry: { handler, once: false }, name: delivery.action }
    }
    const name = this.byAction.has(delivery.action) ? delivery.action : '*'
    const entry = this.byAction.get(name)
    return entry && { entry, name }
  }

  dispatch(delivery: Delivery): void {
    if (!this.find(delivery))
      return this.refuse(delivery, 'NO_HANDLER', `there is no handler for ${quote(delivery.action)}`)
    const line = delivery.corr === undefined ? this.lines.get(delivery.from) : undefined
    if (line) this.wait(delivery, line)
    else if (this.runningCount < this.parts.maxRunning) this.run(delivery)
    else {
      if (delivery.corr === undefined) this.lines.set(delivery.from, new Fifo())
      this.wait(delivery, this.ready)
    }
  }

  private wait(delivery: Delivery, where: Fifo<Delivery>): void {
    if (this.waitingCount >= maxWaiting || this.waitingBytes + delivery.bodyBytes > maxWaitingBytes) {
      const message = `${this.runningCount} handlers are running and ${this.waitingCount} messages wait for one`
      this.refuse(delivery, 'BUSY', message)
      if (where === this.ready) this.advance(delivery)
      return
    }
    where.push(delivery)
    this.waitingCount++
    this.waitingBytes += delivery.bodyBytes
  }

  private take(from: Fifo<Delivery>): Delivery | undefined {
    const delivery = from.shift()
    if (!delivery) return undefined
    this.waitingCount--
    this.waitingBytes -= delivery.bodyBytes
    return delivery
  }

  /** @returns whether it goes on */
  private run(delivery: Delivery): boolean {
    const found = this.find(delivery)
    if (delivery.signal.aborted) {
      this.parts.refused(delivery, delivery.signal.reason as SealwayError)
      return false
    }
    if (!found) {
      this.refuse(delivery, 'NO_HANDLER', `the handler for ${quote(delivery.action)} was taken off`)
      return false
    }
    if (found.entry.once) this.byAction.delete(found.name)
    let result: unknown
    let pending: Promise<unknown> | undefined
    try {
      result = found.entry.handler(delivery, delivery)
      if (isThenable(result)) pending = Promise.resolve(result)
    } catch (error) {
      this.parts.failed(delivery, error)
      return false
    }
    if (!pending) {
      this.parts.answer(delivery, result)
      return false
    }
    this.runningCount++
    if (delivery.corr === undefined && !this.lines.has(delivery.from)) this.lines.set(delivery.from, new Fifo())
    this.parts.running(delivery, true)
    pending.then(
      (value) => this.done(delivery, () => this.parts.answer(delivery, value)),
      (error: unknown) => this.done(delivery, () => this.parts.failed(delivery, error)),
    )
    return true
  }

  private done(delivery: Delivery, report: () => void): void {
    this.runningCount--
    this.parts.running(delivery, false)
    report()
    this.advance(delivery)
    while (this.runningCount < this.parts.maxRunning) {
      const next = this.take(this.ready)
      if (!next) return
      if (!this.run(next)) this.advance(next)
    }
  }

  /** One fire is over: those of its sender behind it follow. A loop: synchronous handlers drain a long line at once. */
  private advance({ corr, from }: Delivery): void {
    const line = corr === undefined ? this.lines.get(from) : undefined
    if (!line) return
    for (let next = this.take(line); next; next = this.take(line)) {
      if (this.runningCount >= this.parts.maxRunning) return this.wait(next, this.ready)
      if (this.run(next)) return
    }
    this.lines.delete(from)
  }

  private refuse(delivery: Delivery, code: 'NO_HANDLER' | 'BUSY', message: string): void {
    this.parts.refused(delivery, new SealwayError(code, { message, outcome: 'not-delivered', hop: 'receiver' }))
  }
}

/** Looks at what a handler returned, which may throw. */
const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'

const invalid = (message: string) =>
  new SealwayError('INVALID_ARGUMENT', { message, outcome: 'not-delivered', hop: 'client' })
