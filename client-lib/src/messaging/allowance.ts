import type { CreditReceipt } from '../crypto/receipt.js'

/*
 * Messages that nobody waits for (fires, and broadcasts for a report alone) need credit of their receiver: see SPEC.md,
 * "Back-pressure", and docs/decisions/0021.
 */

/** What a flow to a node begins with; and what passes a held flow to a group in each period. */
export const firstMessages = 1_024
export const firstBytes = 1024 * 1024
/** How long a sender waits for the first word of a node about credit, ms. */
const firstWordMs = 1_000
/** How long a member of a group that holds its flow keeps its sender waiting, ms. */
const heldMs = 250
/** How often a sender asks for credit while it waits, ms. */
const askEveryMs = 1_000
/** A hold that its member does not repeat ends after this, ms. */
const holdMs = 2_000
/** Frames whose messages are still counted. */
const maxFrames = 4_096

interface SentFrame {
  readonly counter: number
  readonly messages: number
  readonly bytes: number
}

/** How many messages that nobody waits for one outlet may still take: what its receivers can queue. */
export class Allowance {
  private queuedMessages = 0
  private queuedBytes = 0
  private sentMessages = 0
  private sentBytes = 0
  private limitMessages = firstMessages
  private limitBytes = firstBytes
  /** Of the present flow, oldest first. */
  private frames: SentFrame[] = []
  /** The receiver has granted something: it knows of credit. */
  private heard = false
  /** It seems not to. */
  private unlimited = false
  /** The receiver is not connected: what is sent there is refused by the mediator, which says so. */
  private away = false
  /** Members of the group that hold the flow, and when they last said so. */
  private readonly holds = new Map<string, number>()
  private since = 0
  private askedAt = Number.NEGATIVE_INFINITY

  /** @param direct to a node, and not to a group */
  constructor(private readonly direct: boolean) {}

  /** One more message may be queued. */
  get room(): boolean {
    return this.left > 0
  }

  /** How many more messages may be queued, if bytes allow; 0 where these are used up. */
  get left(): number {
    if (this.unlimited || this.away || (!this.direct && this.holds.size === 0)) return Number.POSITIVE_INFINITY
    if (!this.direct) return this.limitBytes > 0 ? this.limitMessages : 0
    if (this.queuedBytes + this.sentBytes >= this.limitBytes) return 0
    return this.limitMessages - this.queuedMessages - this.sentMessages
  }

  queued(bytes: number): void {
    this.queuedMessages++
    this.queuedBytes += bytes
    if (this.direct) return
    this.limitMessages--
    this.limitBytes -= bytes
  }

  /** A message was taken out before it left. */
  withdrawn(bytes: number): void {
    this.queuedMessages--
    this.queuedBytes -= bytes
  }

  /** So many of those that were queued left in one frame. */
  sealed(counter: number, messages: number, bytes: number): void {
    this.queuedMessages -= messages
    this.queuedBytes -= bytes
    this.sentMessages += messages
    this.sentBytes += bytes
    this.frames.push({ counter, messages, bytes })
    if (this.frames.length > maxFrames) this.forget(maxFrames / 2)
  }

  /** The mediator refused a frame. @returns how many messages that nobody waits for were in it */
  rejected(counter: number): number {
    const at = this.frames.findIndex((frame) => frame.counter === counter)
    if (at < 0) return 0
    const [{ messages, bytes }] = this.frames.splice(at, 1) as [SentFrame]
    this.sentMessages -= messages
    this.sentBytes -= bytes
    return messages
  }

  /** Another flow begins; what was sent in the one before counts no more. */
  restart(): void {
    this.forget(this.frames.length)
    this.limitMessages = firstMessages
    this.limitBytes = firstBytes
    this.since = 0
  }

  /** The receiver is another process now. */
  anotherProcess(): void {
    this.restart()
    this.heard = false
    this.unlimited = false
  }

  reached(online: boolean): void {
    this.away = !online
  }

  /** A receiver says what it can queue. @param from the node that says so */
  granted(from: string, { ackUpTo, messages, bytes }: CreditReceipt, now: number): void {
    if (this.direct) {
      const open = this.frames.findIndex(({ counter }) => counter >= ackUpTo)
      this.forget(open < 0 ? this.frames.length : open)
      this.limitMessages = messages
      this.limitBytes = bytes
      this.heard = true
      this.unlimited = false
      this.since = 0
      return
    }
    if (messages > 0) {
      this.holds.delete(from)
      return
    }
    if (this.holds.size === 0) {
      this.since = now
      this.limitMessages = 0
    }
    this.holds.set(from, now)
  }

  /** Something waits here. @returns whether there may be room now, or credit is to be asked for */
  waited(now: number): 'room' | 'ask' | 'wait' {
    if (this.since === 0) this.since = now
    const waitedMs = now - this.since
    if (!this.direct) {
      for (const [member, at] of this.holds) if (now - at >= holdMs) this.holds.delete(member)
      if (waitedMs < heldMs && this.holds.size > 0) return 'wait'
      this.since = now
      this.limitMessages = firstMessages
      this.limitBytes = firstBytes
      return 'room'
    }
    if (!this.heard) {
      if (waitedMs < firstWordMs) return 'wait'
      this.unlimited = true
      return 'room'
    }
    if (now - this.askedAt < askEveryMs) return 'wait'
    this.askedAt = now
    return 'ask'
  }

  private forget(count: number): void {
    for (const { messages, bytes } of this.frames.splice(0, count)) {
      this.sentMessages -= messages
      this.sentBytes -= bytes
    }
  }
}
