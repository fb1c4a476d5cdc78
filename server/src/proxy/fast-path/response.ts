import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { WholeResponse } from '../client.js'
import { isBodiless } from '../response-headers.js'
import type { Scratch } from './scratch.js'

export interface ResponseParts {
  readonly socket: Socket
  /** Of the request. */
  readonly method: string
  readonly scratch: Scratch
  /** `Date`, as it is now. */
  readonly date: () => string
  /** The connection ends with this answer. */
  readonly last: () => boolean
  /** All of it was taken by the operating system. */
  readonly done: () => void
}

/** How long an idle connection is kept, as the client is told, s. */
export const keepAliveSeconds = 5

/** An answer of HTTP/1.1 (RFC 9112), written straight to its socket. What is written is valid: the protocol has seen to that. */
export class FastResponse implements WholeResponse {
  headersSent = false
  destroyed = false
  private ended = false
  /** The connection ends with it. */
  private isLast = false
  /** The head, until something goes with it. */
  private head = ''
  private chunked = false
  private bodiless = false
  private trailers = ''
  private readonly closeListeners: (() => void)[] = []
  private readonly parts: ResponseParts

  constructor(parts: ResponseParts) {
    this.parts = parts
  }

  /** Once it is through, what waits in the socket is of the answers behind it. */
  get writableLength(): number {
    return this.destroyed ? 0 : this.parts.socket.writableLength
  }

  on(_event: 'close', listener: () => void): void {
    this.closeListeners.push(listener)
  }

  writeHead(status: number, reasonOrHeaders: string | string[], given?: string[]): void {
    const reason = typeof reasonOrHeaders === 'string' ? reasonOrHeaders : (STATUS_CODES[status] ?? 'unknown')
    const headers = given ?? (reasonOrHeaders as string[])
    let text = `HTTP/1.1 ${status} ${reason}\r\n`
    let framed = false
    let dated = false
    for (let i = 0; i < headers.length; i += 2) {
      const name = headers[i]!
      if (name.length === 14 && name.toLowerCase() === 'content-length') framed = true
      else if (name.length === 4 && name.toLowerCase() === 'date') dated = true
      text += `${name}: ${headers[i + 1]!}\r\n`
    }
    if (!dated) text += `Date: ${this.parts.date()}\r\n`
    this.isLast = this.parts.last()
    text += this.isLast
      ? 'Connection: close\r\n'
      : `Connection: keep-alive\r\nKeep-Alive: timeout=${keepAliveSeconds}\r\n`
    this.bodiless = isBodiless(this.parts.method, status)
    this.chunked = !framed && !this.bodiless
    if (this.chunked) text += 'Transfer-Encoding: chunked\r\n'
    this.head = `${text}\r\n`
    this.headersSent = true
  }

  flushHeaders(): void {
    if (this.head === '' || this.destroyed) return
    this.parts.socket.write(this.takeHead(), 'latin1')
  }

  private takeHead(): string {
    const { head } = this
    this.head = ''
    return head
  }

  /** The chunk must not change until it is written. */
  write(chunk: Uint8Array, written: () => void): void {
    const { socket } = this.parts
    // An empty chunk would be the end of all of them (RFC 9112 s7.1).
    if (this.destroyed || this.ended || this.bodiless || chunk.length === 0) {
      written()
      return
    }
    const before = this.takeHead() + (this.chunked ? `${chunk.length.toString(16)}\r\n` : '')
    socket.cork()
    if (before !== '') socket.write(before, 'latin1')
    socket.write(chunk, written)
    if (this.chunked) socket.write('\r\n', 'latin1')
    socket.uncork()
  }

  inform(text: string): void {
    if (!this.headersSent && !this.destroyed) this.parts.socket.write(text, 'latin1')
  }

  addTrailers(pairs: [string, string][]): void {
    for (const [name, value] of pairs) this.trailers += `${name}: ${value}\r\n`
  }

  /** @param body copied */
  end(body?: Uint8Array): void {
    if (this.ended || this.destroyed) return
    this.ended = true
    const { socket, scratch } = this.parts
    const bytes = body === undefined || this.bodiless || body.length === 0 ? undefined : body
    let before = this.takeHead()
    let after = ''
    if (this.chunked) {
      if (bytes) before += `${bytes.length.toString(16)}\r\n`
      after = `${bytes ? '\r\n' : ''}0\r\n${this.trailers}\r\n`
    }
    scratch.write(socket, before, bytes, after)
    if (this.isLast) socket.destroySoon()
    else if (socket.writableLength === 0) this.flushed()
    else socket.write('', 'latin1', this.flushed)
  }

  private readonly flushed = (): void => {
    if (this.destroyed) return
    this.close()
    this.parts.done()
  }

  private close(): void {
    this.destroyed = true
    for (const listener of this.closeListeners) listener()
  }

  destroy(): void {
    this.parts.socket.destroy()
    this.gone()
  }

  /** The connection was closed. */
  gone(): void {
    if (!this.destroyed) this.close()
  }
}
