import fc from 'fast-check'
import {
  coversCounter,
  decodeReceipt,
  encodeReceipt,
  type Receipt,
  ReceiptStatus,
} from '../../../client-lib/src/crypto/receipt.js'

const flow = Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8])
const common = { flow, ackUpTo: 2 ** 32 + 5, bitmapLow: 0x80000001, bitmapHigh: 0x40000000 }
const head = '0102030405060708' + '0000000100000005' + '4000000080000001'
const samples: [Receipt, string][] = [
  [{ ...common, status: ReceiptStatus.delivered }, `01${head}`],
  [{ ...common, status: ReceiptStatus.processed }, `02${head}`],
  [{ ...common, status: ReceiptStatus.refused, code: 'NO_HANDLER' }, `03${head}002b`],
  [{ ...common, status: ReceiptStatus.unknownKey, kid: new Uint8Array(16).fill(9) }, `04${head}${'09'.repeat(16)}`],
  [{ ...common, status: ReceiptStatus.incarnation, incarnation: 0xfedcba98 }, `05${head}fedcba98`],
  [{ ...common, status: ReceiptStatus.credit, messages: 7, bytes: 0xfffffffe }, `06${head}00000007fffffffe`],
  [{ ...common, status: ReceiptStatus.creditAsked }, `07${head}`],
  [{ ...common, status: ReceiptStatus.dropped, code: 'BUSY', messages: 0x89abcdef }, `08${head}000e89abcdef`],
]

it.each(samples)('writes and reads %j', (receipt, text) => {
  expect(encodeReceipt(receipt).toString('hex')).toBe(text)
  expect(decodeReceipt(Buffer.from(text, 'hex'))).toEqual(receipt)
})

it('reads into memory of its own', () => {
  const bytes = Buffer.from(samples[3]![1], 'hex')
  const receipt = decodeReceipt(bytes)
  bytes.fill(0)
  expect(receipt).toEqual(samples[3]![0])
})

it.each([
  ['nothing', ''],
  ['a status alone', '01'],
  ['status 0', `00${head}`],
  ['status 9', `09${head}`],
  ['credit of 4 bytes', `06${head}00000000`],
  ['dropped without a count', `08${head}002b`],
  ['a byte less', `01${head}`.slice(0, -2)],
  ['a byte more', `01${head}00`],
  ['a refusal without a code', `03${head}`],
  ['a refusal with a code that is not known', `03${head}ffff`],
  ['an unknown key without its kid', `04${head}0000`],
  ['an incarnation of 3 bytes', `05${head}000000`],
  ['a counter from 2^53 on', `01${head.replace('0000000100000005', '0020000000000000')}`],
])('refuses %s', (_, text) => {
  expect(decodeReceipt(Buffer.from(text, 'hex'))).toBeUndefined()
})

it('speaks of the counters below ackUpTo where they are done, and of those in the bitmap', () => {
  const covered = (receipt: Receipt) =>
    Array.from({ length: 140 }, (_, i) => i + 2 ** 32)
      .filter((n) => coversCounter(receipt, n))
      .map((n) => n - 2 ** 32)
  expect(covered(samples[0]![0])).toEqual([0, 1, 2, 3, 4, 5, 36, 67])
  expect(covered(samples[2]![0])).toEqual([5, 36, 67])
})

it('meets 100,000 random plaintexts with a receipt or nothing, and writes back what it read', () => {
  let read = 0
  const sized = fc.tuple(fc.nat(9), fc.uint8Array({ minLength: 24, maxLength: 42 }))
  fc.assert(
    fc.property(sized, ([status, rest]) => {
      const bytes = Uint8Array.of(status, ...rest)
      bytes.fill(0, 9, 11)
      const receipt = decodeReceipt(bytes)
      if (!receipt) return
      read += 1
      if (!encodeReceipt(receipt).equals(bytes)) throw new Error('written otherwise than read')
    }),
    { numRuns: 100_000 },
  )
  expect(read).toBeGreaterThan(100)
})
