import { lp8, text, u8, u16, u32, u64 } from './bytes.mjs'

const op = { open: 1, accept: 2, data: 3, end: 4, credit: 5, reset: 6, stop: 7, carry: 8 }
const acceptor = 0x80
const encodings = { none: 0, bytes: 1, text: 2, json: 3, custom: 4 }

const data = (offset, encoding, body) => u8(op.data) + u64(offset) + u8(encodings[encoding]) + body
const end = (length) => u8(op.end) + u64(length)
const meta = text('{"tenant":7}')

/** What a stream that granted 1,024 bytes once must make of records of one direction, the last one deciding. */
const direction = (name, outcome, records, offset) => ({
  name,
  records,
  outcome,
  ...(offset === undefined ? {} : { offset }),
})

export const streams = () => ({
  about:
    'Payloads of stream records, and what a receiver that granted 1,024 bytes, and no more, makes of one direction (SPEC.md, "Streams"). Bytes are hex.',
  records: [
    { name: 'open, without a body', bytes: u8(op.open) + u32(262_144) + u8(encodings.none) + lp8('export') },
    {
      name: 'open, with meta and JSON',
      bytes: `${u8(op.open) + u32(1_024) + u8(encodings.json | 0x80) + lp8('export') + u16(meta.length / 2) + meta}${text('{"day":1}')}`,
    },
    { name: 'accept, nothing granted yet', bytes: u8(op.accept | acceptor) + u32(0) },
    { name: 'accept, by whom the input is read', bytes: u8(op.accept | acceptor) + u32(262_144) },
    { name: 'data of the opener', bytes: data(0, 'text', text('hello')) },
    { name: 'data of the acceptor', bytes: `${u8(op.data | acceptor) + u64(2 ** 32) + u8(encodings.bytes)}ff` },
    { name: 'an item without a body', bytes: data(3, 'none', '') },
    { name: 'end', bytes: end(2 ** 53 - 1) },
    { name: 'credit', bytes: u8(op.credit) + u32(65_536) },
    { name: 'reset', bytes: u8(op.reset) + text('{"code":"ABORTED","message":"its reader stopped"}') },
    { name: 'stop', bytes: u8(op.stop | acceptor) },
    {
      name: 'a call with a body of 2 MiB to come',
      bytes: u8(op.carry) + u8(3) + u64(2_097_152) + u64(7) + u8(encodings.bytes) + lp8('store'),
    },
    {
      name: 'an answer with a body of 2 MiB to come',
      bytes: u8(op.carry) + u8(4) + u64(2_097_152) + u64(7) + u8(0) + u8(encodings.json),
    },
  ],
  directions: [
    direction('nothing', 'complete', [end(0)], 0),
    direction(
      'bytes: the offset counts them',
      'complete',
      [data(0, 'bytes', '0102'), data(2, 'bytes', '03'), end(3)],
      3,
    ),
    direction(
      'items: the offset counts them, whatever their size',
      'complete',
      [data(0, 'text', text('hello')), data(1, 'json', text('{}')), data(2, 'none', ''), end(3)],
      3,
    ),
    direction('both', 'complete', [data(0, 'bytes', '0102'), data(2, 'text', text('hello')), end(3)], 3),
    direction('all of the credit, in bytes', 'complete', [data(0, 'bytes', '00'.repeat(992)), end(992)], 992),
    direction(
      'an item may take the rest of the credit and more',
      'complete',
      [data(0, 'text', '61'.repeat(900)), data(1, 'text', '61'.repeat(5_000)), end(2)],
      2,
    ),
    direction('bytes may not', 'MALFORMED', [data(0, 'bytes', '00'.repeat(993))]),
    direction('an item when nothing is left', 'MALFORMED', [data(0, 'text', '61'.repeat(992)), data(1, 'none', '')]),
    direction('a gap', 'STREAM_LOST', [data(0, 'bytes', '0102'), data(3, 'bytes', '04')], 2),
    direction('an item again', 'STREAM_LOST', [data(0, 'none', ''), data(0, 'none', '')], 1),
    direction('an end too early', 'STREAM_LOST', [data(0, 'bytes', '0102'), end(3)], 2),
    direction('an end too late', 'STREAM_LOST', [data(0, 'bytes', '0102'), end(1)], 2),
    direction('data after the end', 'MALFORMED', [end(0), data(0, 'none', '')]),
    direction('a second end', 'MALFORMED', [end(0), end(0)]),
    direction('no bytes', 'MALFORMED', [data(0, 'bytes', '')]),
    direction('encoding 5', 'MALFORMED', [`${u8(op.data) + u64(0)}05`]),
    direction('an encoding with a flag', 'MALFORMED', [`${u8(op.data) + u64(0)}81ff`]),
    direction('data without an encoding', 'MALFORMED', [u8(op.data) + u64(0)]),
    direction('an offset of 2^53', 'MALFORMED', [`${u8(op.data) + u64(2n ** 53n)}00`]),
    direction('an end of 7 bytes', 'MALFORMED', [end(0).slice(0, -2)]),
    direction('an end of 9 bytes', 'MALFORMED', [`${end(0)}00`]),
    direction('credit of 0', 'MALFORMED', [u8(op.credit) + u32(0)]),
    direction('credit over 2^31', 'MALFORMED', [u8(op.credit) + u32(2 ** 31 + 1)]),
    direction('credit of 3 bytes', 'MALFORMED', [`${u8(op.credit)}000001`]),
    direction('an unknown op', 'MALFORMED', [u8(9)]),
  ],
})
