import { Duplex } from 'node:stream'
import { limits, type ResponseHead, SealwayError } from '@sealway/protocol'
import type { AnswerParts } from './answer.js'
import type { UpgradeListener } from './app.js'
import type { Exchange } from './exchange.js'
import { endToEnd, headerOf } from './hop-by-hop.js'
import { connectionReset, ServedRequest } from './request.js'
import { type Caller, callerOf, IdleTimer } from './socket.js'

type Callback = (error?: Error | null) => void

/**
 * The connection that an `upgrade` listener takes over. It writes the head of its answer as text, as on a TCP socket:
 * that is taken apart here. What follows 101 are bytes, both ways; what follows any other status is a body.
 */
export class UpgradeSocket extends Duplex {
  private readonly exchange: Exchange
  private readonly onError: AnswerParts['onError']
  private readonly caller: Caller
  private readonly idle: IdleTimer
  /** What was written of the head of the answer; undefined once it has left. */
  private head: Buffer | undefined = Buffer.alloc(0)
  /** Bytes that were pushed and not yet reported as taken. */
  private untaken = 0
  /** Of a write that waits for room. */
  private waiting: Callback | undefined
  /** The answer was 101. */
  private upgraded = false
  /** Ends of the two directions. */
  private heardEnd = false
  private saidEnd = false
  private over = false

  constructor(exchange: Exchange, { timers, onError }: AnswerParts) {
    super({ allowHalfOpen: true })
    this.exchange = exchange
    this.onError = onError
    this.caller = callerOf(exchange)
    this.idle = new IdleTimer(timers, () => this.emit('timeout'))
    // A socket that breaks is no error of the program's; who listens hears of it.
    this.on('error', () => {})
  }

  get remoteAddress(): string | undefined {
    return this.caller.remoteAddress
  }

  get encrypted(): boolean {
    return this.caller.encrypted
  }

  setTimeout(ms: number, callback?: () => void): this {
    if (callback) this.once('timeout', callback)
    this.idle.set(ms)
    return this
  }

  setNoDelay(): this {
    return this
  }

  setKeepAlive(): this {
    return this
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  destroySoon(): void {
    if (this.writable) this.end()
    if (this.writableFinished) this.destroy()
    else this.once('finish', () => this.destroy())
  }

  /** Begins to hand on what the exchange brings. */
  begin(): void {
    this.exchange.start({
      data: (chunk) => this.guarded(() => this.heard(chunk)),
      end: () => {
        this.heardEnd = true
        if (!this.destroyed) this.guarded(() => this.push(null))
      },
      aborted: (error) => {
        this.over = true
        this.destroy(connectionReset(error))
      },
      drain: () => {
        const callback = this.waiting
        this.waiting = undefined
        if (callback) this.guarded(callback)
      },
    })
  }

  /** Listeners run in here. What they throw ends this connection, and not the carrier of all. */
  private guarded(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.failed(error)
    }
  }

  failed(error: unknown): void {
    this.onError(error, this.exchange)
    this.destroy()
  }

  private heard(chunk: Uint8Array): void {
    this.idle.touch()
    if (this.destroyed) return
    if (this.push(chunk)) this.exchange.consumed(chunk.length)
    else this.untaken += chunk.length
  }

  override _read(): void {
    const taken = this.untaken
    if (taken === 0) return
    this.untaken = 0
    this.exchange.consumed(taken)
  }

  override _write(chunk: Buffer, _encoding: string, callback: Callback): void {
    this.idle.touch()
    let roomy = true
    try {
      if (this.head) roomy = this.writeHead(chunk)
      else roomy = this.exchange.write(chunk)
    } catch (error) {
      callback(error as Error)
      return
    }
    if (roomy) callback()
    else this.waiting = callback
  }

  /** What was corked together leaves together: a frame of WebSocket is its header and its payload. */
  override _writev(chunks: { chunk: Buffer }[], callback: Callback): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), 'buffer', callback)
  }

  override _final(callback: Callback): void {
    if (this.head) {
      callback(notHttp('the connection was ended before its answer had a head'))
      return
    }
    this.saidEnd = true
    this.exchange.end()
    callback()
  }

  override _destroy(error: Error | null, callback: Callback): void {
    this.idle.set(0)
    const complete = this.saidEnd && (this.heardEnd || !this.upgraded)
    if (!this.over && !complete) this.exchange.reset(this.upgraded ? 'ABORTED' : 'BAD_ANSWER')
    this.over = true
    this.waiting?.(error)
    this.waiting = undefined
    callback(error)
  }

  /** @throws SealwayError `MALFORMED`, `TOO_LARGE`: what was written is no head of an answer */
  private writeHead(chunk: Buffer): boolean {
    const text = Buffer.concat([this.head!, chunk])
    const end = text.indexOf('\r\n\r\n')
    if (end < 0) {
      if (text.length > limits.maxHeadBytes) throw notHttp('the head of the answer does not end')
      this.head = text
      return true
    }
    const head = readHead(text.toString('latin1', 0, end))
    if (head.status !== 101 && headerOf(head.headers, 'transfer-encoding') !== undefined) {
      throw notHttp('an answer that refuses an upgrade needs a Content-Length, or none')
    }
    const rest = text.subarray(end + 4)
    const kept = head.status === 101 ? head.headers : endToEnd(head.headers)
    const roomy = this.exchange.respond({ ...head, headers: kept }, rest.length > 0 ? rest : undefined, false)
    this.head = undefined
    this.upgraded = head.status === 101
    return roomy
  }
}

/** Hands a request for an upgrade to its listener. */
export function beginUpgrade(exchange: Exchange, listener: UpgradeListener, parts: AnswerParts): void {
  const socket = new UpgradeSocket(exchange, parts)
  const request = new ServedRequest(exchange, socket)
  const { headers } = exchange.head
  request.setHeaders(headerOf(headers, 'connection') ? headers : [...headers, 'Connection', 'Upgrade'])
  request.complete([])
  socket.begin()
  try {
    const returned = listener(request.message, socket, Buffer.alloc(0))
    Promise.resolve(returned).catch((error: unknown) => socket.failed(error))
  } catch (error) {
    socket.failed(error)
  }
}

function readHead(text: string): ResponseHead {
  const [start, ...lines] = text.split('\r\n')
  const [, status, reason] = /^HTTP\/1\.[01] (\d{3}) ?(.*)$/.exec(start!) ?? []
  if (status === undefined) throw notHttp('what was written to the connection is no answer of HTTP')
  const headers = lines.flatMap((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, Math.max(colon, 0)), line.slice(colon + 1).trim()]
  })
  return { status: Number(status), reason: reason!, headers }
}

const notHttp = (message: string) => new SealwayError('MALFORMED', { message })
