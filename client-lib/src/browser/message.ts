import { parseJson, quote, SealwayError } from '@sealway/protocol'
import { toJson } from '../messaging/json.js'
import { Encoding, encodingMask, isWellFormed, metaFlag } from '../messaging/payload.js'
import { type Bytes, joined, textOf, utf8 } from './bytes.js'

/** A body as it travels. */
export interface EncodedBody {
  readonly encoding: number
  readonly bytes: Uint8Array
}

const none: EncodedBody = { encoding: Encoding.none, bytes: new Uint8Array(0) }

/** @param body JSON values, text, bytes (copied), undefined. @throws SealwayError `UNSERIALISABLE` */
export function encodeBody(body: unknown, label = 'body'): EncodedBody {
  if (body === undefined) return none
  if (typeof body === 'string' && isWellFormed(body)) return { encoding: Encoding.text, bytes: utf8(body) }
  if (body instanceof Uint8Array) return { encoding: Encoding.bytes, bytes: body.slice() }
  if (body instanceof ArrayBuffer) return { encoding: Encoding.bytes, bytes: new Uint8Array(body.slice(0)) }
  if (body instanceof Blob) {
    // JSON would make {} of it without a word.
    throw new SealwayError('UNSERIALISABLE', {
      message: 'body cannot be encoded: send `await blob.arrayBuffer()` in place of a Blob or File',
      outcome: 'not-delivered',
      hop: 'client',
    })
  }
  return { encoding: Encoding.json, bytes: utf8(toJson(body, label)) }
}

/** @throws SealwayError `MALFORMED` where the bytes are not what their encoding says */
export function decodeBody(encoding: number, bytes: Bytes): unknown {
  switch (encoding & encodingMask) {
    case Encoding.none:
      return undefined
    case Encoding.bytes:
      return bytes
    case Encoding.text:
      return textOf(bytes)
    case Encoding.json:
      return parseJson(textOf(bytes))
  }
  throw new SealwayError('MALFORMED', { message: `body encoding ${encoding & encodingMask} is not known here` })
}

/** @throws SealwayError `INVALID_ARGUMENT` */
export function encodeAction(action: unknown): Bytes {
  const bytes = typeof action === 'string' && isWellFormed(action) ? utf8(action) : undefined
  if (bytes && bytes.length > 0 && bytes.length <= 255) return bytes
  const message = `action ${quote(action)} must be a text of 1 to 255 bytes`
  throw new SealwayError('INVALID_ARGUMENT', { message, outcome: 'not-delivered', hop: 'client' })
}

/** The payload of a fire, acked, call or broadcast record (SPEC.md, "Messages inside a record"). */
export function encodeMessage(action: Bytes, meta: Bytes | undefined, body: EncodedBody, flags: number): Bytes {
  const head = Uint8Array.of(body.encoding | flags | (meta ? metaFlag : 0), action.length)
  const metaParts = meta ? [Uint8Array.of(meta.length >>> 8, meta.length), meta] : []
  return joined([head, action, ...metaParts, body.bytes])
}

export interface ReadMessage {
  /** Encoding of the body, and flags. */
  readonly encoding: number
  readonly action: string
  readonly meta: Bytes | undefined
  readonly body: Bytes
}

/** @returns undefined where the payload is malformed */
export function readMessage(payload: Bytes): ReadMessage | undefined {
  if (payload.length < 2) return undefined
  const encoding = payload[0]!
  const actionEnd = 2 + payload[1]!
  if (actionEnd > payload.length || actionEnd === 2) return undefined
  const action = textOf(payload.subarray(2, actionEnd))
  if ((encoding & metaFlag) === 0) return { encoding, action, meta: undefined, body: payload.subarray(actionEnd) }
  const metaStart = actionEnd + 2
  if (metaStart > payload.length) return undefined
  const bodyStart = metaStart + ((payload[actionEnd]! << 8) | payload[actionEnd + 1]!)
  if (bodyStart > payload.length) return undefined
  return { encoding, action, meta: payload.subarray(metaStart, bodyStart), body: payload.subarray(bodyStart) }
}
