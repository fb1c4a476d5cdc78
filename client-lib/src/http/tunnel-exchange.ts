import {
  type Code,
  codeFromNumber,
  codeNumber,
  decodeGrant,
  decodeReset,
  decodeTrailers,
  ExchangeFlag,
  encodeData,
  encodeGrant,
  encodeReset,
  encodeResponse,
  encodeTrailers,
  FrameType,
  headerBytes,
  meaningOf,
  type RawHeaders,
  type RequestHead,
  type ResponseHead,
  SealwayError,
  writeHeader,
} from '@sealway/protocol'
import type { Asker, Exchange, ExchangeReader } from './exchange.js'
import { headerOf, isUpgrade } from './hop-by-hop.js'
import type { Tunnel } from './tunnel.js'

/** Longest piece of a body in one frame, bytes: small frames let other exchanges through between them. */
const maxPieceBytes = 64 * 1024
/** A window that no rule-abiding mediator reaches, bytes; keeps the sum an integer that is exact. */
const mostWindowBytes = 2 ** 40

/** One request that came over the link, and its answer: frames, windows, order, ends. */
export class TunnelExchange implements Exchange {
  /** The answer was 101: bytes in both directions, until both have ended. */
  upgraded = false
  private reader: ExchangeReader | undefined
  /** Of the request's body, what came before anybody wanted it. */
  private early: Uint8Array[] = []
  private requestEnd: RawHeaders | undefined
  /** Bytes that may still come before a grant. */
  private receiveWindow: number
  /** Taken by the app, not yet granted again. */
  private freedBytes = 0
  private sendWindow: number
  /** Of the answer's body, what waits for the window or the link. */
  private queue: Uint8Array[] = []
  /** The answer is complete, but for what waits. */
  private answerEnd: RawHeaders | undefined
  private full = false
  private over = false
  private controller: AbortController | undefined
  private broken: SealwayError | undefined

  constructor(
    private readonly tunnel: Tunnel,
    readonly number: number,
    readonly head: RequestHead,
  ) {
    this.sendWindow = tunnel.parts.limits.exchangeWindowBytes
    this.receiveWindow = tunnel.parts.limits.exchangeWindowBytes
  }

  /** The mediator has read it, and says no more of who asks than what is in its headers. */
  get asker(): Asker {
    return { sealed: false, from: undefined, group: headerOf(this.head.headers, 'sealway-group'), key: undefined }
  }

  get signal(): AbortSignal {
    if (!this.controller) {
      this.controller = new AbortController()
      if (this.broken) this.controller.abort(this.broken)
    }
    return this.controller.signal
  }

  // ---- from the app

  start(reader: ExchangeReader): void {
    this.reader = reader
    if (this.broken) return reader.aborted(this.broken)
    const { early } = this
    this.early = []
    for (const chunk of early) reader.data(chunk)
    if (this.requestEnd) reader.end(this.requestEnd)
  }

  consumed(bytes: number): void {
    this.freedBytes += bytes
    // Half of the window at once: a grant for each chunk would be a frame for each frame.
    if (this.over || this.requestEnd || this.freedBytes * 2 < this.tunnel.parts.limits.exchangeWindowBytes) return
    this.receiveWindow += this.freedBytes
    this.tunnel.push(encodeGrant(this.number, this.freedBytes))
    this.freedBytes = 0
  }

  inform(head: ResponseHead): void {
    if (this.over) return
    this.tunnel.push(encodeResponse(this.number, head, undefined, false))
  }

  respond(head: ResponseHead, body: Uint8Array | undefined, end: boolean): boolean {
    if (this.over) return true
    const bytes = body?.length ?? 0
    const first = Math.min(bytes, this.sendWindow, maxPieceBytes)
    const whole = first === bytes
    const piece = whole ? body : body?.subarray(0, first)
    const frame = encodeResponse(this.number, head, piece, whole && end, Buffer.allocUnsafe)
    this.upgraded = head.status === 101
    this.sendWindow -= first
    this.tunnel.push(frame)
    if (whole && end) {
      this.answerEnd = none
      this.endIfDone()
      return true
    }
    if (!whole) {
      if (end) this.answerEnd = none
      this.send(body!.subarray(first))
    }
    return !this.full
  }

  write(chunk: Uint8Array): boolean {
    if (this.over || this.answerEnd) return true
    this.send(chunk)
    return !this.full
  }

  end(chunk?: Uint8Array, trailers: RawHeaders = none): void {
    if (this.over || this.answerEnd) return
    this.answerEnd = trailers
    if (chunk && chunk.length > 0) this.send(chunk)
    else if (this.queue.length === 0) this.sendEnd()
  }

  reset(code: Code): void {
    if (this.over) return
    this.finish()
    this.tunnel.push(encodeReset(this.number, codeNumber(code)))
  }

  // ---- from the tunnel

  /** What came with the head. */
  arrived(body: Uint8Array, end: boolean): void {
    if (body.length > 0) this.early.push(copyOf(body))
    this.receiveWindow -= body.length
    // Of a request for an upgrade the end says that it has no body; the direction stays open for what 101 begins.
    if (end && !isUpgrade(this.head)) this.requestEnd = none
  }

  receive(type: number, flags: number, body: Uint8Array): void {
    try {
      this.take(type, flags, body)
    } catch (error) {
      const refused = error instanceof SealwayError ? error : undefined
      if (!refused) this.tunnel.parts.onError(error, this)
      this.reset(refused?.code ?? 'BAD_ANSWER')
      this.abort(refused ?? new SealwayError('EXCEPTION', { message: 'a listener of the request threw', cause: error }))
    }
  }

  /** Sends what waits, at most so many frames. */
  pump(frames = Number.POSITIVE_INFINITY): void {
    if (this.over) return
    const { queue, tunnel } = this
    for (let left = frames; queue.length > 0; left--) {
      if (this.sendWindow === 0) return
      if (left === 0 || !tunnel.parts.roomy()) return tunnel.block(this)
      const chunk = queue[0]!
      const sent = this.sendPiece(chunk, 0, queue.length === 1)
      if (sent === chunk.length) queue.shift()
      else queue[0] = chunk.subarray(sent)
    }
    if (this.answerEnd) return this.sentAll()
    if (!this.full) return
    this.full = false
    this.reader?.drain()
  }

  /** The way broke, or nobody waits any more. */
  abort(error: SealwayError): void {
    if (this.broken) return
    this.broken = error
    this.finish()
    this.controller?.abort(error)
    try {
      this.reader?.aborted(error)
    } catch (thrown) {
      this.tunnel.parts.onError(thrown, this)
    }
  }

  // ---- frames in

  /** @throws SealwayError `MALFORMED` or `TOO_LARGE`: it breaks the rules of an exchange */
  private take(type: number, flags: number, body: Uint8Array): void {
    if ((flags & ~(type === FrameType.data ? ExchangeFlag.end : 0)) !== 0) throw malformed('unknown flags')
    switch (type) {
      case FrameType.data:
        this.takeBody(body, (flags & ExchangeFlag.end) !== 0)
        return
      case FrameType.trailers:
        if (this.requestEnd) throw malformed('trailers after the end of a body')
        this.takeEnd(decodeTrailers(body))
        return
      case FrameType.grant:
        this.sendWindow = Math.min(this.sendWindow + decodeGrant(body), mostWindowBytes)
        this.pump()
        return
      default:
        this.takeReset(decodeReset(body))
    }
  }

  private takeBody(body: Uint8Array, end: boolean): void {
    if (this.requestEnd) throw malformed('data after the end of a body')
    if (body.length > this.receiveWindow) throw malformed('data beyond the window')
    if (body.length > 0) {
      this.receiveWindow -= body.length
      // It lies in the link's buffer, which is filled again in the next turn.
      const chunk = copyOf(body)
      if (this.reader) this.reader.data(chunk)
      else this.early.push(chunk)
    }
    if (end && !this.over) this.takeEnd(none)
  }

  private takeEnd(trailers: RawHeaders): void {
    this.requestEnd = trailers
    this.reader?.end(trailers)
    this.endIfDone()
  }

  private takeReset(number: number): void {
    const code = codeFromNumber(number) ?? 'ABORTED'
    this.abort(new SealwayError(code, { message: `the request was broken off: ${meaningOf(code)}`, hop: 'mediator' }))
  }

  // ---- frames out

  private send(chunk: Uint8Array): void {
    let at = 0
    if (this.queue.length === 0) {
      while (at < chunk.length && this.sendWindow > 0 && this.tunnel.parts.roomy())
        at += this.sendPiece(chunk, at, true)
      if (at === chunk.length) {
        if (this.answerEnd) this.sentAll()
        return
      }
      if (this.sendWindow > 0) this.tunnel.block(this)
    }
    this.full = true
    this.queue.push(copyOf(chunk.subarray(at)))
  }

  /** @param last nothing waits behind this chunk. @returns how many bytes of it left */
  private sendPiece(chunk: Uint8Array, at: number, last: boolean): number {
    const bytes = Math.min(chunk.length - at, this.sendWindow, maxPieceBytes)
    const ends = last && at + bytes === chunk.length && this.answerEnd?.length === 0
    const frame = Buffer.allocUnsafe(headerBytes + bytes)
    writeHeader(frame, 0, FrameType.data, ends ? ExchangeFlag.end : 0, this.number, bytes)
    frame.set(bytes === chunk.length ? chunk : chunk.subarray(at, at + bytes), headerBytes)
    this.sendWindow -= bytes
    this.tunnel.push(frame)
    return bytes
  }

  /** The whole body has left; its end has left with the last piece, unless trailers make it. */
  private sentAll(): void {
    if (this.answerEnd!.length > 0) this.sendEnd()
    else this.endIfDone()
  }

  private sendEnd(): void {
    const trailers = this.answerEnd!
    this.tunnel.push(
      trailers.length > 0 ? encodeTrailers(this.number, trailers) : encodeData(this.number, noBytes, true),
    )
    this.endIfDone()
  }

  private endIfDone(): void {
    const answered = this.answerEnd !== undefined && this.queue.length === 0
    if (answered && (!this.upgraded || this.requestEnd)) this.finish()
  }

  private finish(): void {
    if (this.over) return
    this.over = true
    this.queue = []
    this.early = []
    this.tunnel.forget(this)
  }
}

const none: RawHeaders = []
const noBytes = new Uint8Array(0)
/** Not `slice`, which on a Buffer is a view. */
const copyOf = (bytes: Uint8Array): Buffer => Buffer.from(bytes)
const malformed = (message: string) => new SealwayError('MALFORMED', { message })
