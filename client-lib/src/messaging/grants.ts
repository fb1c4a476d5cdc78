import type { OpeningFlow } from '../crypto/flow-table.js'
import { type Receipt, ReceiptStatus } from '../crypto/receipt.js'
import type { Timers } from '../session/timers.js'
import { firstBytes, firstMessages } from './allowance.js'

/** The most that one grant allows. It suffices to keep a fast link full, and a receiver has room for twice as much. */
const maxWindowMessages = 32 * 1_024
const maxWindowBytes = 8 * 1024 * 1024
/**
 * A window grows while half of it is used up within this, and shrinks where that takes ten times as long: what a sender
 * can have waiting here is handled within a few seconds, as far as the past tells, ms.
 */
const growWithinMs = 1_000
/** While messages of a sender wait, it is granted what was handled in steps of so many, or after so long, ms. */
const stepMessages = 64
const stepMs = 500
/** A held flow to a group goes on when no more than this wait. */
const releaseBelowMessages = firstMessages / 2
/** How often a held flow to a group is told so again while messages of it arrive, ms. */
const repeatHoldMs = 1_000

/** What one sender may have waiting here: twice what a flow of it is granted. */
export const maxQueuedMessages = 2 * maxWindowMessages
export const maxQueuedBytes = 2 * maxWindowBytes

/** What one flow was granted. */
export class Grant {
  /** How many messages may be on their way and wait here. */
  window = firstMessages
  /** Of the last grant. */
  granted = firstMessages
  grantedBytes = firstBytes
  /** What is left of it, as far as messages have arrived. */
  messages = firstMessages
  bytes = firstBytes
  /** One more than the newest counter. */
  next = 0
  /** Nothing was granted when it was due; or, of a flow to a group, its sender was told to wait. */
  owing = false
  /** When its sender last heard of credit, ms of the monotonic clock. */
  toldAt = Number.NEGATIVE_INFINITY

  constructor(
    readonly from: string,
    readonly to: string,
    readonly scope: string,
    readonly flow: Uint8Array,
  ) {}

  get isDirect(): boolean {
    return !this.to.includes(':')
  }

  get isDue(): boolean {
    return this.messages * 2 <= this.granted || this.bytes * 2 <= this.grantedBytes
  }
}

/** Messages of one sender that nobody waits for and that wait here for their handlers. */
class Queued {
  messages = 0
  bytes = 0
  /** Flows to be told when there is room again. */
  readonly owing = new Set<Grant>()
}

const nothing = new Queued()

export interface GrantsParts {
  readonly timers: Timers
  readonly nextTurn: (work: () => void) => void
  /** Too much waits in this node, over all senders. */
  readonly crowded: () => boolean
  /** Seals a receipt for a sender. */
  readonly tell: (to: string, scope: string, receipt: Receipt) => void
}

/** Tells senders how many messages that nobody waits for they may still send here (SPEC.md, "Back-pressure"). */
export class Grants {
  private readonly parts: GrantsParts
  private closed = false
  /** Called whenever a message has waited for long enough. */
  onHandled: (() => void) | undefined
  private readonly bySender = new Map<string, Queued>()
  /** Flows of senders with nothing waiting, which get credit when this node has room again. */
  private readonly crowdedOut = new Set<Grant>()
  /** Flows that are looked at in the next turn, when handlers that only waited for promises have gone on. */
  private readonly due = new Set<Grant>()

  constructor(parts: GrantsParts) {
    this.parts = parts
  }

  /** So much of one sender waits here. */
  queuedOf(from: string): { readonly messages: number; readonly bytes: number } {
    return this.bySender.get(from) ?? nothing
  }

  /** Whether so many bytes more of one sender may wait here: any number where nothing does. */
  canQueue(from: string, bytes: number): boolean {
    const { messages, bytes: waiting } = this.queuedOf(from)
    if (messages === 0 && bytes === 0) return true
    return messages < maxQueuedMessages && waiting + bytes <= maxQueuedBytes && !this.parts.crowded()
  }

  /** A frame with such messages has arrived and was dispatched. @param gap frames before it did not arrive */
  arrived(grant: Grant, counter: number, messages: number, bytes: number, gap: boolean): void {
    if (counter >= grant.next) grant.next = counter + 1
    grant.messages -= messages
    grant.bytes -= bytes
    if (!this.bySender.has(grant.from) && !this.parts.crowded()) {
      if (grant.isDirect && (gap || grant.isDue)) this.grant(grant)
    } else if (!grant.isDirect || gap || grant.isDue) this.later(grant)
  }

  /** Its sender waits, and may have missed what it was told. */
  asked(grant: Grant, counter: number): void {
    if (counter >= grant.next) grant.next = counter + 1
    if (grant.isDirect) this.consider(grant, true)
  }

  /** A message has begun to wait for its handler. */
  began(from: string, bytes: number): void {
    let queued = this.bySender.get(from)
    if (!queued) {
      queued = new Queued()
      this.bySender.set(from, queued)
    }
    queued.messages++
    queued.bytes += bytes
  }

  /** It waits no longer. */
  ended(from: string, bytes: number): void {
    const queued = this.bySender.get(from)!
    queued.messages--
    queued.bytes -= bytes
    if (this.crowdedOut.size > 0) this.recover()
    if (queued.owing.size > 0 && !this.parts.crowded()) this.pay(queued)
    if (queued.messages === 0) {
      for (const grant of queued.owing) this.crowdedOut.add(grant)
      this.bySender.delete(from)
    }
    this.onHandled?.()
  }

  /** Some was handled of what waited: those flows that are owed credit for it get some. */
  private pay(queued: Queued): void {
    const free = firstMessages - queued.messages
    if (free <= 0 || queued.bytes >= firstBytes) return
    for (const grant of queued.owing) {
      if (!grant.isDirect) {
        if (queued.messages > releaseBelowMessages) continue
      } else if (free < stepMessages && this.parts.timers.monotonic() - grant.toldAt < stepMs) continue
      queued.owing.delete(grant)
      this.grant(grant)
    }
  }

  /** This node leaves: nothing more is granted. */
  close(): void {
    this.closed = true
  }

  private recover(): void {
    if (this.parts.crowded()) return
    const grants = [...this.crowdedOut]
    this.crowdedOut.clear()
    for (const grant of grants) this.consider(grant, false)
  }

  private later(grant: Grant): void {
    if (this.due.size === 0) {
      this.parts.nextTurn(() => {
        const grants = [...this.due]
        this.due.clear()
        for (const one of grants) this.consider(one, false)
      })
    }
    this.due.add(grant)
  }

  /** @param answer its sender asked: it is told also where nothing can be granted */
  private consider(grant: Grant, answer: boolean): void {
    const queued = this.bySender.get(grant.from) ?? nothing
    const crowded = this.parts.crowded()
    if (!crowded && queued.messages + stepMessages <= firstMessages && queued.bytes < firstBytes) {
      if (grant.isDirect) this.grant(grant)
      return
    }
    const silentMs = this.parts.timers.monotonic() - grant.toldAt
    // A sender that has heard nothing yet must learn that this node knows of credit.
    const repeat = grant.isDirect ? silentMs === Number.POSITIVE_INFINITY : !grant.owing || silentMs >= repeatHoldMs
    grant.owing = true
    if (queued === nothing) this.crowdedOut.add(grant)
    else queued.owing.add(grant)
    if (answer || repeat) this.tell(grant, 0, 0)
  }

  private grant(grant: Grant): void {
    const { messages, bytes } = this.bySender.get(grant.from) ?? nothing
    grant.owing = false
    const sinceMs = this.parts.timers.monotonic() - grant.toldAt
    if (messages > 0) grant.window = firstMessages
    else if (sinceMs < growWithinMs || sinceMs === Number.POSITIVE_INFINITY) grant.window *= 2
    else if (sinceMs > 10 * growWithinMs) grant.window /= 2
    grant.window = Math.min(maxWindowMessages, Math.max(firstMessages, grant.window))
    const windowBytes = Math.min(maxWindowBytes, grant.window * 1024)
    this.tell(grant, Math.max(1, grant.window - messages), Math.max(1, windowBytes - bytes))
  }

  private tell(grant: Grant, messages: number, bytes: number): void {
    if (this.closed) return
    const { from, scope, flow, next: ackUpTo } = grant
    grant.messages = grant.granted = messages
    grant.bytes = grant.grantedBytes = bytes
    grant.toldAt = this.parts.timers.monotonic()
    const status = ReceiptStatus.credit
    this.parts.tell(from, scope, { status, flow, ackUpTo, bitmapLow: 0, bitmapHigh: 0, messages, bytes })
  }
}

/** The grant of a flow that this node receives. */
export const grantOf = ({ from, to, scope, id }: OpeningFlow): Grant => new Grant(from, to, scope, id)
