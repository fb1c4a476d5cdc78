import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import {
  type Code,
  hopByHop,
  type RawHeaders,
  type ResponseHead,
  requestedUpgrade,
  SealwayError,
} from '@sealway/protocol'
import type { ClientRequest, ClientResponse } from './client.js'
import type { AnswerReader, Exchange } from './exchange.js'
import { headText, inform } from './inform.js'
import { Pipe } from './pipe.js'
import { hasNoContent, isBodiless, responseHeaders, trailerFields } from './response-headers.js'
import { Taken } from './taken.js'
import type { Tunnel } from './tunnel.js'
import type { Visit } from './visit.js'

/** Up to this, a body of a known length is waited for, a turn or two, to go in one frame with its head, bytes. */
const gatherBytes = 48 * 1024
/** A body of an answer up to this is copied into memory of Node's own pool, bytes. */
const smallBodyBytes = 4 * 1024
/** Up to this it is copied behind its head, where the request came whole, bytes. */
const oneWriteBytes = 48 * 1024

/** One visit through the tunnel: the client's request as an exchange, and the node's answer to the client. */
export class Passage implements AnswerReader {
  private exchange: Exchange | undefined
  private taken: Taken | undefined
  /** Of a request for a switch of protocols. */
  private readonly pipe: Pipe | undefined
  private switched = false
  /** Of a body that is being gathered. */
  private gathered: Uint8Array[] | undefined
  private gatheredBytes = 0
  /** Bytes of the answer's body that are still to come; -1: not known. */
  private left = -1
  private bodiless = false
  private readonly request: ClientRequest
  private readonly response: ClientResponse

  constructor(
    private readonly visit: Visit,
    private readonly tunnel: Tunnel,
    /** Of a request for a switch of protocols: what carries them, and what came behind the head. */
    private readonly socket?: Duplex,
    early: Buffer = Buffer.alloc(0),
  ) {
    this.request = visit.request
    this.response = visit.response
    if (socket) this.pipe = new Pipe(socket, early)
  }

  get upgrades(): boolean {
    return this.socket !== undefined
  }

  start(): void {
    const { visit } = this
    const { bodyBytes, expects } = visit.guarded
    visit.current = this
    if (bodyBytes === 0 || this.upgrades) {
      this.begin(undefined, true)
      return
    }
    if (visit.whole) {
      this.begin(visit.whole.body, true)
      return
    }
    const { request } = visit.streams
    if (expects || bodyBytes < 0 || bodyBytes > gatherBytes) {
      if (!this.begin(undefined, false)) return
      request.on('data', this.onData)
      request.on('end', this.onEnd)
      return
    }
    this.gathered = []
    request.on('data', this.onGathered)
    setImmediate(gatherNoMore, this)
  }

  /** @returns false where it was refused */
  private begin(body: Uint8Array | undefined, end: boolean): boolean {
    const { visit, tunnel } = this
    visit.handedAt = visit.monotonic()
    const begun = tunnel.begin(visit.head!, body, end, this)
    if (begun instanceof SealwayError) {
      const code = begun.code === 'TOO_LARGE' ? 'HEADERS_TOO_LARGE' : begun.code
      visit.failed(code, begun.message)
      return false
    }
    this.exchange = begun
    return true
  }

  private readonly onGathered = (chunk: Buffer): void => {
    if (!this.gathered) {
      this.onData(chunk)
      return
    }
    this.gathered.push(chunk)
    this.gatheredBytes += chunk.length
    if (this.gatheredBytes >= this.visit.guarded.bodyBytes) this.gatheredAll()
  }

  private gatheredAll(): void {
    const body = this.gathered!
    this.gathered = undefined
    if (this.visit.over) return
    this.begin(body.length === 1 ? body[0]! : Buffer.concat(body), true)
  }

  /** A turn has gone by, and the body is not there: what there is goes, and the rest as it comes. */
  gatherNoMore(turnsLeft: number): void {
    if (!this.gathered || this.visit.over) return
    if (turnsLeft > 0) {
      setImmediate(gatherNoMore, this, turnsLeft - 1)
      return
    }
    const body = this.gathered
    this.gathered = undefined
    if (this.begin(body.length === 0 ? undefined : Buffer.concat(body), false)) {
      this.visit.streams.request.on('end', this.onEnd)
    }
  }

  private readonly onData = (chunk: Buffer): void => {
    if (this.exchange && !this.exchange.send(chunk, true)) this.visit.streams.request.pause()
  }

  private readonly onEnd = (): void => {
    this.exchange?.end(trailerFields(this.visit.streams.request.rawTrailers))
  }

  /** The client has gone. */
  abort(code: Code): void {
    this.exchange?.abort(code)
    this.taken?.close()
    if (this.switched) this.pipe!.close()
    else this.pipe?.release()
  }

  drain(): void {
    if (this.pipe) this.pipe.drain()
    else if (!this.visit.whole) this.visit.streams.request.resume()
  }

  inform(head: ResponseHead): void {
    inform(this.visit, head)
  }

  answer(head: ResponseHead, body: Uint8Array, end: boolean): void {
    const { visit, response } = this
    if (head.status === 101) {
      this.switchProtocols(head, body, end)
      return
    }
    this.bodiless = isBodiless(this.request.method, head.status)
    const read = responseHeaders(head, this.bodiless)
    if (typeof read === 'string') {
      this.bad(read)
      return
    }
    const { headers, length } = read
    if (hasNoContent(head.status) && body.length > 0) {
      this.bad(`${head.status} with a body`)
      return
    }
    if (length !== undefined && !this.bodiless) {
      this.left = length - body.length
      if (this.left < 0 || (end && this.left > 0)) {
        this.bad('a body of another length than it said')
        return
      }
    }
    headers.push('Server-Timing', visit.timing())
    if (this.upgrades) headers.push('Connection', 'close')
    this.pipe?.release()
    try {
      if (head.reason === '') response.writeHead(head.status, headers)
      else response.writeHead(head.status, head.reason, headers)
    } catch (error) {
      this.bad((error as Error).message)
      return
    }
    if (end) this.finish(body)
    else if (body.length > 0) this.write(body)
    else response.flushHeaders()
  }

  data(chunk: Uint8Array, end: boolean): void {
    if (this.switched) {
      this.pipe!.data(chunk, end)
      if (this.exchange!.over) this.visit.answered()
      return
    }
    if (this.left >= 0) {
      this.left -= chunk.length
      if (this.left < 0 || (end && this.left > 0)) {
        this.bad('a body of another length than it said')
        return
      }
    }
    if (end) this.finish(chunk)
    else this.write(chunk)
  }

  trailers(trailers: RawHeaders): void {
    if (this.left > 0) {
      this.bad('a body of another length than it said')
      return
    }
    const fields = trailerFields(trailers)
    const pairs: [string, string][] = []
    for (let i = 0; i < fields.length; i += 2) pairs.push([fields[i]!, fields[i + 1]!])
    // Without chunks, Node sends none.
    if (pairs.length > 0) this.response.addTrailers(pairs)
    this.finish(noBytes)
  }

  failed(code: Code, detail: string): void {
    this.abort(code)
    this.visit.failed(code, detail)
  }

  /** What the node sent is no answer: nobody is told that it was one. */
  private bad(detail: string): void {
    const { exchange } = this
    if (exchange && !exchange.over) exchange.break('BAD_ANSWER', detail)
    else this.failed('BAD_ANSWER', detail)
  }

  private write(chunk: Uint8Array): void {
    if (this.bodiless) {
      this.exchange!.taken(chunk.length)
      return
    }
    this.taken ??= this.countTaken()
    this.taken.write(chunk, this.tunnel.blocks)
  }

  private countTaken(): Taken {
    const { exchange, response, tunnel } = this
    return new Taken(response, tunnel.budget, (bytes) => exchange!.taken(bytes))
  }

  private finish(body: Uint8Array): void {
    const { response, visit } = this
    // First: with the end the response closes, and that must not be taken for a client that has gone.
    visit.answered()
    const isWhole = visit.whole !== undefined
    const isSmall = body.length <= (isWhole ? oneWriteBytes : smallBodyBytes)
    if (body.length === 0 || this.bodiless) response.end()
    else if (isSmall) response.end(isWhole ? body : Buffer.from(body))
    else {
      this.write(body)
      response.end()
    }
    const waiting = response.writableLength
    if (waiting > 0) {
      // The client has not read it yet: until it has, it is part of the budget.
      this.taken ??= this.countTaken()
      if (isSmall) this.taken.wrote(body.length)
      response.on('close', () => this.taken!.close())
    } else {
      this.taken?.close()
    }
  }

  private switchProtocols(head: ResponseHead, body: Uint8Array, end: boolean): void {
    const { socket, exchange, tunnel, visit, pipe } = this
    if (!socket || !exchange || !pipe) return
    if (!this.isAsked(head)) {
      exchange.break('BAD_ANSWER', `${visit.node} switched to another protocol than was asked for`)
      return
    }
    const lines = this.switchHeaders(head)
    // From here on they are not HTTP any more.
    visit.streams.response.detachSocket(socket as Socket)
    socket.write(headText({ status: 101, reason: head.reason, headers: lines }), 'latin1')
    this.switched = true
    visit.switched = true
    pipe.open(exchange, tunnel, () => {
      if (exchange.over) visit.answered()
      else visit.gone()
    })
    if (body.length > 0 || end) this.data(body, end)
  }

  /** Whether the node switched to what it was asked for; it may have left the header out as hop-by-hop. */
  private isAsked({ headers }: ResponseHead): boolean {
    const asked = requestedUpgrade(this.visit.streams.request.rawHeaders)
    for (let i = 0; i < headers.length; i += 2) {
      if (headers[i]!.toLowerCase() === 'upgrade' && headers[i + 1]!.toLowerCase() !== asked) return false
    }
    return true
  }

  /** Those of the node, and the two that say what is switched to, which it may have left out as hop-by-hop. */
  private switchHeaders(head: ResponseHead): string[] {
    const lines: string[] = []
    let upgrade = this.visit.streams.request.headers.upgrade ?? ''
    for (let i = 0; i < head.headers.length; i += 2) {
      const lower = head.headers[i]!.toLowerCase()
      if (lower === 'upgrade') upgrade = head.headers[i + 1]!
      if (!hopByHop.has(lower) && lower !== 'content-length') lines.push(head.headers[i]!, head.headers[i + 1]!)
    }
    return ['Connection', 'Upgrade', 'Upgrade', upgrade, ...lines]
  }
}

const noBytes = new Uint8Array(0)
const gatherNoMore = (passage: Passage, turnsLeft = 1): void => passage.gatherNoMore(turnsLeft)
