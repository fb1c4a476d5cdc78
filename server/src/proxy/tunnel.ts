import { encodeReadRequest, type Limits, Numbered, type RequestHead, SealwayError } from '@sealway/protocol'
import type { ExchangeEvents } from '../routing/relay.js'
import type { BlockPool } from '../session/block.js'
import type { Budget, Releasable } from '../session/outbox.js'
import type { Session } from '../session/session.js'
import { type AnswerReader, Exchange } from './exchange.js'

/** Highest number of an exchange: it is a u32 on the wire. */
const highestNumber = 0xffff_ffff
/** Queued for a node within one turn, bytes: more is not kept until its end. 7 % more requests at 64 connections. */
const burstBytes = 16 * 1024

/** The exchanges of one link. */
export class Tunnel implements Releasable {
  readonly windowBytes: number
  readonly budget: Budget
  readonly now: () => number
  private readonly exchanges = new Numbered<Exchange>()
  /** Those that wait for room in the link's queue, in the order in which they began to wait. */
  private readonly blocked = new Set<Exchange>()
  private readonly maxExchanges: number
  private readonly maxQueuedBytes: number
  private lastNumber = 0
  private numbersUsed = 0

  constructor(
    readonly session: Session,
    parts: TunnelParts,
  ) {
    this.windowBytes = parts.limits.exchangeWindowBytes
    this.maxExchanges = parts.limits.maxExchangesPerLink
    // A quarter: what is uploaded must not stand before the messages that share the link.
    this.maxQueuedBytes = parts.limits.outboxBytes / 4
    this.budget = parts.budget()
    this.now = parts.now
  }

  get blocks(): BlockPool {
    return this.session.outbox.blocks
  }

  get inFlight(): number {
    return this.exchanges.size
  }

  /** Whether one more may begin. */
  get free(): boolean {
    return this.exchanges.size < this.maxExchanges && this.hasRoom(0)
  }

  hasRoom(bytes: number): boolean {
    const { outbox } = this.session
    // HTTP yields: the last of the budget is for messages.
    return outbox.bytes + bytes <= this.maxQueuedBytes && outbox.hasRoom(bytes, 0, true)
  }

  push(part: Uint8Array): void {
    this.session.outbox.push(part, 0, this)
  }

  /**
   * Hands a request to the node.
   * @param body its beginning, at most a window of it; `end`: that is all
   * @returns why not: `BUSY`, or what is wrong with the head
   */
  begin(head: RequestHead, body: Uint8Array | undefined, end: boolean, reader: AnswerReader): Exchange | SealwayError {
    if (this.exchanges.size >= this.maxExchanges) return busy
    const number = this.nextNumber()
    let frame: Uint8Array
    try {
      frame = encodeReadRequest(number, head, body, end, Buffer.allocUnsafe)
    } catch (error) {
      if (error instanceof SealwayError) return error
      throw error
    }
    if (!this.hasRoom(frame.length)) return busy
    const exchange = new Exchange(this, number, reader, body?.length ?? 0, end)
    this.exchanges.set(number, exchange)
    this.push(frame)
    // The node begins with the first requests of a burst while the others are still being read.
    const { outbox } = this.session
    if (outbox.bytes >= burstBytes) outbox.flush()
    return exchange
  }

  private nextNumber(): number {
    do this.lastNumber = this.lastNumber === highestNumber ? 1 : this.lastNumber + 1
    while (this.exchanges.has(this.lastNumber))
    this.numbersUsed = Math.max(this.numbersUsed, this.lastNumber)
    return this.lastNumber
  }

  /** @throws SealwayError `MALFORMED` for an exchange that never was */
  receive(type: number, number: number, flags: number, body: Uint8Array): void {
    const exchange = this.exchanges.get(number)
    if (exchange) exchange.receive(type, flags, body)
    else if (number === 0 || number > this.numbersUsed) throw neverBegun(number)
  }

  forget(exchange: Exchange): void {
    this.exchanges.delete(exchange.number)
    this.blocked.delete(exchange)
  }

  block(exchange: Exchange): void {
    this.blocked.add(exchange)
  }

  /** Something of ours was written: whoever waits may go on. */
  release(): void {
    if (this.blocked.size > 0 && this.session.live) this.wake()
  }

  private wake(): void {
    for (const exchange of [...this.blocked]) {
      if (!this.hasRoom(1)) return
      this.blocked.delete(exchange)
      exchange.resume()
    }
  }

  tick(now: number, limits: ExchangeLimits): void {
    // Room that was taken by messages comes back without a word to us.
    this.release()
    for (const exchange of this.exchanges.values()) {
      const limitMs = exchange.answered ? limits.idleTimeoutMs : limits.answerTimeoutMs
      if (now - exchange.touchedAt < limitMs) continue
      const what = exchange.answered ? 'nothing went through' : 'the node did not answer'
      exchange.break('TIMEOUT', `${what} for ${limitMs} ms`)
    }
  }

  lose(): void {
    for (const exchange of this.exchanges.values()) exchange.lose()
  }
}

export interface ExchangeLimits {
  /** From the last byte of the request that went to the node until the head of its answer, ms. */
  readonly answerTimeoutMs: number
  /** Without a byte in either direction, after the head, ms. */
  readonly idleTimeoutMs: number
}

export interface TunnelParts {
  readonly limits: Pick<Limits, 'exchangeWindowBytes' | 'maxExchangesPerLink' | 'outboxBytes'>
  /** A function, because the relay that owns it is made after this. */
  readonly budget: () => Budget
  /** Coarse clock, ms. */
  readonly now: () => number
}

/** All links that carry exchanges. */
export class Tunnels implements ExchangeEvents {
  private readonly bySession = new Map<Session, Tunnel>()
  private readonly parts: TunnelParts

  constructor(parts: TunnelParts) {
    this.parts = parts
  }

  get budget(): Budget {
    return this.parts.budget()
  }

  of(session: Session): Tunnel {
    let tunnel = this.bySession.get(session)
    if (!tunnel) {
      tunnel = new Tunnel(session, this.parts)
      this.bySession.set(session, tunnel)
    }
    return tunnel
  }

  frame(session: Session, type: number, number: number, flags: number, body: Uint8Array): void {
    const tunnel = this.bySession.get(session)
    if (!tunnel) throw neverBegun(number)
    tunnel.receive(type, number, flags, body)
  }

  left(session: Session): void {
    const tunnel = this.bySession.get(session)
    if (!tunnel) return
    this.bySession.delete(session)
    tunnel.lose()
  }

  tick(now: number, limits: ExchangeLimits): void {
    for (const tunnel of this.bySession.values()) if (tunnel.inFlight > 0) tunnel.tick(now, limits)
  }

  /** Exchanges that are open on all links. */
  get inFlight(): number {
    let sum = 0
    for (const tunnel of this.bySession.values()) sum += tunnel.inFlight
    return sum
  }
}

/** One for all: it is a value, not a thing that happened somewhere. */
const busy = new SealwayError('BUSY', { message: 'this node has as much to do as it takes', outcome: 'not-delivered' })
const neverBegun = (number: number) => new SealwayError('MALFORMED', { message: `exchange ${number} was never begun` })
