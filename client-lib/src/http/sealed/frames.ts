import {
  ExchangeFlag,
  encodeData,
  encodeRequest,
  encodeResponse,
  encodeTrailers,
  FrameReader,
  FrameType,
  headerBytes,
  type RawHeaders,
  type RequestHead,
  type ResponseHead,
  SealwayError,
} from '@sealway/protocol'
import { maxChunkBytes } from '../../messaging/streams/outbound.js'

/*
 * A request and its answer, sealed (SPEC.md, "HTTP, sealed"): the frames of an exchange, of number 0, as the bytes of a
 * stream. The stream has credit and resets of its own, so grants and resets do not occur in it.
 */

/** What opens such a stream. Names that begin with $ are the library's own. */
export const httpAction = '$http'
/** Under this action policies for traffic speak of such requests; those without an action do, too. */
export const httpPolicyAction = 'sealway.http'

/** Bytes of a body in one frame: with its header it fills a record of the stream. */
export const maxPieceBytes = maxChunkBytes - headerBytes
/** A body up to this goes into the frame of its head, bytes: a small request is one record, and so is a small answer. */
export const inlineBytes = 32 * 1024
/** What a frame may have behind its header; room for 16 KiB of head and a body beside it. */
const maxFrameBodyBytes = 65_535

export const none = new Uint8Array(0)

/** @throws SealwayError `MALFORMED`, `TOO_LARGE` */
export const requestFrame = (head: RequestHead, body: Uint8Array | undefined, end: boolean): Uint8Array =>
  encodeRequest(0, head, body, end)

/** @throws SealwayError `MALFORMED`, `TOO_LARGE` */
export function responseFrames(head: ResponseHead, body: Uint8Array = none, end: boolean): Uint8Array {
  if (body.length <= inlineBytes) return encodeResponse(0, head, body, end)
  return Buffer.concat([encodeResponse(0, head, undefined, false), dataFrames(body, end)])
}

/** One after the other, in one piece of memory. */
export function dataFrames(body: Uint8Array, end: boolean): Uint8Array {
  if (body.length <= maxPieceBytes) return encodeData(0, body, end)
  const frames: Uint8Array[] = []
  for (let at = 0; at < body.length; at += maxPieceBytes) {
    const piece = body.subarray(at, at + maxPieceBytes)
    frames.push(encodeData(0, piece, end && at + piece.length === body.length))
  }
  return Buffer.concat(frames)
}

/** @throws SealwayError `MALFORMED`, `TOO_LARGE` */
export const endFrames = (chunk: Uint8Array | undefined, trailers: RawHeaders): Uint8Array => {
  if (trailers.length === 0) return dataFrames(chunk ?? none, true)
  const last = encodeTrailers(0, trailers)
  return chunk && chunk.length > 0 ? Buffer.concat([dataFrames(chunk, false), last]) : last
}

export interface Frame {
  readonly type: number
  /** The body ends with this one. */
  readonly end: boolean
  readonly body: Uint8Array
}

/** Takes one frame out of a request that opens a stream. @throws SealwayError `MALFORMED`, `TOO_LARGE` */
export function soleFrame(bytes: unknown): Frame {
  const frames: Frame[] = []
  const reader = newReader()
  if (bytes instanceof Uint8Array) reader.push(bytes, (...at) => frames.push(frameAt(...at)))
  if (frames.length !== 1 || !reader.idle) throw malformed('a stream for HTTP is opened with one request')
  return frames[0]!
}

/**
 * The frames in what a stream brings; it ends with the stream.
 * @throws SealwayError `MALFORMED`, `TOO_LARGE`, and what broke the stream
 */
export async function* framesOf(items: AsyncIterator<unknown, undefined>): AsyncGenerator<Frame, undefined, undefined> {
  const reader = newReader()
  let frames: Frame[] = []
  for (;;) {
    const { done, value } = await items.next()
    if (done) break
    if (!(value instanceof Uint8Array)) throw malformed('a stream for HTTP has items that are not bytes')
    reader.push(value, (...at) => frames.push(frameAt(...at)))
    const complete = frames
    frames = []
    yield* complete
  }
  if (!reader.idle) throw malformed('a stream for HTTP ends in the middle of a frame')
  return undefined
}

const newReader = (): FrameReader => new FrameReader(maxFrameBodyBytes)

function frameAt(bytes: Uint8Array, at: number, end: number): Frame {
  const type = bytes[at + 4]!
  const flags = bytes[at + 5]!
  const route = bytes[at + 8]! | bytes[at + 9]! | bytes[at + 10]! | bytes[at + 11]!
  const flagged = type === FrameType.request || type === FrameType.response || type === FrameType.data
  if (route !== 0 || (flags & ~(flagged ? ExchangeFlag.end : 0)) !== 0) throw malformed('a frame with strange flags')
  return {
    type,
    end: (flags & ExchangeFlag.end) !== 0 || type === FrameType.trailers,
    body: bytes.subarray(at + headerBytes, end),
  }
}

export const malformed = (message: string) => new SealwayError('MALFORMED', { message, hop: 'receiver' })
