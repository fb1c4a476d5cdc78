import { Kind } from '@sealway/protocol'
import fc from 'fast-check'
import { BundleWriter, maxBundleBytes, maxRecordOverhead, RecordCursor } from '../../../client-lib/src/crypto/bundle.js'

interface Record {
  readonly kind: number
  readonly payload: Uint8Array
  readonly msgId?: Uint8Array | undefined
  readonly corr?: number | undefined
  readonly ttlMs?: number | undefined
}

const write = (writer: BundleWriter, { kind, payload, msgId, corr, ttlMs }: Record) =>
  writer.append(kind, payload, msgId, corr, ttlMs)

/** All records of a bundle, or undefined where it is malformed. */
function read(plaintext: Uint8Array, cursor = new RecordCursor()): Record[] | undefined {
  const count = cursor.open(Buffer.from(plaintext))
  if (count < 0) return undefined
  const records: Record[] = []
  while (cursor.next()) {
    const { bytes, kind, msgIdAt, corr, ttlMs, payloadStart, payloadEnd } = cursor
    records.push({
      kind,
      payload: new Uint8Array(bytes.subarray(payloadStart, payloadEnd)),
      msgId: msgIdAt < 0 ? undefined : new Uint8Array(bytes.subarray(msgIdAt, msgIdAt + 16)),
      corr: corr < 0 ? undefined : corr,
      ttlMs: ttlMs < 0 ? undefined : ttlMs,
    })
  }
  expect(records).toHaveLength(count)
  return records
}

const bytes = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')
const msgId = new Uint8Array(16).fill(0xaa)

it('lays a record out as SPEC.md does', () => {
  const writer = new BundleWriter()
  writer.append(Kind.fire, Buffer.from('hi'))
  writer.append(Kind.call, Buffer.from('x'), msgId, 2 ** 40 + 3, 5_000)
  writer.append(Kind.reply, Buffer.alloc(0), undefined, 0, 0)
  expect(writer.take()).toEqual(
    bytes(
      `00000004 01 00 6869
       0000001f 03 07 ${'aa'.repeat(16)} 0000010000000003 00001388 78
       0000000e 04 06 0000000000000000 00000000`.replaceAll('\n', ''),
    ),
  )
  expect([writer.records, writer.bytes]).toEqual([3, writer.take().length])
})

const anyRecord = fc.record<Record>({
  kind: fc.integer({ min: 1, max: 8 }),
  payload: fc.uint8Array({ maxLength: 60 }),
  msgId: fc.option(fc.uint8Array({ minLength: 16, maxLength: 16 }), { nil: undefined }),
  corr: fc.option(fc.maxSafeNat(), { nil: undefined }),
  ttlMs: fc.option(fc.nat(0xffff_ffff), { nil: undefined }),
})

it('reads back what was written, with one writer and one cursor for all bundles', () => {
  const writer = new BundleWriter(4_096)
  const cursor = new RecordCursor()
  fc.assert(
    fc.property(fc.array(anyRecord, { maxLength: 20 }), fc.boolean(), (records, padded) => {
      writer.reset()
      for (const record of records) expect(write(writer, record)).toBe(true)
      if (padded) expect(writer.pad(writer.bytes + 64)).toBe(true)
      expect(read(writer.take(), cursor)).toEqual(records)
    }),
    { numRuns: 2_000 },
  )
})

it('lets a payload be written in place, shorter than announced, or not at all', () => {
  const writer = new BundleWriter(256)
  const at = writer.begin(Kind.fire, 100)
  writer.end(at + writer.buffer.write('abc', at))
  writer.begin(Kind.fire, 100)
  const after = writer.begin(Kind.acked, 10)
  writer.end(after)
  expect(read(writer.take())?.map(({ kind, payload }) => [kind, Buffer.from(payload).toString()])).toEqual([
    [Kind.fire, 'abc'],
    [Kind.acked, ''],
  ])
})

it('says when a bundle is full, by bytes and by records', () => {
  const writer = new BundleWriter(1_000)
  expect(writer.append(Kind.fire, Buffer.alloc(900))).toBe(true)
  expect(writer.append(Kind.fire, Buffer.alloc(100))).toBe(false)
  expect(writer.records).toBe(1)
  const many = new BundleWriter()
  for (let i = 0; i < 4_096; i++) expect(many.append(Kind.fire, Buffer.alloc(0))).toBe(true)
  expect(many.append(Kind.fire, Buffer.alloc(0))).toBe(false)
  expect(read(many.take())).toHaveLength(4_096)
})

it('sends a large record alone, in memory that is given back afterwards', () => {
  const writer = new BundleWriter(1_000, 10_000)
  const large = Buffer.alloc(10_000 - maxRecordOverhead, 1)
  writer.append(Kind.fire, Buffer.alloc(1))
  expect(writer.append(Kind.fire, large)).toBe(false)
  writer.reset()
  expect(writer.append(Kind.fire, Buffer.alloc(large.length + 1))).toBe(false)
  expect(writer.append(Kind.fire, large)).toBe(true)
  expect(writer.append(Kind.fire, Buffer.alloc(0))).toBe(false)
  expect(read(writer.take())).toEqual([{ kind: Kind.fire, payload: new Uint8Array(large) }])
  writer.reset()
  expect(writer.buffer.length).toBe(1_000)
})

it('takes a record out again, at any place, and goes on', () => {
  for (const taken of [0, 1, 2]) {
    const writer = new BundleWriter(200)
    const bounds = ['a', 'bb', 'ccc'].map((payload) => {
      const start = writer.bytes
      writer.append(Kind.fire, Buffer.from(payload))
      return [start, writer.bytes] as const
    })
    writer.cut(...bounds[taken]!)
    writer.append(Kind.fire, Buffer.from('d'))
    const left = ['a', 'bb', 'ccc'].filter((_, i) => i !== taken)
    expect(read(writer.take())?.map(({ payload }) => Buffer.from(payload).toString())).toEqual([...left, 'd'])
    expect(writer.records).toBe(3)
  }
})

it('fits a full bundle, sealed, into the largest frame', () => {
  expect(maxBundleBytes + 96).toBe(1024 * 1024)
})

it('takes nothing after the padding, and pads only where there is room', () => {
  const writer = new BundleWriter(100)
  writer.append(Kind.fire, Buffer.alloc(4))
  expect([writer.pad(13), writer.pad(101), writer.pad(14)]).toEqual([false, false, true])
  expect(writer.append(Kind.fire, Buffer.alloc(0))).toBe(false)
  writer.reset()
  expect(writer.append(Kind.fire, Buffer.alloc(0))).toBe(true)
})

const good = '00000003 01 00 78'
it.each([
  ['a length that is cut', '000000'],
  ['a length that runs past the end', '00000004 01 00 78'],
  ['a length of 2^32 - 1', 'ffffffff 01 00'],
  ['a record without flags', '00000001 01'],
  ['kind 0', '00000002 00 00'],
  ['a bundle in a bundle', '00000002 09 00'],
  ['kind 255', '00000002 ff 00'],
  ['a flag that is not known', '00000002 01 08'],
  ['a message id that is cut', `00000011 01 01 ${'aa'.repeat(15)}`],
  ['a correlation that is cut', `00000009 01 02 ${'00'.repeat(7)}`],
  ['a correlation from 2^53 on', '0000000a 01 02 0020000000000000'],
  ['such a correlation behind a message id', `0000001a 01 03 ${'aa'.repeat(16)} ffffffffffffffff`],
  ['a ttl that is cut', '00000005 01 04 000000'],
  ['padding that is not zero', '00000000 00 01'],
  ['padding of 3 bytes', '000000'],
])('refuses %s, and the good record before it too', (_, text) => {
  expect(read(bytes(text))).toBeUndefined()
  expect(read(bytes(good + text))).toBeUndefined()
})

it('refuses 4,097 records', () => {
  expect(read(bytes('00000002 01 00'.repeat(4_096)))).toHaveLength(4_096)
  expect(read(bytes('00000002 01 00'.repeat(4_097)))).toBeUndefined()
})

it('takes an empty bundle, and one of padding only, for no records', () => {
  expect([read(bytes('')), read(bytes('00000000')), read(new Uint8Array(500))]).toEqual([[], [], []])
})

it('meets 100,000 random plaintexts with records or a refusal', () => {
  const cursor = new RecordCursor()
  const writer = new BundleWriter(4_096)
  const counts = { records: 0, refused: 0 }
  const flips = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 })
  const spoilt = fc.tuple(fc.array(anyRecord, { maxLength: 3 }), flips).map(([records, changes]) => {
    writer.reset()
    for (const record of records) write(writer, record)
    const plaintext = Buffer.from(writer.take())
    for (const [at, value] of changes) if (plaintext.length > 0) plaintext[at % plaintext.length] = value
    return plaintext
  })
  fc.assert(
    fc.property(fc.oneof(spoilt, fc.uint8Array({ maxLength: 40 })), (plaintext) => {
      const count = cursor.open(Buffer.from(plaintext))
      if (count < 0) counts.refused += 1
      let records = 0
      let end = 0
      while (cursor.next()) {
        if (cursor.payloadStart < end || cursor.payloadEnd < cursor.payloadStart) throw new Error('records overlap')
        end = cursor.payloadEnd
        records += 1
      }
      if (end > plaintext.length || records !== Math.max(count, 0)) throw new Error('records run past the end')
      counts.records += records
    }),
    { numRuns: 100_000 },
  )
  expect(Math.min(counts.records, counts.refused)).toBeGreaterThan(1_000)
})
