import { type IncomingMessage, ServerResponse, validateHeaderName, validateHeaderValue } from 'node:http'
import type { Socket } from 'node:net'
import { hopByHop, type ResponseHead } from '@sealway/protocol'
import type { Exchange } from './exchange.js'
import { endToEnd, headerOf } from './hop-by-hop.js'
import type { ServedSocket } from './socket.js'

/** What the one who made a response learns of it. */
export interface ResponseEvents {
  /** The last of it was handed over, and `finish` was emitted. */
  finished(): void
  /** Its head cannot be sent: it is too long, or not HTTP. Nothing was. */
  refused(error: unknown): void
  /** What came after its head cannot be sent. */
  failed(error: unknown): void
  /** Something was sent. */
  active(): void
}

type Callback = (error?: Error | null) => void

/** The undocumented part of Node's response on which this rests. */
interface Internals {
  _header: string | null
  _headerSent: boolean
  readonly _hasBody: boolean
  /** Lines of those that `addTrailers` was given, each with CR LF. */
  readonly _trailer: string
  _closed: boolean
  destroyed: boolean
  _storeHeader(firstLine: string, headers: unknown): void
  _send(data: string | Uint8Array, encoding?: unknown, callback?: unknown): boolean
  _writeRaw(data: string, encoding?: unknown, callback?: unknown): boolean
  _flush(): void
  _flushOutput(): boolean
}

/**
 * Node's own response, whose ways out lead into an exchange instead of a socket: `_storeHeader` (the head is final),
 * `_send` (bytes of the body), `_writeRaw` (1xx), `end`. All rules, events and errors stay Node's. They are set on the
 * object itself: Express puts another prototype under every response (decisions/0013).
 */
export class ServedResponse {
  readonly message: ServerResponse & Internals
  private readonly exchange: Exchange
  private readonly events: ResponseEvents
  private head: ResponseHead | undefined
  /** `end` is running: what it sends leaves in one piece. */
  private ending = false
  private last: Uint8Array | undefined
  private full = false
  /** Of writes that wait for room. */
  private callbacks: Callback[] = []

  constructor(request: IncomingMessage, exchange: Exchange, socket: ServedSocket, events: ResponseEvents) {
    const message = new ServerResponse(request) as ServerResponse & Internals
    this.exchange = exchange
    this.events = events
    this.message = message
    ;(message as { socket: Socket }).socket = socket as unknown as Socket
    socket._httpMessage = message
    message._storeHeader = (firstLine, headers) => this.storeHead(firstLine, headers)
    message._send = (data, encoding, callback) => this.send(data, encoding, callback)
    message._writeRaw = (data, _encoding, callback) => this.inform(data, callback)
    message._flushOutput = () => true
    message.end = ((...args: unknown[]) => this.end(args)) as typeof message.end
  }

  /** There is room again. */
  drained(): void {
    if (!this.full) return
    this.full = false
    this.callBack()
    if (!this.message.destroyed && !this.message.finished) this.message._flush()
  }

  /** Nothing more can be sent, or need be. */
  over(): void {
    const { message } = this
    if (message._closed) return
    message.destroyed = true
    message._closed = true
    this.callbacks = []
    message.emit('close')
  }

  /** @param headers as `writeHead` was given them, or Node's table of those that were set: by lower-case name, [name, value] */
  private storeHead(firstLine: string, headers: unknown): void {
    const { message } = this
    const raw: string[] = []
    if (message.getHeaderNames().length > 0) {
      const table = headers as { [name: string]: [string, unknown] }
      for (const key in table) add(raw, table[key]![0], table[key]![1])
    } else {
      for (const [name, value] of pairsOf(headers)) addChecked(raw, name, value)
    }
    this.head = { status: message.statusCode, reason: message.statusMessage, headers: withoutFraming(raw) }
    message._header = `${firstLine}\r\n`
    message._headerSent = false
  }

  private send(data: string | Uint8Array, encoding: unknown, callback: unknown): boolean {
    const { message } = this
    const done = (typeof encoding === 'function' ? encoding : callback) as Callback | null | undefined
    if (message.destroyed) return false
    const bytes = bytesOf(data, encoding)
    if (this.ending) {
      if (bytes) this.last = this.last ? Buffer.concat([this.last, bytes]) : bytes
      if (done) this.callbacks.push(done)
      return true
    }
    const roomy = message._headerSent ? !bytes || this.exchange.write(bytes) : this.respond(bytes, false)
    if (!roomy) this.full = true
    this.events.active()
    if (done) {
      if (this.full) this.callbacks.push(done)
      else queueMicrotask(done)
    }
    return !this.full
  }

  /** @param head a whole one: 100, 102, 103 */
  private inform(head: string, callback: unknown): boolean {
    if (this.message.destroyed) return false
    const [start, ...lines] = head.trimEnd().split('\r\n')
    try {
      this.exchange.inform({ status: Number(start!.slice(9, 12)), reason: start!.slice(13), headers: headersOf(lines) })
    } catch (error) {
      // Node does not look at most of what it is given here.
      this.events.failed(error)
      return false
    }
    if (typeof callback === 'function') queueMicrotask(callback as Callback)
    return true
  }

  private end(args: unknown[]): ServerResponse {
    const { message } = this
    const again = message.finished || this.ending
    this.ending = true
    try {
      ServerResponse.prototype.end.apply(message, args as unknown as [unknown, BufferEncoding])
    } finally {
      if (!again) this.ending = false
    }
    if (!again && message.finished) this.complete()
    return message
  }

  /** Node has said all that it had to say. */
  private complete(): void {
    const { message, last } = this
    if (message.destroyed) return
    this.last = undefined
    const trailers = message._trailer === '' ? [] : headersOf(message._trailer.trimEnd().split('\r\n'))
    if (message._headerSent) this.finish(last, trailers)
    else if (trailers.length === 0) this.respond(last, true)
    else {
      this.respond(last, false)
      if (message._headerSent) this.finish(undefined, trailers)
    }
    if (!message._headerSent || message.destroyed) return
    this.events.active()
    queueMicrotask(() => {
      if (message.destroyed) return
      this.callBack()
      this.events.finished()
    })
  }

  private finish(chunk: Uint8Array | undefined, trailers: string[]): void {
    try {
      this.exchange.end(chunk, trailers)
    } catch (error) {
      this.events.failed(error)
    }
  }

  private respond(body: Uint8Array | undefined, end: boolean): boolean {
    const { message } = this
    const { status, reason, headers } = this.head!
    const length = end && message._hasBody && headerOf(headers, 'content-length') === undefined
    const head = length
      ? { status, reason, headers: [...headers, 'Content-Length', String(body?.length ?? 0)] }
      : this.head!
    try {
      const roomy = this.exchange.respond(head, message._hasBody ? body : undefined, end)
      message._headerSent = true
      return roomy
    } catch (error) {
      this.events.refused(error)
      return false
    }
  }

  private callBack(): void {
    const { callbacks } = this
    this.callbacks = []
    for (const callback of callbacks) callback(null)
  }
}

function bytesOf(data: string | Uint8Array, encoding: unknown): Uint8Array | undefined {
  if (data.length === 0) return undefined
  if (typeof data !== 'string') return data
  return Buffer.from(data, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8')
}

/** All that `writeHead` takes: an object, a list of pairs, or names and values in turn. */
function pairsOf(headers: unknown): [string, unknown][] {
  if (!headers) return []
  if (!Array.isArray(headers)) return Object.entries(headers)
  if (Array.isArray(headers[0])) return headers as [string, unknown][]
  const pairs: [string, unknown][] = []
  for (let i = 0; i < headers.length; i += 2) pairs.push([headers[i] as string, headers[i + 1]])
  return pairs
}

function addChecked(raw: string[], name: string, value: unknown): void {
  validateHeaderName(name)
  for (const one of Array.isArray(value) ? value : [value]) validateHeaderValue(name, one as string)
  add(raw, name, value)
}

function add(raw: string[], name: string, value: unknown): void {
  if (!Array.isArray(value)) raw.push(name, String(value))
  else for (const one of value) raw.push(name, String(one))
}

/** A copy only where there is something to take out. */
function withoutFraming(raw: string[]): string[] {
  for (let i = 0; i < raw.length; i += 2) {
    if (hopByHop.has(raw[i]!.toLowerCase())) return endToEnd(raw)
  }
  return raw
}

function headersOf(lines: readonly string[]): string[] {
  return lines.flatMap((line) => {
    const colon = line.indexOf(':')
    return colon < 0 ? [] : [line.slice(0, colon), line.slice(colon + 1).trim()]
  })
}
