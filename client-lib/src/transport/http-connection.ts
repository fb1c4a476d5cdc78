import type { ClientRequest, IncomingMessage } from 'node:http'
import {
  type Connection,
  type ConnectionEvents,
  HttpLinkHeader,
  httpPollMs,
  maxHttpPieceBytes,
  parseOffset,
} from '@sealway/protocol'

/**
 * Waits before the tries of a request that failed, ms. What is asked again is taken once, whatever came of the first. Not
 * longer: what is written until a mediator is known to be gone is lost with it.
 */
const retryWaitsMs = [0, 20, 80]
/** Silence in which the mediator should have answered, ms. */
const silenceMs = httpPollMs + 10_000

/** Makes one request of a link. The caller listens for `response` and `error`, and ends it. */
export type Ask = (method: string, headers: { readonly [name: string]: string }) => ClientRequest

export interface HttpConnectionParts {
  readonly remoteAddress: string
  readonly ask: Ask
  /** Absent: it was refused. */
  readonly link?: string
  /** What a mediator that refused the link has to say. */
  readonly farewell?: Buffer
  readonly release: () => void
}

/** One direction's requests, one after the other. */
interface Lane {
  request: ClientRequest | undefined
  failures: number
}

/** A node's link over plain requests: a poll that is always open, and POSTs one at a time. */
export class HttpConnection implements Connection {
  readonly transport = 'http'
  readonly remoteAddress: string
  private readonly parts: HttpConnectionParts
  private readonly headers: { readonly [name: string]: string }
  private events: ConnectionEvents | undefined
  private readonly down: Lane = { request: undefined, failures: 0 }
  private readonly up: Lane = { request: undefined, failures: 0 }
  private readonly timers = new Set<NodeJS.Timeout>()
  /** Bytes read. */
  private read = 0
  /** Bytes that the mediator has taken. */
  private sent = 0
  private queue: Uint8Array[] = []
  /** The body of the POST under way, the same in each of its tries. */
  private piece: Buffer | undefined
  private answer: IncomingMessage | undefined
  private paused = false
  private awaitsDrain = false
  private ended = false
  private closed = false
  private error: Error | undefined

  constructor(parts: HttpConnectionParts) {
    this.parts = parts
    this.remoteAddress = parts.remoteAddress
    this.headers = parts.link === undefined ? {} : { [HttpLinkHeader.link]: parts.link }
  }

  start(events: ConnectionEvents): void {
    this.events = events
    const { farewell } = this.parts
    if (this.closed) queueMicrotask(() => events.close(this.error))
    else if (farewell) {
      // As any bytes, they come after the start has returned.
      queueMicrotask(() => {
        if (this.closed) return
        events.data(farewell)
        this.finish()
      })
    } else this.poll()
  }

  private poll(): void {
    if (this.closed || this.paused || !this.events || this.down.request) return
    const headers = { ...this.headers, [HttpLinkHeader.read]: String(this.read) }
    this.ask(this.down, 'GET', headers, undefined, (response) => this.receive(response))
  }

  private receive(response: IncomingMessage): void {
    const { statusCode, headers } = response
    const last = headers[HttpLinkHeader.end] !== undefined
    if (statusCode === 204) {
      response.resume()
      this.down.request = undefined
      this.down.failures = 0
      if (last) this.finish()
      else this.poll()
      return
    }
    if (statusCode !== 200 || parseOffset(headers[HttpLinkHeader.offset] as string | undefined) !== this.read) {
      this.unexpected(this.down, response, () => this.poll())
      return
    }
    this.answer = response
    if (this.paused) response.pause()
    response.on('data', (chunk: Buffer) => {
      if (this.closed) return
      this.read += chunk.length
      this.events!.data(chunk)
    })
    response.on('end', () => {
      this.answer = undefined
      this.down.request = undefined
      this.down.failures = 0
      if (last && response.complete) this.finish()
      else this.poll()
    })
  }

  write(parts: readonly Uint8Array[]): boolean {
    if (this.closed || this.ended || this.parts.farewell) return true
    this.queue.push(...parts)
    this.post()
    if (this.queue.length === 0) return true
    this.awaitsDrain = true
    return false
  }

  private post(): void {
    if (this.closed || this.up.request || this.piece || this.queue.length === 0) return
    this.piece = this.takePiece()
    this.sendPiece()
    if (this.awaitsDrain && this.queue.length === 0) {
      this.awaitsDrain = false
      queueMicrotask(() => {
        if (!this.closed) this.events?.drain()
      })
    }
  }

  private takePiece(): Buffer {
    const parts: Uint8Array[] = []
    let room = maxHttpPieceBytes
    let taken = 0
    for (const part of this.queue) {
      if (part.length > room) {
        parts.push(part.subarray(0, room))
        this.queue[taken] = part.subarray(room)
        break
      }
      parts.push(part)
      room -= part.length
      taken++
    }
    this.queue.splice(0, taken)
    return Buffer.concat(parts)
  }

  private sendPiece(): void {
    const { piece } = this
    if (!piece || this.closed) return
    const headers = {
      ...this.headers,
      [HttpLinkHeader.offset]: String(this.sent),
      'content-type': 'application/octet-stream',
      'content-length': String(piece.length),
    }
    this.ask(this.up, 'POST', headers, piece, (response) => {
      if (response.statusCode !== 204) {
        this.unexpected(this.up, response, () => this.sendPiece())
        return
      }
      response.resume()
      this.up.request = undefined
      this.up.failures = 0
      this.sent += piece.length
      this.piece = undefined
      if (this.queue.length > 0) this.post()
      else if (this.ended) this.finish()
    })
  }

  /** Sends a request, and again where it broke off. */
  private ask(
    lane: Lane,
    method: string,
    headers: { readonly [name: string]: string },
    body: Buffer | undefined,
    onResponse: (response: IncomingMessage) => void,
  ): void {
    const request = this.parts.ask(method, headers)
    lane.request = request
    const again = (error: Error): void => {
      if (lane.request !== request || this.closed) return
      lane.request = undefined
      if (lane === this.down) this.answer = undefined
      this.tryLater(lane, error, () => (lane === this.down ? this.poll() : this.sendPiece()))
    }
    request.on('error', again)
    request.on('response', (response) => {
      response.on('error', again)
      response.on('close', () => again(new Error('the answer broke off')))
      if (this.closed || lane.request !== request) response.resume()
      else onResponse(response)
    })
    request.setTimeout(silenceMs, () => {
      if (!this.paused) request.destroy(new Error(`the mediator was silent for ${silenceMs} ms`))
    })
    request.end(body)
  }

  private tryLater(lane: Lane, error: Error, tryAgain: () => void): void {
    const waitMs = retryWaitsMs[lane.failures++]
    if (waitMs === undefined) {
      this.error = error
      this.finish()
      return
    }
    const timer = setTimeout(() => {
      this.timers.delete(timer)
      tryAgain()
    }, waitMs)
    this.timers.add(timer)
  }

  /** A proxy that is out of breath may be asked again; a mediator that does not know the link will not learn it. */
  private unexpected(lane: Lane, response: IncomingMessage, tryAgain: () => void): void {
    const { statusCode = 0 } = response
    response.resume()
    lane.request = undefined
    const error = new Error(`the mediator answered ${statusCode}`)
    if (statusCode === 408 || statusCode === 429 || statusCode >= 500) {
      this.tryLater(lane, error, tryAgain)
      return
    }
    if (statusCode !== 404) this.error = error
    this.finish()
  }

  pause(): void {
    this.paused = true
    this.answer?.pause()
  }

  resume(): void {
    this.paused = false
    if (this.answer) this.answer.resume()
    else this.poll()
  }

  end(): void {
    if (this.ended || this.closed) return
    this.ended = true
    if (!this.piece && this.queue.length === 0) this.finish()
  }

  destroy(): void {
    this.finish()
  }

  /** Tells the mediator, without waiting for what it says. */
  private finish(): void {
    if (this.closed) return
    this.closed = true
    this.queue = []
    this.piece = undefined
    for (const timer of this.timers) clearTimeout(timer)
    this.timers.clear()
    for (const { request } of [this.down, this.up]) request?.destroy()
    if (this.parts.link === undefined) this.parts.release()
    else this.leave()
    const { events } = this
    events?.close(this.error)
  }

  private leave(): void {
    const goodbye = this.parts.ask('DELETE', this.headers)
    const { release } = this.parts
    goodbye.setTimeout(2_000, () => goodbye.destroy())
    goodbye.on('error', release)
    goodbye.on('response', (response) => {
      response.resume()
      response.on('close', release)
    })
    goodbye.end()
  }
}
