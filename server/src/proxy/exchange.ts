import {
  type Code,
  codeFromNumber,
  codeNumber,
  dataHeader,
  decodeGrant,
  decodeReset,
  decodeResponse,
  decodeTrailers,
  ExchangeFlag,
  encodeData,
  encodeGrant,
  encodeReset,
  encodeTrailers,
  FrameType,
  type RawHeaders,
  type ResponseHead,
  SealwayError,
} from '@sealway/protocol'
import { spent } from './spent.js'
import type { Tunnel } from './tunnel.js'

/** Who waits for an answer. Nothing follows an end, a `trailers` or a `failed`. Bytes are its during the call only. */
export interface AnswerReader {
  /** It asked for an upgrade, so 101 is an answer to it. */
  readonly upgrades: boolean
  /** Status 100 to 199, but for 101. */
  inform(head: ResponseHead): void
  /** `body` is what there is of it already. After 101 the exchange carries bytes in both directions. */
  answer(head: ResponseHead, body: Uint8Array, end: boolean): void
  data(chunk: Uint8Array, end: boolean): void
  trailers(trailers: RawHeaders): void
  /** After a `send` that returned false: there is room again. */
  drain(): void
  /** The exchange broke off. */
  failed(code: Code, detail: string): void
}

/** What waits of a chunk: from there to its end. */
interface Held {
  readonly chunk: Uint8Array
  readonly from: number
  readonly given: boolean
}
const waitingBytes = ({ chunk, from }: Held): number => chunk.length - from

/** Longest body of a data frame, bytes: small frames let other exchanges through between them. */
export const maxDataBytes = 64 * 1024
/** Of 1xx answers, in one exchange: they use no window, so they are counted. */
const maxInformed = 16
const noBytes = new Uint8Array(0)

/** One request that was handed to a node over its link, and its answer, as frames. It knows nothing of node:http. */
export class Exchange {
  /** When something last went through, ms of the coarse clock. */
  touchedAt: number
  /** The head of the answer has come. */
  answered = false
  over = false
  private upgraded = false
  private answerEnded = false
  private informed = 0
  private sendWindow: number
  private receiveWindow: number
  private freedBytes = 0
  /** Of the request's body, what waits for the window or for room in the link's queue. */
  private held: Held[] | undefined
  private endAfterHeld: RawHeaders | undefined

  constructor(
    private readonly tunnel: Tunnel,
    readonly number: number,
    private readonly reader: AnswerReader,
    /** Bytes of the body that went with the head. */
    sentBytes: number,
    private requestEnded: boolean,
  ) {
    this.sendWindow = tunnel.windowBytes - sentBytes
    this.receiveWindow = tunnel.windowBytes
    this.touchedAt = tunnel.now()
  }

  /**
   * More of the request's body. The chunk must not change afterwards.
   * @param given nobody else needs it: its memory is freed when it has gone
   * @returns false: wait for `drain`
   */
  send(chunk: Uint8Array, given = false): boolean {
    if (this.over || this.requestEnded) return true
    if (this.held) {
      this.hold({ chunk, from: 0, given })
      return false
    }
    return this.pass({ chunk, from: 0, given })
  }

  /** The request's body is complete; after 101, its direction. */
  end(trailers: RawHeaders = []): void {
    if (this.over || this.requestEnded || this.endAfterHeld) return
    if (this.held) this.endAfterHeld = trailers
    else this.passEnd(trailers)
  }

  private passEnd(trailers: RawHeaders): void {
    this.requestEnded = true
    this.tunnel.push(trailers.length === 0 ? encodeData(this.number, noBytes, true) : trailersOf(this.number, trailers))
    this.finishIfDone()
  }

  /** @returns false where some of it is held */
  private pass({ chunk, from, given }: Held): boolean {
    const { tunnel, number } = this
    this.touchedAt = tunnel.now()
    for (let at = from; at < chunk.length; ) {
      const size = Math.min(chunk.length - at, this.sendWindow, maxDataBytes)
      if (size <= 0 || !tunnel.hasRoom(size)) {
        this.hold({ chunk, from: at, given })
        if (size > 0) tunnel.block(this)
        return false
      }
      const part = size === chunk.length ? chunk : chunk.subarray(at, at + size)
      tunnel.push(dataHeader(number, size, false))
      tunnel.push(part)
      this.sendWindow -= size
      at += size
    }
    if (given) spent(chunk)
    return true
  }

  private hold(held: Held): void {
    this.held ??= []
    this.held.push(held)
    this.tunnel.budget.usedBytes += waitingBytes(held)
  }

  private unhold(): Held[] {
    const all = this.held ?? []
    this.held = undefined
    for (const held of all) this.tunnel.budget.usedBytes -= waitingBytes(held)
    return all
  }

  /** The link's queue or the window has room again. */
  resume(): void {
    if (this.over || !this.held) return
    const held = this.unhold()
    for (let i = 0; i < held.length; i++) {
      if (this.pass(held[i]!)) continue
      for (const later of held.slice(i + 1)) this.hold(later)
      return
    }
    const trailers = this.endAfterHeld
    if (trailers) this.passEnd(trailers)
    else this.reader.drain()
  }

  /** So many bytes of the answer's body were taken by whoever asked: as many more may come. */
  taken(bytes: number): void {
    this.freedBytes += bytes
    if (this.over || this.answerEnded || this.freedBytes < this.tunnel.windowBytes / 4) return
    this.receiveWindow += this.freedBytes
    this.touchedAt = this.tunnel.now()
    this.tunnel.session.control(encodeGrant(this.number, this.freedBytes))
    this.freedBytes = 0
  }

  /** Breaks it off without a word to the reader, who knows. */
  abort(code: Code): void {
    if (this.over) return
    this.finish()
    this.tunnel.session.control(encodeReset(this.number, codeNumber(code)))
  }

  /** Breaks it off, and tells both sides. */
  break(code: Code, detail: string): void {
    this.abort(code)
    this.reader.failed(code, detail)
  }

  /** The link is gone. */
  lose(): void {
    if (this.over) return
    this.finish()
    this.reader.failed('PEER_GONE', 'the node disconnected before its answer was complete')
  }

  /** A frame of the node's for this exchange. What breaks the rules of an exchange resets it, and leaves the link alone. */
  receive(type: number, flags: number, body: Uint8Array): void {
    this.touchedAt = this.tunnel.now()
    try {
      this.read(type, flags, body)
    } catch (error) {
      // A defect of ours ends this exchange, and not the link with all others.
      this.break(error instanceof SealwayError ? 'BAD_ANSWER' : 'INTERNAL', (error as Error).message)
    }
  }

  private read(type: number, flags: number, body: Uint8Array): void {
    const end = (flags & ExchangeFlag.end) !== 0
    if (flags !== 0 && (flags !== ExchangeFlag.end || (type !== FrameType.response && type !== FrameType.data))) {
      throw broken(`unknown flags ${flags}`)
    }
    switch (type) {
      case FrameType.response:
        this.onResponse(body, end)
        return
      case FrameType.data:
        if (!this.answered || this.answerEnded) throw broken('data outside an answer')
        this.useWindow(body.length)
        if (end) this.endAnswer()
        this.reader.data(body, end)
        return
      case FrameType.trailers: {
        if (!this.answered || this.answerEnded || this.upgraded) throw broken('trailers outside an answer')
        const trailers = decodeTrailers(body)
        this.endAnswer()
        this.reader.trailers(trailers)
        return
      }
      case FrameType.grant:
        this.sendWindow = Math.min(this.sendWindow + decodeGrant(body), Number.MAX_SAFE_INTEGER)
        this.resume()
        return
      case FrameType.reset: {
        const code = codeFromNumber(decodeReset(body))
        this.finish()
        this.reader.failed(code !== undefined && fromNode.has(code) ? code : 'BAD_ANSWER', 'the node broke it off')
        return
      }
    }
  }

  private onResponse(frameBody: Uint8Array, end: boolean): void {
    if (this.answered) throw broken('a second answer')
    const { head, body } = decodeResponse(frameBody)
    if (head.status < 200 && head.status !== 101) {
      if (end || body.length > 0) throw broken(`an answer ${head.status} with a body or an end`)
      if (++this.informed > maxInformed) throw broken(`more than ${maxInformed} answers below 200`)
      this.reader.inform(head)
      return
    }
    if (head.status === 101) {
      if (!this.reader.upgrades) throw broken('101 where nobody asked for an upgrade')
      this.upgraded = true
      this.requestEnded = false
    }
    this.answered = true
    this.useWindow(body.length)
    if (end) this.endAnswer()
    this.reader.answer(head, body, end)
  }

  private useWindow(bytes: number): void {
    this.receiveWindow -= bytes
    if (this.receiveWindow < 0) throw broken('more than its window allows')
  }

  private endAnswer(): void {
    this.answerEnded = true
    this.finishIfDone()
  }

  private finishIfDone(): void {
    if (this.answerEnded && (!this.upgraded || this.requestEnded)) this.finish()
  }

  private finish(): void {
    if (this.over) return
    this.over = true
    this.unhold()
    this.tunnel.forget(this)
  }
}

/** Codes of a node's reset that a client is told; whatever else it says is no answer. */
const fromNode: ReadonlySet<Code> = new Set<Code>(['BUSY', 'NO_HTTP', 'BAD_ANSWER', 'TIMEOUT', 'DRAINING'])

function trailersOf(number: number, trailers: RawHeaders): Uint8Array {
  try {
    return encodeTrailers(number, trailers)
  } catch {
    // Longer than a head may be: a body without its trailers is still the whole body.
    return encodeData(number, noBytes, true)
  }
}

const broken = (what: string) => new SealwayError('MALFORMED', { message: `the node sent ${what}` })
