import { codeNumber, writeU32 } from '@sealway/protocol'
import { type Receipt, ReceiptStatus } from '../crypto/receipt.js'
import { writeU64 } from '../crypto/u64.js'
import { type Bytes, joined } from './bytes.js'

/** The plaintext of a receipt (SPEC.md, "Receipts"); what reads them is the Node library's. */
export function encodeReceipt(receipt: Receipt): Bytes {
  const fixed = new Uint8Array(25)
  fixed[0] = receipt.status
  fixed.set(receipt.flow.subarray(0, 8), 1)
  writeU64(fixed, 9, receipt.ackUpTo)
  writeU32(fixed, 17, receipt.bitmapHigh)
  writeU32(fixed, 21, receipt.bitmapLow)
  return joined([fixed, tailOf(receipt)])
}

function tailOf(receipt: Receipt): Uint8Array {
  switch (receipt.status) {
    case ReceiptStatus.refused:
      return Uint8Array.of(codeNumber(receipt.code) >>> 8, codeNumber(receipt.code))
    case ReceiptStatus.unknownKey:
      return receipt.kid.subarray(0, 16)
    case ReceiptStatus.incarnation: {
      const tail = new Uint8Array(4)
      writeU32(tail, 0, receipt.incarnation)
      return tail
    }
    case ReceiptStatus.credit: {
      const tail = new Uint8Array(8)
      writeU32(tail, 0, receipt.messages)
      writeU32(tail, 4, receipt.bytes)
      return tail
    }
    case ReceiptStatus.dropped: {
      const tail = new Uint8Array(6)
      tail.set([codeNumber(receipt.code) >>> 8, codeNumber(receipt.code)])
      writeU32(tail, 2, receipt.messages)
      return tail
    }
    default:
      return new Uint8Array(0)
  }
}
