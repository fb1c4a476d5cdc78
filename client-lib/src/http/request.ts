import { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { RawHeaders } from '@sealway/protocol'
import type { Asker, Exchange } from './exchange.js'

/** What a request that came by name knows of who sent it: `req.sealway`. */
export interface SealwayAsker extends Asker {
  /** Fires when nobody waits for the answer any more. */
  readonly signal: AbortSignal
}

/** Its private field tells those made here from all else: a set of them would cost more than the rest of a request. */
class OwnAsker implements SealwayAsker {
  readonly sealed: boolean
  readonly from: string | undefined
  readonly group: string | undefined
  readonly key: string | undefined
  readonly #exchange: Exchange

  constructor(exchange: Exchange) {
    const { sealed, from, group, key } = exchange.asker
    this.sealed = sealed
    this.from = from
    this.group = group
    this.key = key
    this.#exchange = exchange
  }

  /** Not made before somebody looks. */
  get signal(): AbortSignal {
    return this.#exchange.signal
  }

  static is(value: object): boolean {
    return #exchange in value
  }
}

/** Who sent a request, if it came by name through Sealway, and not over a port of the app's own. */
export function askerOf({ sealway }: IncomingMessage): SealwayAsker | undefined {
  return sealway && OwnAsker.is(sealway) ? sealway : undefined
}

declare module 'node:http' {
  interface IncomingMessage {
    /** Present on requests that came by name through Sealway. */
    sealway?: SealwayAsker
  }
}

/** What Node's parser and streams use of a message, besides what is documented. */
interface Internals {
  _consuming: boolean
  _readableState: { readingMore: boolean }
  _addHeaderLines(headers: RawHeaders, count: number): void
  _dump(): void
}

/**
 * Node's own request, whose body comes out of an exchange. What differs is set on the object itself: Express puts
 * another prototype under every request (decisions/0013).
 */
export class ServedRequest {
  readonly message: IncomingMessage & Internals
  private readonly exchange: Exchange
  /** Bytes that were pushed and not yet reported as taken. */
  private untaken = 0

  constructor(exchange: Exchange, socket: object) {
    const message = new IncomingMessage(socket as unknown as Socket) as IncomingMessage & Internals
    const { head } = exchange
    this.exchange = exchange
    this.message = message
    message.httpVersionMajor = 1
    message.httpVersionMinor = 1
    message.httpVersion = '1.1'
    message.method = head.method
    message.url = head.target
    message._read = () => this.read()
    message._destroy = (error, callback) => this.destroyed(error, callback)
    message.sealway = new OwnAsker(exchange)
  }

  /** Before {@link complete}: after it they would be trailers. */
  setHeaders(headers: RawHeaders): void {
    this.message._addHeaderLines(headers, headers.length)
  }

  /** More of the body. */
  push(chunk: Uint8Array): void {
    if (this.message.destroyed) return
    if (this.message.push(chunk)) this.exchange.consumed(chunk.length)
    else this.untaken += chunk.length
  }

  /** All of the body was pushed. */
  complete(trailers: RawHeaders): void {
    this.message.complete = true
    if (this.message.destroyed) return
    this.message._addHeaderLines(trailers, trailers.length)
    this.message.push(null)
  }

  /** The answer is complete: as Node does, what nobody has read is dropped, so that the request ends, too. */
  answered(): void {
    const { message } = this
    if (!message.complete) message.destroy(connectionReset())
    else if (!message._consuming) message._dump()
  }

  private read(): void {
    const { message } = this
    if (!message._consuming) {
      // Node reads nothing ahead until somebody reads; its own `_read` ends that in the same way.
      message._readableState.readingMore = false
      message._consuming = true
    }
    const taken = this.untaken
    if (taken === 0) return
    this.untaken = 0
    this.exchange.consumed(taken)
  }

  private destroyed(error: Error | null, callback: (error?: Error | null) => void): void {
    const { message } = this
    if (!message.readableEnded || !message.complete) {
      message.aborted = true
      message.emit('aborted')
      message.socket.destroy(error ?? undefined)
    }
    queueMicrotask(() => callback(message.listenerCount('error') > 0 ? error : null))
  }
}

/** What Node says when a client has gone. */
export function connectionReset(cause?: unknown): Error {
  return Object.assign(new Error('aborted', { cause }), { code: 'ECONNRESET' })
}
