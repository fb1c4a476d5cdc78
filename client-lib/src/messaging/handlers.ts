import { quote, SealwayError } from '@sealway/protocol'
import type { Timers } from '../session/timers.js'
import { type Command, type Context, type Delivery, type ExpectedError, isExpectedError } from './delivery.js'
import { diagnostics, type HandledMessage, type ReceivedMessage } from './diagnostics.js'
import { type Grants, maxQueuedBytes, maxQueuedMessages } from './grants.js'
import { checkAction, type Entry, HandlerTable } from './handler-table.js'
import { type AfterHook, type BeforeHook, Hooks } from './hooks.js'
import { runFor } from './inherited.js'
import { type Line, Lines } from './lines.js'
import { isThenable, type Middleware } from './middleware.js'
import { Overdue } from './overdue.js'
import { Run } from './run.js'
import { Slots, slotsOfAction, type Turn } from './slots.js'

/** What waits in one node for its turn, over all senders; beyond this messages are refused. */
const maxWaiting = 262_144
const maxWaitingBytes = 64 * 1024 * 1024
/** Calls of one sender that wait for one another, where a handler has a `concurrency`. */
const maxCallsInLine = 16_384

export interface HandlersParts {
  /** Of this node. */
  readonly name: string
  readonly maxRunning: number
  readonly timers: Timers
  /** Counts what waits of each sender. */
  readonly grants: Grants
  /** The handler is done: `result` is its answer. */
  readonly answer: (delivery: Delivery, result: unknown) => void
  /** It threw. */
  readonly failed: (delivery: Delivery, error: unknown) => void
  /** Nobody takes this, there is no room, or nobody waits for it any more. */
  readonly refused: (delivery: Delivery, error: SealwayError) => void
  /** A message has begun to wait for its turn or for its handler's promise, or has ended. */
  readonly running: (delivery: Delivery, begun: boolean) => void
  /** A handler has not ended, though its caller waits no longer, or though it has been running for long. */
  readonly overdue: (delivery: Delivery, handler: string, afterMs: number) => void
  /** A hook that cannot change the answer threw. */
  readonly hookFailed: (command: Command, context: Context, error: unknown) => void
}

/** Runs the handlers of a node: in whose order, and how many at once. */
export class Handlers {
  readonly table: HandlerTable
  private readonly hooks: Hooks
  private readonly parts: HandlersParts
  private readonly lines = new Lines()
  private readonly overdue: Overdue
  /** Of the node. What waits there could run, were it not for the handlers of other actions. */
  private readonly slots: Slots
  /** Of actions that have taken all of their own, or had to wait for the node's: where something waits. */
  private readonly waitingActions = new Set<Slots>()
  private waitingCount = 0
  private waitingBytes = 0

  constructor(parts: HandlersParts) {
    this.parts = parts
    const monotonic = () => parts.timers.monotonic()
    this.hooks = new Hooks(
      monotonic,
      (error, command, context) => parts.hookFailed(command, context, error),
      () => this.table.renew(),
    )
    this.slots = new Slots(parts.maxRunning, monotonic)
    this.table = new HandlerTable(this.hooks, () => new Slots(slotsOfAction(parts.maxRunning), monotonic))
    this.overdue = new Overdue({
      timers: parts.timers,
      giveBackSlot: (run) => {
        this.giveBackSlot(run)
        this.fill()
      },
      leaveLine: (run) => this.leaveLine(run),
      report: ({ delivery, entry }, afterMs) => parts.overdue(delivery, entry.name, afterMs),
    })
  }

  /** Handlers that run and messages that wait for one. */
  get running(): number {
    return this.slots.running + this.waitingCount
  }

  /** So much waits that senders are to wait. */
  get crowded(): boolean {
    return this.waitingCount > maxWaiting / 2 || this.waitingBytes > maxWaitingBytes / 2
  }

  /** This node is draining. */
  turnAway(delivery: Delivery): void {
    if (diagnostics.received.hasSubscribers) this.tellReceived(delivery)
    this.refuse(delivery, 'DRAINING', `${this.parts.name} is shutting down and takes no new work`)
  }

  /** Refuses all that waits for its turn. */
  abandon(): void {
    const waiting = [...this.lines.takeAll(), ...this.slots.takeAll()]
    for (const slots of this.waitingActions) waiting.push(...slots.takeAll())
    this.waitingActions.clear()
    for (const delivery of waiting) {
      this.endWait(delivery)
      this.refuse(delivery, 'DRAINING', `${this.parts.name} left before it came to this`)
    }
  }

  /** Nothing more is handled: no timer stays. */
  close(): void {
    this.overdue.close()
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
    else if (!this.slots.full && !entry.slots.full) this.run(delivery, entry, undefined)
    else this.waitForSlot(delivery, entry, this.claim(entry, delivery))
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
    if (entry.concurrency === 0) return delivery.corr < 0 ? this.lines.begin(delivery.from, 1) : undefined
    const line = this.lines.begin(ownLine(entry, delivery), entry.concurrency)
    line.changedAt = this.parts.timers.monotonic()
    return line
  }

  private wait(delivery: Delivery, line: Line): void {
    if ((delivery.corr >= 0 && line.waiting.size >= maxCallsInLine) || !this.hasRoom(delivery)) {
      this.refuse(delivery, 'BUSY', `${line.waiting.size} messages of ${delivery.from} wait for their turn`)
      return
    }
    const stalledMs = delivery.deadline === undefined ? 0 : this.parts.timers.monotonic() - line.changedAt
    if (isHopeless(delivery, stalledMs)) return this.refuse(delivery, 'BUSY', stalled(delivery, stalledMs))
    line.waiting.push(delivery)
    this.beginWait(delivery)
  }

  /** @param line where it has a place already */
  private waitForSlot(delivery: Delivery, entry: Entry, line: Line | undefined): void {
    const why = this.noPlaceFor(delivery, entry)
    if (why === undefined) {
      this.queue({ delivery, line }, entry)
      this.beginWait(delivery)
      return
    }
    this.refuse(delivery, 'BUSY', why)
    if (line) this.leave(line)
  }

  private noPlaceFor(delivery: Delivery, { slots }: Entry): string | undefined {
    const full = this.slots.full ? this.slots : slots
    const { limit, waiting, waitingBytes } = full
    if (
      full === slots &&
      (waiting.size >= maxWaiting / 2 || waitingBytes + delivery.queuedBytes > maxWaitingBytes / 2)
    ) {
      return `${limit} handlers of ${quote(delivery.action)} are running, and ${waiting.size} messages wait for one`
    }
    if (!this.hasRoom(delivery)) return `${limit} handlers are running, and ${this.waitingCount} messages wait for one`
    const { stalledMs } = full
    return isHopeless(delivery, stalledMs) ? stalled(delivery, stalledMs) : undefined
  }

  private queue(turn: Turn, { slots }: Entry): void {
    // In one queue as long as the node's own limit is what is in the way: that keeps the order over all actions.
    if (this.slots.full) return this.slots.push(turn)
    slots.push(turn)
    this.waitingActions.add(slots)
  }

  private hasRoom({ corr, from, queuedBytes }: Delivery): boolean {
    if (this.waitingCount >= maxWaiting || this.waitingBytes + queuedBytes > maxWaitingBytes) return false
    if (corr >= 0) return true
    const { messages, bytes } = this.parts.grants.queuedOf(from)
    return messages === 0 || (messages < maxQueuedMessages && bytes + queuedBytes <= maxQueuedBytes)
  }

  private beginWait(delivery: Delivery): void {
    this.waitingCount++
    this.waitingBytes += delivery.queuedBytes
    if (delivery.corr < 0) this.parts.grants.began(delivery.from, delivery.queuedBytes)
    this.parts.running(delivery, true)
  }

  private endWait(delivery: Delivery): void {
    this.waitingCount--
    this.waitingBytes -= delivery.queuedBytes
    if (delivery.corr < 0) this.parts.grants.ended(delivery.from, delivery.queuedBytes)
    this.parts.running(delivery, false)
  }

  private refuse(delivery: Delivery, code: 'NO_HANDLER' | 'BUSY' | 'DRAINING', message: string): void {
    this.refused(delivery, new SealwayError(code, { message, outcome: 'not-delivered', hop: 'receiver' }))
  }

  private tellReceived(delivery: Delivery): void {
    if (isUsers(delivery.action)) diagnostics.received.publish(shown(this.parts.name, delivery))
  }

  private tellHandled(delivery: Delivery, type: HandledMessage['type'], began?: number): void {
    if (!isUsers(delivery.action)) return
    const durationMs = began === undefined ? 0 : this.parts.timers.monotonic() - began
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
    const began = diagnostics.handled.hasSubscribers ? this.parts.timers.monotonic() : undefined
    try {
      if (entry.once) this.table.delete(entry.name)
      // Only where there is something to inherit: entering a context costs more than the whole rest of a fire.
      const inherits = delivery.deadline !== undefined || delivery.stream !== undefined || delivery.hasMeta
      result = inherits ? runFor(delivery, entry.run, delivery, delivery) : entry.run(delivery, delivery)
      // Not its own `then`: a strange one could throw, or call back twice.
      if (isThenable(result)) pending = Promise.resolve(result)
      else if (isReturned(result)) throw result
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
    this.begin(delivery, entry, claimed ?? this.claim(entry, delivery), pending, began)
  }

  private begin(
    delivery: Delivery,
    entry: Entry,
    line: Line | undefined,
    pending: Promise<unknown>,
    began: number | undefined,
  ): void {
    const run = new Run(delivery, entry, line, this.overdue, this.parts.timers.monotonic())
    delivery.run = run
    this.slots.take()
    entry.slots.take()
    this.parts.running(delivery, true)
    this.overdue.watch(run)
    const failed = (error: unknown): void => {
      if (began !== undefined) this.tellHandled(delivery, endOf(error), began)
      this.done(run, () => this.parts.failed(delivery, error))
    }
    pending.then((value) => {
      if (isReturned(value)) return failed(value)
      if (began !== undefined) this.tellHandled(delivery, 'answered', began)
      this.done(run, () => this.parts.answer(delivery, value))
    }, failed)
  }

  private done(run: Run, report: () => void): void {
    const { delivery } = run
    this.overdue.ended(run)
    delivery.run = undefined
    if (run.hasSlot) this.giveBackSlot(run)
    delivery.answered = !delivery.stream
    report()
    this.fill()
    this.leaveLine(run)
  }

  private giveBackSlot(run: Run): void {
    run.hasSlot = false
    this.slots.giveBack()
    run.entry.slots.giveBack()
    this.parts.running(run.delivery, false)
  }

  private leaveLine(run: Run): void {
    if (!run.inLine) return
    run.inLine = false
    this.leave(run.line!)
  }

  /** Places may be free: what waits for one gets it. */
  private fill(): void {
    while (!this.slots.full && this.slots.waiting.size > 0) this.give(this.slots.shift()!)
    for (const slots of this.waitingActions) {
      while (!slots.full && !this.slots.full && slots.waiting.size > 0) this.give(slots.shift()!)
      if (slots.waiting.size === 0) this.waitingActions.delete(slots)
    }
  }

  private give(turn: Turn): void {
    const entry = this.table.find(turn.delivery.entry)
    if (entry?.slots.full) {
      this.queue(turn, entry)
      return
    }
    this.runWaited(turn.delivery, turn.line)
    if (turn.line) this.drain(turn.line)
  }

  private leave(line: Line): void {
    line.running--
    if (line.key.includes(' ')) line.changedAt = this.parts.timers.monotonic()
    this.drain(line)
  }

  /** Starts what may start, in order. A loop, not a recursion: synchronous handlers can drain a long line at once. */
  private drain(line: Line): void {
    while (line.running < line.limit && line.waiting.size > 0) {
      const delivery = line.waiting.shift()!
      line.running++
      const entry = this.table.find(delivery.entry)
      if (entry && (this.slots.full || entry.slots.full)) this.queue({ delivery, line }, entry)
      else this.runWaited(delivery, line)
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

/** `return ctx.fail(...)` in place of `throw`: it means the same. */
const isReturned = (result: unknown): result is ExpectedError =>
  typeof result === 'object' && result !== null && isExpectedError(result)

const endOf = (error: unknown): 'failed' | 'crashed' => (isExpectedError(error) ? 'failed' : 'crashed')

const shown = (node: string, { from, to, action, key, bodyBytes }: Delivery): ReceivedMessage => ({
  ...{ node, from, to, action, key },
  bytes: bodyBytes,
})

/** No place has become free for longer than its caller would wait for one. */
const isHopeless = ({ remaining }: Delivery, stalledMs: number): boolean =>
  stalledMs > 0 && remaining !== undefined && stalledMs >= remaining

const stalled = ({ action, remaining }: Delivery, stalledMs: number): string =>
  `no handler of ${quote(action)} has ended for ${Math.round(stalledMs)} ms, and the caller waits ${remaining} ms more`

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
