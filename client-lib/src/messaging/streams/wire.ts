import { type Code, isCode, parseJson, SealwayError, writeU32 } from '@sealway/protocol'
import { writeU64 } from '../../crypto/u64.js'
import { toJson } from '../json.js'

/*
 * The payload of a stream record (SPEC.md, "Streams"); the record's corr is the stream's number:
 *
 *   0    1
 *   | op | fields ...
 *     u8
 */
export const Op = {
  /** u32 credit, then a message (payload.ts). */
  open: 1,
  /** u32 credit. */
  accept: 2,
  /** u64 offset, u8 encoding, body. */
  data: 3,
  /** u64 length. */
  end: 4,
  /** u32 bytes. */
  credit: 5,
  /** JSON { code, message, data? }. */
  reset: 6,
  /** No fields: the sender of this wants no more of what it is sent; what it sends itself goes on. */
  stop: 7,
  /** u8 kind, u64 length, u64 corr, then a message without body, or the head of a reply. */
  carry: 8,
} as const
export type Op = (typeof Op)[keyof typeof Op]

/** Beside the op: from the end that accepted. Numbers are the opener's, so both ends may use the same one. */
export const acceptorFlag = 0x80
export const opMask = 0x7f

/** Op, offset and encoding. */
export const dataHeadBytes = 10
/** What a data record uses of the credit beside its body, bytes: else many empty ones would cost nothing. */
export const dataCost = 32
/** Op, kind, length, corr. */
export const carryHeadBytes = 18
/** An error's message and data may take so much, bytes; a larger one is cut. */
const maxResetBytes = 32 * 1024

export function u32Record(op: Op, value: number): Uint8Array {
  const bytes = new Uint8Array(5)
  bytes[0] = op
  writeU32(bytes, 1, value)
  return bytes
}

export function endRecord(length: number): Uint8Array {
  const bytes = new Uint8Array(9)
  bytes[0] = Op.end
  writeU64(bytes, 1, length)
  return bytes
}

export const stopRecord = (): Uint8Array => Uint8Array.of(Op.stop)

export function resetRecord(error: SealwayError): Uint8Array {
  const { code, message } = error
  return Buffer.concat([Uint8Array.of(Op.reset), resetJson(code, message, error.data)])
}

/** Data that has no form in JSON, or is too large, is left out: the break itself must be told in any case. */
function resetJson(code: Code, message: string, data: unknown): Uint8Array {
  const short = message.slice(0, 1_000)
  try {
    const bytes = Buffer.from(toJson({ code, message: short, data }, 'error'))
    if (bytes.length <= maxResetBytes) return bytes
  } catch {
    // Below, without it.
  }
  return Buffer.from(JSON.stringify({ code, message: short }))
}

/**
 * A handler of a stream answers with an expected error: its data must reach the caller.
 * @param body `{ code, data }`
 * @throws SealwayError `UNSERIALISABLE`, `TOO_LARGE`
 */
export function checkErrorBody(body: unknown): void {
  const bytes = Buffer.byteLength(toJson(body, 'error'))
  // The rest is for code and message beside it.
  if (bytes <= maxResetBytes - 2_048) return
  throw new SealwayError('TOO_LARGE', {
    message: `the data of an expected error on a stream is ${bytes} bytes as JSON; at most 30 KiB are carried`,
    hop: 'client',
  })
}

export interface Reset {
  readonly code: Code
  readonly message: string
  readonly data: unknown
}

/** What a reset says; one that cannot be read is still one. */
export function decodeReset(bytes: Buffer): Reset {
  try {
    const { code, message, data } = parseJson(bytes.toString()) as { [field: string]: unknown }
    return { code: isCode(code) ? code : 'INTERNAL', message: typeof message === 'string' ? message : '', data }
  } catch {
    return { code: 'INTERNAL', message: 'it did not say why', data: undefined }
  }
}

/** A stream that broke. `offset`: how far it came, in bytes of a byte stream, else in items. */
export const streamLost = (message: string, offset: number, target: string | undefined, cause?: unknown) =>
  new SealwayError('STREAM_LOST', {
    message,
    outcome: 'unknown',
    data: { offset },
    ...(target === undefined ? {} : { target }),
    ...(cause === undefined ? {} : { cause }),
  })
