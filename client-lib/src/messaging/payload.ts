import { parseJson, quote, SealwayError } from '@sealway/protocol'
import { toJson, unserialisable } from './json.js'
import type { EncodedAnswer } from './outcomes.js'

/*
 * The payload of a fire, acked, call or broadcast record (SPEC.md, "Messages inside a record"):
 *
 *   0          1        2
 *   | encoding | length | action | [u16 length, meta] | body ... |
 *     u8         u8       UTF-8      JSON, flag 0x80
 *
 * of a reply:
 *
 *   | status | encoding | body ... |
 */

export const Encoding = { none: 0, bytes: 1, text: 2, json: 3, custom: 4 } as const
/** Flags beside the encoding. */
export const metaFlag = 0x80
/** The sender of a broadcast wants to know that the handler has run, and not what it answered. */
export const ackOnlyFlag = 0x40
/** Of an acked message: answer when it was opened. Of a call: keep the answer, the question may come again. */
export const earlyOrKeptFlag = 0x20
/** The action is the name of an event, for whoever subscribed to it. */
export const eventFlag = 0x10
/** Under this name the handler table finds what takes events; users' names do not begin with `$`. */
export const eventEntry = '$event'
export const encodingMask = 0x0f

export const ReplyStatus = {
  ok: 0,
  /** `ctx.fail`: body is JSON `{ code, data }`. */
  failed: 1,
  /** The handler crashed: body is JSON `{ message }`. */
  exception: 2,
  /** The library refused: body is JSON `{ code, message }` with a code of the table. */
  refused: 3,
} as const

/** A codec of the user's own, for all bodies of a node. Both ends must have it. */
export interface Codec {
  encode(body: unknown): Uint8Array
  decode(bytes: Uint8Array): unknown
}

const noBytes = new Uint8Array(0)

/** Bytes of the library's own, which the codec of the user has nothing to do with. */
export class OwnBytes {
  constructor(readonly bytes: Uint8Array) {}
}

/**
 * Turns one body after the other into bytes. It keeps the prepared body in its fields, because an object per message
 * would be the larger part of the work.
 */
export class BodyWriter {
  encoding: number = Encoding.none
  /** Bytes that `write` will write. */
  size = 0
  private bytes: Uint8Array | undefined
  private text = ''

  constructor(private readonly codec?: Codec) {}

  /**
   * @param label names the value in errors: `body`, `answer`, `item`
   * @throws SealwayError `UNSERIALISABLE`, with the path of what cannot be carried
   */
  prepare(body: unknown, label = 'body'): void {
    if (this.codec && body !== undefined && !(body instanceof OwnBytes)) {
      this.setBytes(Encoding.custom, this.encodeCustom(body, label))
    } else if (body instanceof Uint8Array) {
      this.setBytes(Encoding.bytes, body)
    } else if (typeof body === 'string') {
      // UTF-8 has no form for a lone surrogate; JSON has one, an escape.
      if (isWellFormed(body)) this.setText(Encoding.text, body)
      else this.setText(Encoding.json, JSON.stringify(body))
    } else if (body === undefined) {
      this.encoding = Encoding.none
      this.size = 0
      this.bytes = undefined
      this.text = ''
    } else if (body instanceof ArrayBuffer) {
      this.setBytes(Encoding.bytes, new Uint8Array(body))
    } else if (body instanceof OwnBytes) {
      this.setBytes(Encoding.bytes, body.bytes)
    } else {
      this.setText(Encoding.json, toJson(body, label))
    }
  }

  /** Bytes of the prepared body, to be kept; it stays prepared. */
  copy(): EncodedAnswer {
    const { encoding, size } = this
    if (size === 0) return { encoding, bytes: undefined }
    const bytes = Buffer.allocUnsafe(size)
    this.write(bytes, 0)
    this.setBytes(encoding, bytes)
    return { encoding, bytes }
  }

  /** Prepares bytes that {@link copy} gave. */
  restore({ encoding, bytes }: EncodedAnswer): void {
    this.setBytes(encoding, bytes ?? noBytes)
  }

  /** Writes the prepared body. @returns where it ends */
  write(target: Buffer, at: number): number {
    const bytes = this.bytes
    if (bytes) {
      target.set(bytes, at)
      this.bytes = undefined
    } else if (this.size > 0) {
      target.write(this.text, at, this.size, 'utf8')
      this.text = ''
    }
    return at + this.size
  }

  private setBytes(encoding: number, bytes: Uint8Array): void {
    this.encoding = encoding
    this.bytes = bytes
    this.size = bytes.length
  }

  private setText(encoding: number, text: string): void {
    this.encoding = encoding
    this.bytes = undefined
    this.text = text
    this.size = Buffer.byteLength(text)
  }

  private encodeCustom(body: unknown, label: string): Uint8Array {
    try {
      return this.codec!.encode(body)
    } catch (cause) {
      throw unserialisable(label, 'the codec refused it', cause)
    }
  }
}

/** Whether the text holds no lone surrogate. Node has this method since version 20; TypeScript lists it under ES2024. */
export const isWellFormed = (text: string): boolean => (text as string & { isWellFormed(): boolean }).isWellFormed()

/** @throws SealwayError `MALFORMED` where the bytes are not what their encoding says */
export function decodeBody(encoding: number, bytes: Buffer, start: number, end: number, codec?: Codec): unknown {
  switch (encoding & encodingMask) {
    case Encoding.none:
      return undefined
    case Encoding.bytes:
      return bytes.subarray(start, end)
    case Encoding.text:
      return bytes.toString('utf8', start, end)
    case Encoding.json:
      return parseJson(bytes.toString('utf8', start, end))
    case Encoding.custom:
      if (codec) return codec.decode(bytes.subarray(start, end))
  }
  throw new SealwayError('MALFORMED', { message: `body encoding ${encoding} is not known here` })
}

/** Bytes of a message as `writeMessage` writes it; its body was prepared in `body`. */
export const messageBytes = (
  action: Uint8Array,
  meta: Uint8Array | undefined,
  body: { readonly size: number },
): number => 2 + action.length + (meta ? 2 + meta.length : 0) + body.size

/** @param body what was prepared in it. @returns where the message ends */
export function writeMessage(
  target: Buffer,
  at: number,
  action: Uint8Array,
  meta: Uint8Array | undefined,
  body: Pick<BodyWriter, 'encoding' | 'write'>,
  flags: number,
): number {
  target[at] = body.encoding | flags | (meta ? metaFlag : 0)
  target[at + 1] = action.length
  target.set(action, at + 2)
  let end = at + 2 + action.length
  if (meta) {
    target.writeUInt16BE(meta.length, end)
    target.set(meta, end + 2)
    end += 2 + meta.length
  }
  return body.write(target, end)
}

/** An action's name as bytes, made once: the same few names are sent over and over. */
export class ActionNames {
  private readonly encoded = new Map<string, Uint8Array>()
  private lastBytes: Uint8Array = new Uint8Array(0)
  private lastName = ''

  /** @throws SealwayError `INVALID_ARGUMENT` */
  encode(action: string): Uint8Array {
    const known = this.encoded.get(action)
    if (known) return known
    const bytes = typeof action === 'string' && isWellFormed(action) ? Buffer.from(action) : undefined
    if (!bytes || bytes.length === 0 || bytes.length > 255) {
      throw new SealwayError('INVALID_ARGUMENT', {
        message: `action ${quote(action)} must be a text of 1 to 255 bytes`,
        outcome: 'not-delivered',
      })
    }
    if (this.encoded.size >= maxCachedNames) this.encoded.clear()
    this.encoded.set(action, bytes)
    return bytes
  }

  /** Nearly always the same name as last time, which is compared faster than it is decoded. */
  decode(bytes: Buffer, start: number, end: number): string {
    const last = this.lastBytes
    if (last.length === end - start) {
      let i = 0
      while (i < last.length && last[i] === bytes[start + i]) i++
      if (i === last.length && i > 0) return this.lastName
    }
    this.lastName = bytes.toString('utf8', start, end)
    this.lastBytes = Uint8Array.prototype.slice.call(bytes, start, end)
    return this.lastName
  }
}

/** Names may come from users' data; this bounds what they can fill. */
const maxCachedNames = 4_096
