import type { RawHeaders, SealwayError } from '@sealway/protocol'
import type { Timers } from '../session/timers.js'
import type { Exchange, ExchangeReader } from './exchange.js'
import { headerOf, isUpgrade } from './hop-by-hop.js'
import { connectionReset, ServedRequest } from './request.js'
import { type ResponseEvents, ServedResponse } from './response.js'
import { ServedSocket } from './socket.js'

export interface AnswerParts {
  readonly timers: Timers
  /** A handler threw, rejected, or answered with what cannot be sent. */
  readonly onError: (error: unknown, exchange: Exchange) => void
}

/** One exchange while an app answers it: as Node's request, response and socket. */
export class Answer implements ExchangeReader, ResponseEvents {
  readonly request: ServedRequest
  readonly response: ServedResponse
  private readonly socket: ServedSocket
  private readonly exchange: Exchange
  private readonly parts: AnswerParts
  /** Nothing more can come of it. */
  over = false
  /** The whole body had arrived before the headers were set. */
  private early: { trailers: RawHeaders } | undefined
  private begun = false
  private some = false

  constructor(exchange: Exchange, parts: AnswerParts) {
    this.exchange = exchange
    this.parts = parts
    this.socket = new ServedSocket(exchange, parts.timers, (error) => this.givenUp(error))
    this.request = new ServedRequest(exchange, this.socket)
    this.response = new ServedResponse(this.request.message, exchange, this.socket, this)
    exchange.start(this)
    // Who asked for an upgrade that nobody here takes over keeps its direction open, and sends no body.
    if (isUpgrade(exchange.head)) this.early ??= { trailers: [] }
    this.begun = true
    this.request.setHeaders(this.headers())
    if (this.early) this.request.complete(this.early.trailers)
  }

  /** Parsers of bodies look for one of these two; the framing of the client's own connection is not handed on. */
  private headers(): RawHeaders {
    const { headers } = this.exchange.head
    const empty = this.early !== undefined && !this.some
    if (empty || headerOf(headers, 'content-length') !== undefined) return headers
    return [...headers, 'Transfer-Encoding', 'chunked']
  }

  // ---- what the exchange tells

  data(chunk: Uint8Array): void {
    this.some = true
    this.socket.touch()
    if (!this.early) this.guarded(() => this.request.push(chunk))
  }

  end(trailers: RawHeaders): void {
    if (!this.begun) this.early = { trailers }
    else if (!this.early) this.guarded(() => this.request.complete(trailers))
  }

  aborted(error: SealwayError): void {
    this.stop(connectionReset(error))
  }

  drain(): void {
    this.socket.touch()
    this.guarded(() => this.response.drained())
  }

  /** Listeners run in here. What they throw concerns this request, and not the carrier of all. */
  private guarded(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.failed(error)
    }
  }

  // ---- what the response tells

  finished(): void {
    if (this.over) return
    this.over = true
    this.request.answered()
    this.response.over()
    this.socket.closed()
  }

  refused(error: unknown): void {
    this.parts.onError(error, this.exchange)
    this.answerError()
  }

  active(): void {
    this.socket.touch()
  }

  // ---- what the handler does

  /** It threw, or its promise was rejected. */
  failed(error: unknown): void {
    this.parts.onError(error, this.exchange)
    if (this.over) return
    if (this.response.message.headersSent) this.socket.destroy()
    else this.answerError()
  }

  /** Its last resort: the socket was destroyed. */
  private givenUp(error: Error | undefined): void {
    if (this.over) return
    this.exchange.reset('BAD_ANSWER')
    this.stop(error ?? connectionReset())
  }

  private answerError(): void {
    if (this.over) return
    const headers = ['Content-Type', 'text/plain', 'Content-Length', String(failure.length)]
    this.exchange.respond({ status: 500, reason: 'Internal Server Error', headers }, failure, true)
    this.stop(connectionReset())
  }

  /** The request ends as one whose client has gone, in this turn. */
  private stop(error: Error): void {
    if (this.over) return
    this.over = true
    // First, so that the request finds it closed and does not break off what is over.
    this.guarded(() => this.socket.closed(error))
    this.guarded(() => this.request.message.destroy(error))
    this.guarded(() => this.response.over())
  }
}

const failure = Buffer.from('Internal Server Error')
