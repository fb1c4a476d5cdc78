import { type Code, codeFromNumber, codeNumber, readU32, writeU32 } from '@sealway/protocol'
import { readU64, writeU64 } from './u64.js'

/*
 * Plaintext of a receipt (kind 7):
 *
 *   0        1      9          17       25
 *   | status | flow | ackUpTo  | bitmap | tail ...
 *     u8       8      u64        u64      refused: u16 code; unknownKey: 16 kid; incarnation: 4 bytes;
 *                                         credit: u32 messages, u32 bytes; dropped: u16 code, u32 messages
 */

export const ReceiptStatus = {
  delivered: 1,
  processed: 2,
  refused: 3,
  unknownKey: 4,
  incarnation: 5,
  credit: 6,
  creditAsked: 7,
  dropped: 8,
} as const
export type ReceiptStatus = (typeof ReceiptStatus)[keyof typeof ReceiptStatus]

interface Acknowledged {
  /** 8 bytes: the first of the flow's salt. */
  readonly flow: Uint8Array
  /** Every counter below has the status, where it is delivered or processed; otherwise it only places the bitmap. */
  readonly ackUpTo: number
  /** Bit i (of value 2^i): counter `ackUpTo + i` has the status. */
  readonly bitmapLow: number
  /** Bit i: counter `ackUpTo + 32 + i`. */
  readonly bitmapHigh: number
}

/** The only proof of what became of a frame: it is sealed by the receiver. */
export type Receipt =
  | (Acknowledged & { readonly status: typeof ReceiptStatus.delivered | typeof ReceiptStatus.processed })
  | (Acknowledged & { readonly status: typeof ReceiptStatus.refused; readonly code: Code })
  | (Acknowledged & { readonly status: typeof ReceiptStatus.unknownKey; readonly kid: Uint8Array })
  | (Acknowledged & { readonly status: typeof ReceiptStatus.incarnation; readonly incarnation: number })
  | CreditReceipt
  | (Acknowledged & { readonly status: typeof ReceiptStatus.creditAsked })
  | DroppedReceipt

/** What the flow may carry of messages that nobody waits for, beyond the frames below `ackUpTo`. */
export type CreditReceipt = Acknowledged & {
  readonly status: typeof ReceiptStatus.credit
  readonly messages: number
  readonly bytes: number
}

/** So many messages of the flow that nobody waits for were not handled. */
export type DroppedReceipt = Acknowledged & {
  readonly status: typeof ReceiptStatus.dropped
  readonly code: Code
  readonly messages: number
}

const fixedBytes = 25

/** Whether a receipt speaks of this counter. */
export function coversCounter(receipt: Receipt, counter: number): boolean {
  const bit = counter - receipt.ackUpTo
  if (bit < 0) return receipt.status === ReceiptStatus.delivered || receipt.status === ReceiptStatus.processed
  if (bit >= 64) return false
  return ((bit < 32 ? receipt.bitmapLow : receipt.bitmapHigh) & (1 << (bit % 32))) !== 0
}

export function encodeReceipt(receipt: Receipt): Buffer {
  const bytes = Buffer.alloc(fixedBytes + tailBytes(receipt.status)!)
  bytes[0] = receipt.status
  bytes.set(receipt.flow.subarray(0, 8), 1)
  writeU64(bytes, 9, receipt.ackUpTo)
  writeU32(bytes, 17, receipt.bitmapHigh)
  writeU32(bytes, 21, receipt.bitmapLow)
  switch (receipt.status) {
    case ReceiptStatus.refused:
      bytes.writeUInt16BE(codeNumber(receipt.code), fixedBytes)
      break
    case ReceiptStatus.unknownKey:
      bytes.set(receipt.kid.subarray(0, 16), fixedBytes)
      break
    case ReceiptStatus.incarnation:
      writeU32(bytes, fixedBytes, receipt.incarnation)
      break
    case ReceiptStatus.credit:
      writeU32(bytes, fixedBytes, receipt.messages)
      writeU32(bytes, fixedBytes + 4, receipt.bytes)
      break
    case ReceiptStatus.dropped:
      bytes.writeUInt16BE(codeNumber(receipt.code), fixedBytes)
      writeU32(bytes, fixedBytes + 2, receipt.messages)
  }
  return bytes
}

/** @returns undefined where the bytes are no receipt: to be treated as CANNOT_OPEN */
export function decodeReceipt(bytes: Uint8Array): Receipt | undefined {
  const status = bytes[0]
  const tail = tailBytes(status)
  if (tail === undefined || bytes.length !== fixedBytes + tail) return undefined
  const ackUpTo = readU64(bytes, 9)
  if (ackUpTo === undefined) return undefined
  const acknowledged: Acknowledged = {
    flow: new Uint8Array(bytes.subarray(1, 9)),
    ackUpTo,
    bitmapLow: readU32(bytes, 21),
    bitmapHigh: readU32(bytes, 17),
  }
  switch (status as ReceiptStatus) {
    case ReceiptStatus.delivered:
    case ReceiptStatus.processed:
      return { ...acknowledged, status: status as typeof ReceiptStatus.delivered }
    case ReceiptStatus.creditAsked:
      return { ...acknowledged, status: ReceiptStatus.creditAsked }
    case ReceiptStatus.refused: {
      const code = codeAt(bytes)
      return code && { ...acknowledged, status: ReceiptStatus.refused, code }
    }
    case ReceiptStatus.dropped: {
      const code = codeAt(bytes)
      return code && { ...acknowledged, status: ReceiptStatus.dropped, code, messages: readU32(bytes, fixedBytes + 2) }
    }
    case ReceiptStatus.credit: {
      const [messages, creditBytes] = [readU32(bytes, fixedBytes), readU32(bytes, fixedBytes + 4)]
      return { ...acknowledged, status: ReceiptStatus.credit, messages, bytes: creditBytes }
    }
    case ReceiptStatus.unknownKey:
      return { ...acknowledged, status: ReceiptStatus.unknownKey, kid: new Uint8Array(bytes.subarray(fixedBytes)) }
    case ReceiptStatus.incarnation:
      return { ...acknowledged, status: ReceiptStatus.incarnation, incarnation: readU32(bytes, fixedBytes) }
  }
}

const codeAt = (bytes: Uint8Array): Code | undefined =>
  codeFromNumber((bytes[fixedBytes]! << 8) | bytes[fixedBytes + 1]!)

function tailBytes(status: number | undefined): number | undefined {
  switch (status) {
    case ReceiptStatus.delivered:
    case ReceiptStatus.processed:
    case ReceiptStatus.creditAsked:
      return 0
    case ReceiptStatus.refused:
      return 2
    case ReceiptStatus.dropped:
      return 6
    case ReceiptStatus.credit:
      return 8
    case ReceiptStatus.unknownKey:
      return 16
    case ReceiptStatus.incarnation:
      return 4
    default:
      return undefined
  }
}
