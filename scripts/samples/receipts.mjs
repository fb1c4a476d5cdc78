import { u8, u16, u32, u64 } from './bytes.mjs'

const flow = 'a0a1a2a3a4a5a6a7'

function receipt(name, { status, ackUpTo = 0, bitmap = '0000000000000000', code, kid, incarnation }) {
  const tail = code === undefined ? (kid ?? (incarnation === undefined ? '' : u32(incarnation))) : u16(code)
  return {
    name,
    receipt: { status, flow, ackUpTo, bitmap, code, kid, incarnation },
    bytes: u8(status) + flow + u64(ackUpTo) + bitmap + tail,
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
  ]
  const delivered = good[1].bytes
  return {
    about: 'Plaintexts of receipts (SPEC.md, "Receipts"). Bytes and bitmaps are hex; code is a number of the table.',
    good,
    malformed: [
      { name: 'nothing', bytes: '' },
      { name: 'status 0', bytes: `00${delivered.slice(2)}` },
      { name: 'status 6', bytes: `06${delivered.slice(2)}` },
      { name: 'a byte less', bytes: delivered.slice(0, -2) },
      { name: 'a byte more', bytes: `${delivered}00` },
      { name: 'refused without a code', bytes: `03${delivered.slice(2)}` },
      { name: 'refused with a code that is not known', bytes: `03${delivered.slice(2)}ffff` },
      { name: 'unknown key with half a kid', bytes: `04${delivered.slice(2)}6738785467387854` },
      { name: 'incarnation of 3 bytes', bytes: `05${delivered.slice(2)}010203` },
      { name: 'ackUpTo of 2^53', bytes: `01${flow}00200000000000000000000000000000` },
    ],
  }
}
