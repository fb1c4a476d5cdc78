import { quote, SealwayError } from '@sealway/protocol'
import { type Command, type Context, type Delivery, isExpectedError } from './delivery.js'
import { diagnostics, type HandledMessage, type ReceivedMessage } from './diagnostics.js'
import { checkAction, type Entry, HandlerTable } from './handler-table.js'
import { type AfterHook, type BeforeHook, Hooks } from './hooks.js'
import { runFor } from './inherited.js'
import { Fifo, type Line, Lines } from './lines.js'
import { isThenable, type Middleware } from './middleware.js'

/** What waits in one node for its turn, over all senders; beyond this messages are refused. */
const maxWaiting = 65_536
const maxWaitingBytes = 64 * 1024 * 1024
/** What one sender may have waiting of it: a quarter, as everywhere (SEMANTICS.md, "Limits"). More than a bundle holds. */
const maxWaitingInLine = maxWaiting / 4

export interface HandlersParts {
  /** Of this node. */
  readonly name: string
  readonly maxRunning: number
  readonly monotonic: () => number
  /** The handler is done: `result` is its answer. */
  readonly answer: (delivery: Delivery, result: unknown) => void
  /** It threw. */
  readonly failed: (delivery: Delivery, error: unknown) => void
  /** Nobody takes this, there is no room, or nobody waits for it any more. */
  readonly refused: (delivery: Delivery, error: SealwayError) => void
  /** A message has begun to wait for its turn or for its handler's promise, or has ended. */
  readonly running: (delivery: Delivery, begun: boolean) => void
  /** A hook that cannot change the answer threw. */
  readonly hookFailed: (command: Command, context: Context, error: unknown) => void
}

/** Runs the handlers of a node: in whose order, and how many at once. */
export class Handlers {
  readonly table: HandlerTable
  private readonly hooks: Hooks
  private readonly parts: HandlersParts
  private readonly lines = new Lines()
  /** Their turn has come, but too many handlers run. */
  private readonly ready = new Fifo<{ readonly delivery: Delivery; readonly line: Line | undefined }>()
  private runningCount = 0
  private waitingCount = 0
  private waitingBytes = 0

  constructor(parts: HandlersParts) {
    this.parts = parts
    this.hooks = new Hooks(
      parts.monotonic,
      (error, command, context) => parts.hookFailed(command, context, error),
      () => this.table.renew(),
    )
    this.table = new HandlerTable(this.hooks)
  }

  /** Handlers that run and messages that wait for one. */
  get running(): number {
    return this.runningCount + this.waitingCount
  }

  /** @param action undefined: every action. @returns a function that takes the hook off again */
  before(action: string | undefined, hook: BeforeHook): () => void {
    return this.hooks.before(hookedAction(action, hook), hook)
  }

  after(action: string | undefined, hook: AfterHook): () => void {
    return this.hooks.after(hookedAction(action, hook), hook)
  }

  /** Around every handler, and outside of all other hooks. */
  around(hook: Middleware): void {
    this.hooks.around(hook)
  }

  /**
   * Runs the handler, or lets the message wait for its turn: behind what the same sender sent before
   * (docs/decisions/0009), and behind all where too many handlers run.
   */
  dispatch(delivery: Delivery): void {
    if (diagnostics.received.hasSubscribers) this.tellReceived(delivery)
    const entry = this.table.find(delivery.entry)
    if (!entry) {
      const message = `there is no handler for ${quote(delivery.action)}`
      this.refuse(delivery, 'NO_HANDLER', message)
      return
    }
    const line = this.lineInTheWay(entry, delivery)
    if (line) this.wait(delivery, line)
    else if (this.runningCount < this.parts.maxRunning) this.run(delivery, entry, undefined)
    else this.waitReady(delivery, this.claim(entry, delivery))
  }

  /** By default what nobody waits for goes in the order of its sender; synchronous handlers never make a line. */
  private lineInTheWay(entry: Entry, delivery: Delivery): Line | undefined {
    if (this.lines.none) return undefined
    if (entry.concurrency !== 0) return this.lines.full(ownLine(entry, delivery), entry.concurrency)
    return delivery.corr < 0 ? this.lines.full(delivery.from, 1) : undefined
  }

  /** It runs, or is about to: those behind it wait. */
  private claim(entry: Entry, delivery: Delivery): Line | undefined {
    if (entry.concurrency === Number.POSITIVE_INFINITY) return undefined
    if (entry.concurrency !== 0) return this.lines.begin(ownLine(entry, delivery), entry.concurrency)
    return delivery.corr < 0 ? this.lines.begin(delivery.from, 1) : undefined
  }

  private wait(delivery: Delivery, line: Line): void {
    if (line.waiting.size >= maxWaitingInLine || !this.hasRoom(delivery)) {
      this.refuse(delivery, 'BUSY', `${line.waiting.size} messages of ${delivery.from} wait for their turn`)
      return
    }
    line.waiting.push(delivery)
    this.beginWait(delivery)
  }

  private waitReady(delivery: Delivery, line: Line | undefined): void {
    if (this.hasRoom(delivery)) {
      this.ready.push({ delivery, line })
      this.beginWait(delivery)
      return
    }
    const { maxRunning } = this.parts
    this.refuse(delivery, 'BUSY', `${maxRunning} handlers are running and ${this.waitingCount} messages wait for one`)
    if (line) this.leave(line)
  }

  private hasRoom(delivery: Delivery): boolean {
    return this.waitingCount < maxWaiting && this.waitingBytes + delivery.bodyBytes <= maxWaitingBytes
  }

  private beginWait(delivery: Delivery): void {
    this.waitingCount++
    this.waitingBytes += delivery.bodyBytes
    this.parts.running(delivery, true)
  }

  private endWait(delivery: Delivery): void {
    this.waitingCount--
    this.waitingBytes -= delivery.bodyBytes
    this.parts.running(delivery, false)
  }

  private refuse(delivery: Delivery, code: 'NO_HANDLER' | 'BUSY', message: string): void {
    this.refused(delivery, new SealwayError(code, { message, outcome: 'not-delivered', hop: 'receiver' }))
  }

  private tellReceived(delivery: Delivery): void {
    if (isUsers(delivery.action)) diagnostics.received.publish(shown(this.parts.name, delivery))
  }

  private tellHandled(delivery: Delivery, type: HandledMessage['type'], began?: number): void {
    if (!isUsers(delivery.action)) return
    const durationMs = began === undefined ? 0 : this.parts.monotonic() - began
    diagnostics.handled.publish({ ...shown(this.parts.name, delivery), type, durationMs } satisfies HandledMessage)
  }

  private refused(delivery: Delivery, error: SealwayError): void {
    if (diagnostics.handled.hasSubscribers) this.tellHandled(delivery, 'refused')
    if (!this.hooks.none) this.hooks.refused(delivery, error)
    this.parts.refused(delivery, error)
  }

  /** @param claimed its line, if it already has a place in one */
  private run(delivery: Delivery, entry: Entry, claimed: Line | undefined): void {
    let result: unknown
    let pending: Promise<unknown> | undefined
    const began = diagnostics.handled.hasSubscribers ? this.parts.monotonic() : undefined
    try {
      if (entry.once) this.table.delete(entry.name)
      // Only who is waited for: entering a context costs more than the whole rest of a fire.
      result =
        delivery.deadline === undefined
          ? entry.run(delivery, delivery)
          : runFor(delivery, entry.run, delivery, delivery)
      // Not its own `then`: a strange one could throw, or call back twice.
      if (isThenable(result)) pending = Promise.resolve(result)
    } catch (error) {
      if (claimed) claimed.running--
      delivery.answered = true
      if (began !== undefined) this.tellHandled(delivery, endOf(error), began)
      this.parts.failed(delivery, error)
      return
    }
    if (!pending) {
      if (claimed) claimed.running--
      delivery.answered = !delivery.stream
      if (began !== undefined) this.tellHandled(delivery, 'answered', began)
      this.parts.answer(delivery, result)
      return
    }
    const line = claimed ?? this.claim(entry, delivery)
    this.runningCount++
    this.parts.running(delivery, true)
    pending.then(
      (value) => {
        if (began !== undefined) this.tellHandled(delivery, 'answered', began)
        this.done(delivery, line, () => this.parts.answer(delivery, value))
      },
      (error: unknown) => {
        if (began !== undefined) this.tellHandled(delivery, endOf(error), began)
        this.done(delivery, line, () => this.parts.failed(delivery, error))
      },
    )
  }

  private done(delivery: Delivery, line: Line | undefined, report: () => void): void {
    this.runningCount--
    this.parts.running(delivery, false)
    delivery.answered = !delivery.stream
    report()
    while (this.ready.size > 0 && this.runningCount < this.parts.maxRunning) {
      const next = this.ready.shift()!
      this.runWaited(next.delivery, next.line)
      if (next.line) this.drain(next.line)
    }
    if (line) this.leave(line)
  }

  private leave(line: Line): void {
    line.running--
    this.drain(line)
  }

  /** Starts what may start, in order. A loop, not a recursion: synchronous handlers can drain a long line at once. */
  private drain(line: Line): void {
    while (line.running < line.limit && line.waiting.size > 0) {
      const delivery = line.waiting.shift()!
      line.running++
      if (this.runningCount < this.parts.maxRunning) this.runWaited(delivery, line)
      else this.ready.push({ delivery, line })
    }
    this.lines.tidy(line)
  }

  private runWaited(delivery: Delivery, line: Line | undefined): void {
    this.endWait(delivery)
    // The handler may have been replaced or taken off meanwhile.
    const entry = this.table.find(delivery.entry)
    const { aborted } = delivery
    if (entry && !aborted) return this.run(delivery, entry, line)
    if (line) line.running--
    if (aborted) this.refused(delivery, aborted)
    else this.refuse(delivery, 'NO_HANDLER', `the handler for ${quote(delivery.action)} was taken off`)
  }
}

/** What the library says to itself is nobody else's business. */
const isUsers = (action: string): boolean => !action.startsWith('$')

const endOf = (error: unknown): 'failed' | 'crashed' => (isExpectedError(error) ? 'failed' : 'crashed')

const shown = (node: string, { from, to, action, key, bodyBytes }: Delivery): ReceivedMessage => ({
  ...{ node, from, to, action, key },
  bytes: bodyBytes,
})

/** A name has no space, so this is never a sender's. */
const ownLine = (entry: Entry, delivery: Delivery): string => `${delivery.from} ${entry.name}`

/** @returns undefined for every action. @throws SealwayError `INVALID_ARGUMENT` */
function hookedAction(action: string | undefined, hook: unknown): string | undefined {
  if (typeof hook !== 'function') {
    throw new SealwayError('INVALID_ARGUMENT', { message: 'a hook must be a function', outcome: 'not-delivered' })
  }
  if (action !== undefined) checkAction(action)
  return action === '*' ? undefined : action
}
