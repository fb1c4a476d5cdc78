import {
  Agent,
  type ClientRequest,
  type IncomingMessage,
  request as plainRequest,
  type RequestOptions,
} from 'node:http'
import { Agent as SecureAgent, request as secureRequest } from 'node:https'
import type { Duplex } from 'node:stream'
import { type RawHeaders, SealwayError } from '@sealway/protocol'
import type { Exchange, ExchangeReader, Serve } from './exchange.js'
import { endToEnd, headerOf, isUpgrade } from './hop-by-hop.js'
import { pipeThrough } from './local-upgrade.js'

export interface LocalParts {
  /** The local server could not be reached, or broke its answer off. */
  readonly onError: (error: unknown, exchange: Exchange) => void
  /** Hosts other than this machine are allowed, too. */
  readonly anyHost: boolean
}

/** A server at an address that this node reaches, in place of an app in its process. */
export interface Local {
  readonly serve: Serve
  /** Closes the connections that are kept for later. */
  close(): void
}

/**
 * Forwards exchanges to `http://127.0.0.1:3000`, over connections that are kept. A path in the URL is put before each
 * target.
 * @throws SealwayError `INVALID_ARGUMENT`
 */
export function forwardTo(url: string | URL, { onError, anyHost }: LocalParts): Local {
  const { protocol, hostname, port, pathname } = readUrl(url, anyHost)
  const secure = protocol === 'https:'
  const agent = secure ? new SecureAgent({ keepAlive: true }) : new Agent({ keepAlive: true })
  const host = hostname.replace(/^\[|\]$/g, '')
  const prefix = pathname.replace(/\/$/, '')
  const request = secure ? secureRequest : plainRequest
  const dial: Dial = (options) =>
    request({ ...options, agent, host, ...(port ? { port } : {}), path: prefix + options.path })
  return {
    serve: (exchange) => void new Forwarding(exchange, dial, onError).begin(),
    close: () => agent.destroy(),
  }
}

type Dial = (options: RequestOptions & { path: string }) => ClientRequest

/** Of a request without a body these may be sent again (RFC 9110 s9.2.2). */
const repeatable = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])
/** They have no body unless something says so, so nothing need say that there is none. */
const bodiless = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'DELETE', 'CONNECT'])

/** One exchange on its way to a local server and back. */
class Forwarding implements ExchangeReader {
  private request: ClientRequest | undefined
  private response: IncomingMessage | undefined
  /** The answer so far, while all of it may still go into one frame. */
  private gathered: Uint8Array[] | undefined
  private over = false
  private early: Uint8Array[] = []
  private ended: RawHeaders | undefined
  /** Bytes that the request's Content-Length announces and that have not come. */
  private missing: number | undefined
  /** Bytes that the local server has not taken yet. */
  private untaken = 0
  /** After an upgrade: what takes over. */
  private pipe: ExchangeReader | undefined

  constructor(
    private readonly exchange: Exchange,
    private readonly dial: Dial,
    private readonly onError: LocalParts['onError'],
  ) {}

  begin(): void {
    this.exchange.start(this)
    if (!this.over) this.ask()
  }

  private ask(): void {
    const { head } = this.exchange
    const upgrade = isUpgrade(head)
    const empty = this.ended !== undefined && this.early.length === 0
    let request: ClientRequest
    try {
      const headers = this.headers(empty)
      request = this.dial({ method: head.method, path: head.target, headers: headers as never, setHost: false })
    } catch (error) {
      this.fail(error)
      return
    }
    this.request = request
    request.on('response', (response) => this.answered(response))
    request.on('information', ({ statusCode, statusMessage, rawHeaders }) => {
      if (this.over) return
      const head = { status: statusCode, reason: statusMessage, headers: endToEnd(rawHeaders) }
      this.trying(() => this.exchange.inform(head))
    })
    request.on('upgrade', (response, socket, rest) => this.switched(response, socket, rest))
    request.on('error', (error: NodeJS.ErrnoException) => {
      if (this.over || this.response) return
      // The server closed a connection that was kept for longer than it wanted: it has not seen this request.
      const unseen = request.reusedSocket && error.code === 'ECONNRESET'
      if (unseen && empty && repeatable.has(head.method)) this.ask()
      else this.fail(error)
    })
    request.on('drain', () => this.taken())
    if (upgrade) {
      request.end()
      return
    }
    for (const chunk of this.early.splice(0)) this.data(chunk)
    if (this.ended) this.finish(this.ended)
  }

  /** What the client has already said in the new protocol follows. */
  private switched(response: IncomingMessage, socket: Duplex, rest: Buffer): void {
    if (this.over) {
      socket.destroy()
      return
    }
    const pipe = this.trying(() => pipeThrough(this.exchange, response, socket, rest))
    if (!pipe) {
      socket.destroy()
      return
    }
    this.over = true
    this.pipe = pipe
    for (const chunk of this.early.splice(0)) pipe.data(chunk)
    if (this.ended) pipe.end(this.ended)
  }

  /** As they came, and with the framing that this connection needs. */
  private headers(empty: boolean): string[] {
    const { head } = this.exchange
    const headers = endToEnd(head.headers)
    const upgrade = isUpgrade(head)
    if (upgrade) headers.push('Connection', 'Upgrade', 'Upgrade', headerOf(head.headers, 'upgrade')!)
    // Whoever asks says it; without it there would be no HTTP/1.1.
    if (headerOf(headers, 'host') === undefined) headers.push('Host', 'localhost')
    const length = headerOf(headers, 'content-length')
    if (length !== undefined) {
      if (!/^\d{1,15}$/.test(length)) throw new SealwayError('MALFORMED', { message: 'Content-Length is no number' })
      this.missing = Number(length)
    } else if (!empty && !upgrade) {
      headers.push('Transfer-Encoding', 'chunked')
    } else if (empty && !bodiless.has(head.method)) {
      headers.push('Content-Length', '0')
    }
    return headers
  }

  // ---- the request

  data(chunk: Uint8Array): void {
    if (this.pipe) return this.pipe.data(chunk)
    if (this.over) return
    if (!this.request || isUpgrade(this.exchange.head)) {
      this.early.push(chunk)
      return
    }
    if (this.missing !== undefined) {
      this.missing -= chunk.length
      // More than announced would be taken for the next request on this connection.
      if (this.missing < 0) return this.fail(new SealwayError('MALFORMED', { message: 'a body beyond its length' }))
    }
    if (this.request.write(chunk)) this.exchange.consumed(chunk.length)
    else this.untaken += chunk.length
  }

  private taken(): void {
    const { untaken } = this
    this.untaken = 0
    if (!this.over) this.exchange.consumed(untaken)
  }

  end(trailers: RawHeaders): void {
    if (this.pipe) return this.pipe.end(trailers)
    this.ended = trailers
    if (this.request && !isUpgrade(this.exchange.head)) this.finish(trailers)
  }

  private finish(trailers: RawHeaders): void {
    if (this.over) return
    if (this.missing) return this.fail(new SealwayError('MALFORMED', { message: 'a body shorter than its length' }))
    const pairs: [string, string][] = []
    for (let i = 0; i < trailers.length; i += 2) pairs.push([trailers[i]!, trailers[i + 1]!])
    if (pairs.length > 0) this.request!.addTrailers(pairs)
    // An upgrade has no body; what would end is the connection.
    if (headerOf(this.exchange.head.headers, 'upgrade') === undefined || !this.request!.writableEnded)
      this.request!.end()
  }

  aborted(error: SealwayError): void {
    if (this.pipe) return this.pipe.aborted(error)
    this.over = true
    this.request?.destroy()
  }

  drain(): void {
    if (this.pipe) return this.pipe.drain()
    this.response?.resume()
  }

  // ---- the answer

  private answered(response: IncomingMessage): void {
    if (this.over) {
      response.resume()
      return
    }
    this.response = response
    this.gathered = []
    // What has arrived together leaves together.
    setImmediate(() => this.release())
    response.on('data', (chunk: Buffer) => {
      if (this.over) return
      if (this.gathered) this.gathered.push(chunk)
      else if (!this.exchange.write(chunk)) response.pause()
    })
    response.on('end', () => {
      if (this.over) return
      const whole = response.rawTrailers.length === 0
      if (this.gathered && whole) {
        this.respond(true)
      } else {
        this.release()
        if (!this.over) this.trying(() => this.exchange.end(undefined, response.rawTrailers))
      }
      this.over = true
    })
    response.on('error', (error) => this.fail(error))
  }

  private release(): void {
    if (this.gathered && !this.over && !this.respond(false)) this.response!.pause()
  }

  private respond(end: boolean): boolean {
    const { statusCode, statusMessage, rawHeaders } = this.response!
    const body = this.gathered!.length > 0 ? Buffer.concat(this.gathered!) : undefined
    this.gathered = undefined
    const head = { status: statusCode!, reason: statusMessage ?? '', headers: endToEnd(rawHeaders) }
    return this.trying(() => this.exchange.respond(head, body, end)) ?? true
  }

  /** What another program says may be too long for a frame, or no HTTP. */
  private trying<T>(work: () => T): T | undefined {
    try {
      return work()
    } catch (error) {
      this.fail(error)
      return undefined
    }
  }

  private fail(error: unknown): void {
    if (this.over) return
    this.over = true
    this.onError(error, this.exchange)
    this.exchange.reset('BAD_ANSWER')
    this.request?.destroy()
  }
}

const loopback = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/

function readUrl(text: string | URL, anyHost: boolean): URL {
  const url = URL.canParse(String(text)) ? new URL(text) : undefined
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.search || url.hash) {
    throw invalid(`expose: ${String(text)} is not like http://127.0.0.1:3000`)
  }
  if (!anyHost && !loopback.test(url.hostname)) {
    throw invalid(`expose: ${url.hostname} is not this machine; { anyHost: true } allows that`)
  }
  return url
}

const invalid = (message: string) => new SealwayError('INVALID_ARGUMENT', { message, outcome: 'not-delivered' })
