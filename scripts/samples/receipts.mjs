import { u8, u16, u32, u64 } from './bytes.mjs'

const flow = 'a0a1a2a3a4a5a6a7'

/** The tail has the fields of its status in this order; no status has all of them. */
const tailOf = ({ code, kid = '', incarnation, messages, bytes }) =>
  (code === undefined ? '' : u16(code)) +
  kid +
  [incarnation, messages, bytes].map((field) => (field === undefined ? '' : u32(field))).join('')

function receipt(name, { status, ackUpTo = 0, bitmap = '0000000000000000', ...fields }) {
  const { code, kid, incarnation, messages, bytes } = fields
  return {
    name,
    receipt: { status, flow, ackUpTo, bitmap, code, kid, incarnation, messages, bytes },
    bytes: u8(status) + flow + u64(ackUpTo) + bitmap + tailOf(fields),
  }
}

export const receipts = () => {
  const good = [
    receipt('nothing yet', { status: 1 }),
    receipt('delivered below 7', { status: 1, ackUpTo: 7 }),
    receipt('processed below 2^53 - 1, and some above', {
      status: 2,
      ackUpTo: 2 ** 53 - 1,
      bitmap: '8000000100000002',
    }),
    receipt('refused: no handler, counter 5', { status: 3, ackUpTo: 5, bitmap: '0000000000000001', code: 43 }),
    receipt('unknown key', {
      status: 4,
      ackUpTo: 0,
      bitmap: '0000000000000001',
      kid: '673878543e02f64684f83c49473ec299',
    }),
    receipt('another incarnation', { status: 5, ackUpTo: 3, bitmap: '0000000000000001', incarnation: 0x89abcdef }),
    receipt('credit: 1,024 messages and 1 MiB beyond counter 11', {
      status: 6,
      ackUpTo: 12,
      messages: 1_024,
      bytes: 0x10_0000,
    }),
    receipt('credit: none for now', { status: 6, ackUpTo: 4_097, messages: 0, bytes: 0 }),
    receipt('credit asked', { status: 7 }),
    receipt('dropped: 70,000 messages, for want of room', { status: 8, ackUpTo: 99, code: 14, messages: 70_000 }),
  ]
  const delivered = good[1].bytes
  return {
    about: 'Plaintexts of receipts (SPEC.md, "Receipts"). Bytes and bitmaps are hex; code is a number of the table.',
    good,
    malformed: [
      { name: 'nothing', bytes: '' },
      { name: 'status 0', bytes: `00${delivered.slice(2)}` },
      { name: 'status 9', bytes: `09${delivered.slice(2)}` },
      { name: 'a byte less', bytes: delivered.slice(0, -2) },
      { name: 'a byte more', bytes: `${delivered}00` },
      { name: 'refused without a code', bytes: `03${delivered.slice(2)}` },
      { name: 'refused with a code that is not known', bytes: `03${delivered.slice(2)}ffff` },
      { name: 'unknown key with half a kid', bytes: `04${delivered.slice(2)}6738785467387854` },
      { name: 'incarnation of 3 bytes', bytes: `05${delivered.slice(2)}010203` },
      { name: 'credit without bytes', bytes: `06${delivered.slice(2)}00000400` },
      { name: 'credit asked with a tail', bytes: `07${delivered.slice(2)}00` },
      { name: 'dropped without a count', bytes: `08${delivered.slice(2)}000e` },
      { name: 'dropped with a code that is not known', bytes: `08${delivered.slice(2)}ffff00000001` },
      { name: 'ackUpTo of 2^53', bytes: `01${flow}00200000000000000000000000000000` },
    ],
  }
}
