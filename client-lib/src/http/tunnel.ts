import {
  type Code,
  codeNumber,
  decodeRequest,
  ExchangeFlag,
  encodeReset,
  FrameType,
  type Limits,
  Numbered,
  type RequestHead,
  SealwayError,
} from '@sealway/protocol'
import type { Exchange, Serve } from './exchange.js'
import { TunnelExchange } from './tunnel-exchange.js'

export interface TunnelParts {
  /** Undefined while this node serves no HTTP. */
  readonly serve: () => Serve | undefined
  readonly limits: Pick<Limits, 'exchangeWindowBytes' | 'maxExchangesPerLink'>
  /** Writes whole frames; their bytes are not changed afterwards. */
  readonly write: (frames: readonly Uint8Array[]) => void
  /** False while what was written waits; then `writable` is called. */
  readonly roomy: () => boolean
  /** Runs work when what is going on now is done: what was written until then leaves together. */
  readonly afterBurst: (work: () => void) => void
  /** A listener of the app threw. */
  readonly onError: (error: unknown, exchange: Exchange) => void
}

/** What is gathered before it is written at once, bytes: beyond it the link shall say whether there is room. */
const gatheredBytes = 256 * 1024

/** The exchanges of one link: requests that the mediator hands to this node, in clear. */
export class Tunnel {
  readonly parts: TunnelParts
  private readonly exchanges = new Numbered<TunnelExchange>()
  /** Those that wait for the link, in the order in which they began to wait. */
  private readonly blocked = new Set<TunnelExchange>()
  private gathered: Uint8Array[] = []
  private bytes = 0
  private scheduled = false
  /** Highest number seen: what is above it was never begun. */
  private highest = 0
  private draining = false
  private ended = false

  constructor(parts: TunnelParts) {
    this.parts = parts
  }

  /** Whether an answer is under way. Connections that were upgraded do not count: nobody knows when they end. */
  get busy(): boolean {
    for (const exchange of this.exchanges.values()) if (!exchange.upgraded) return true
    return false
  }

  /** @throws SealwayError `MALFORMED`: what breaks the rules of the link, and not of one exchange */
  receive(type: number, flags: number, number: number, body: Uint8Array): void {
    if (this.ended) return
    if (type === FrameType.request) {
      this.begin(flags, number, body)
      return
    }
    const exchange = this.exchanges.get(number)
    if (exchange) exchange.receive(type, flags, body)
    else if (number === 0 || number > this.highest) throw malformed(`exchange ${number} was never begun`)
  }

  /** What is under way is finished, what comes new is refused. */
  drain(): void {
    this.draining = true
  }

  /** The link has room again: each that waits gets a frame, in turn. */
  writable(): void {
    for (const exchange of this.blocked) {
      if (!this.parts.roomy()) return
      this.blocked.delete(exchange)
      // Where it has more, it puts itself at the end, and is met again.
      exchange.pump(1)
      if (this.bytes >= gatheredBytes) this.flush()
    }
  }

  /** The link is gone, and everything with it. */
  lost(error: SealwayError): void {
    this.ended = true
    this.gathered = []
    const open = this.exchanges.values()
    this.exchanges.clear()
    this.blocked.clear()
    for (const exchange of open) exchange.abort(error)
  }

  /** @internal of an exchange */
  push(frame: Uint8Array): void {
    if (this.ended) return
    this.gathered.push(frame)
    this.bytes += frame.length
    if (this.bytes >= gatheredBytes) {
      this.flush()
    } else if (!this.scheduled) {
      this.scheduled = true
      this.parts.afterBurst(this.flush)
    }
  }

  /** @internal of an exchange: it goes on when the link has room */
  block(exchange: TunnelExchange): void {
    this.blocked.add(exchange)
  }

  /** @internal of an exchange */
  forget(exchange: TunnelExchange): void {
    this.exchanges.delete(exchange.number)
    this.blocked.delete(exchange)
  }

  private readonly flush = (): void => {
    this.scheduled = false
    const { gathered } = this
    if (gathered.length === 0) return
    this.gathered = []
    this.bytes = 0
    this.parts.write(gathered)
  }

  private begin(flags: number, number: number, frameBody: Uint8Array): void {
    if (number === 0 || this.exchanges.has(number)) throw malformed(`exchange ${number} is open already`)
    if (number > this.highest) this.highest = number
    const { limits, serve: app } = this.parts
    const serve = app()
    if (this.draining) return this.refuse(number, 'DRAINING')
    if (!serve) return this.refuse(number, 'NO_HTTP')
    if (this.exchanges.size >= limits.maxExchangesPerLink) return this.refuse(number, 'BUSY')
    let request: { head: RequestHead; body: Uint8Array }
    try {
      request = decodeRequest(frameBody)
      if ((flags & ~ExchangeFlag.end) !== 0) throw malformed('a request has unknown flags')
      if (request.body.length > limits.exchangeWindowBytes) throw malformed('a body is beyond its window')
    } catch (error) {
      return this.refuse(number, error instanceof SealwayError ? error.code : 'MALFORMED')
    }
    const exchange = new TunnelExchange(this, number, request.head)
    this.exchanges.set(number, exchange)
    exchange.arrived(request.body, (flags & ExchangeFlag.end) !== 0)
    serve(exchange)
  }

  private refuse(number: number, code: Code): void {
    this.push(encodeReset(number, codeNumber(code)))
  }
}

const malformed = (message: string) => new SealwayError('MALFORMED', { message })
