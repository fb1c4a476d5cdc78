import {
  decodeAccepted,
  decodeAnnounce,
  decodeCredit,
  decodeJson,
  decodeOpen,
  decodeReject,
  decodeStatus,
  encodeAccepted,
  encodeAnnounce,
  encodeCredit,
  encodeFrame,
  encodeJson,
  encodeLp8,
  encodeOpen,
  encodeReject,
  encodeStatus,
  FrameType,
  headerBytes,
  parseJson,
  readLp8,
  readU32,
  writeHeader,
  writeU32,
} from '@sealway/protocol'
import fc from 'fast-check'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const body = (frame: Uint8Array) => frame.subarray(headerBytes)
const bytes = (text: string) => Buffer.from(text, 'hex')
const frameId = bytes('00112233445566778899aabbccddeeff')
const malformed = expect.objectContaining({ code: 'MALFORMED' })

it('writes a header as length, type, flags, two zeros, route; big endian', () => {
  const frame = Buffer.alloc(14, 0xff)
  writeHeader(frame, 1, FrameType.send, 1, 0xa1b2c3d4, 0x01020304)
  expect(hex(frame)).toBe('ff010203040b010000a1b2c3d4ff')
})

it('reads and writes 32 bits without a sign', () => {
  const four = Buffer.alloc(4)
  for (const value of [0, 1, 0x7fffffff, 0x80000000, 0xffffffff]) {
    writeU32(four, 0, value)
    expect(readU32(four, 0)).toBe(value)
    expect(four.readUInt32BE()).toBe(value)
  }
})

it('writes each body as SPEC.md lays it out', () => {
  expect(hex(encodeFrame(FrameType.ping, 0, bytes('cafe')))).toBe('000000020400000000000000cafe')
  expect(hex(encodeFrame(FrameType.send, 9, bytes('cafe'), 1))).toBe('000000020b01000000000009cafe')
  expect(hex(encodeFrame(FrameType.retire, 7))).toBe('000000000a00000000000007')
  expect(hex(encodeJson(FrameType.query, { a: 1 }, 5))).toBe(`000000071000000000000005${hex(Buffer.from('{"a":1}'))}`)
  expect(hex(body(encodeOpen(3, 'b', 'g1')))).toBe('0162026731')
  expect(hex(body(encodeAnnounce(3, 'a', 'b', 'g1')))).toBe('01610162026731')
  expect(hex(body(encodeCredit(3, 65_536, 16)))).toBe('0001000000000010')
  expect(hex(body(encodeReject(3, 0x010d, frameId)))).toBe(`010d${hex(frameId)}`)
  expect(hex(body(encodeAccepted(3, frameId, ['a', 'bc'])))).toBe(`${hex(frameId)}000000020161026263`)
  expect(hex(body(encodeStatus(3, true, 0x01020304)))).toBe('0101020304')
  expect(hex(body(encodeStatus(3, false, 0)))).toBe('0000000000')
})

it('reads each body back', () => {
  expect(decodeOpen(body(encodeOpen(3, 'any:orders', 'orders')))).toEqual({ to: 'any:orders', scope: 'orders' })
  expect(decodeAnnounce(body(encodeAnnounce(3, 'a', 'b', 'g')))).toEqual({ from: 'a', to: 'b', scope: 'g' })
  expect(decodeCredit(body(encodeCredit(3, 2 ** 32 - 1, 0)))).toEqual({ bytes: 2 ** 32 - 1, frames: 0 })
  expect(decodeReject(body(encodeReject(3, 14, frameId)))).toEqual({ code: 14, frameId: new Uint8Array(frameId) })
  expect(decodeStatus(body(encodeStatus(3, true, 0xfffffffe)))).toEqual({ online: true, incarnation: 0xfffffffe })
  expect(decodeAccepted(body(encodeAccepted(3, frameId, [])))).toEqual({
    frameId: new Uint8Array(frameId),
    names: [],
  })
  expect(decodeAccepted(body(encodeAccepted(3, frameId, ['a', 'b']))).names).toEqual(['a', 'b'])
})

it.each([
  ['an open whose text runs past the end', () => decodeOpen(bytes('0561'))],
  ['an open without a scope', () => decodeOpen(bytes('0161'))],
  ['an open with bytes left over', () => decodeOpen(bytes('016101620000'))],
  ['an announce without a scope', () => decodeAnnounce(bytes('01610162'))],
  ['text that is not UTF-8', () => decodeOpen(bytes('01ff0161'))],
  ['a credit that is too short', () => decodeCredit(bytes('00000001000000'))],
  ['a credit that is too long', () => decodeCredit(bytes('000000010000000100'))],
  ['a reject that is too short', () => decodeReject(bytes('000d00'))],
  ['an accepted that is too short', () => decodeAccepted(bytes('0011'))],
  ['an accepted that lies about its count', () => decodeAccepted(Buffer.concat([frameId, bytes('ffffffff0161')]))],
  ['an accepted with names left over', () => decodeAccepted(Buffer.concat([frameId, bytes('0000000101610162')]))],
  ['a status without an incarnation', () => decodeStatus(bytes('01'))],
  ['a status of 2', () => decodeStatus(bytes('0200000000'))],
  ['an empty text', () => readLp8(bytes(''), 0)],
])('refuses %s', (_, decode) => {
  expect(decode).toThrow(malformed)
})

it('refuses to write a text over 255 bytes', () => {
  expect(() => encodeLp8('ä'.repeat(128))).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  expect(encodeLp8('a'.repeat(255))).toHaveLength(256)
})

describe('JSON of control frames', () => {
  it.each([
    ['{"a":[1,{"b":"\\u00e4"}]}', { a: [1, { b: 'ä' }] }],
    ['{"a":"__proto__"}', { a: '__proto__' }],
    ['{"prototypes":1}', { prototypes: 1 }],
  ])('reads %s', (text, value) => {
    expect(decodeJson(Buffer.from(text))).toEqual(value)
  })

  it.each([
    '{"__proto__":{"x":1}}',
    '{"a":[{"__proto__":{"x":1}}]}',
    '{"constructor":1}',
    '{"prototype":1}',
    '{"_\\u005fproto__":{"x":1}}',
    '{"\\u005f_proto__":{"x":1}}',
    '{"const\\u0072uctor":1}',
    '{"__proto__" :1}',
  ])('refuses the key in %s, and pollutes nothing', (text) => {
    expect(() => parseJson(text)).toThrow(malformed)
    expect(({} as { x?: number }).x).toBeUndefined()
  })

  it.each([
    ['not JSON', '{'],
    ['nothing', ''],
    ['two values', '1 2'],
  ])('refuses %s', (_, text) => {
    expect(() => decodeJson(Buffer.from(text))).toThrow(malformed)
  })

  it('refuses bytes that are not UTF-8', () => {
    expect(() => decodeJson(bytes('22ff22'))).toThrow(malformed)
  })
})

it('meets 100,000 random bodies with a value or MALFORMED, and nothing else', () => {
  const decoders = [decodeOpen, decodeAnnounce, decodeCredit, decodeReject, decodeAccepted, decodeStatus, decodeJson]
  let refused = 0
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 48 }), fc.nat(decoders.length - 1), (random, which) => {
      try {
        decoders[which]!(random)
      } catch (error) {
        refused += 1
        if ((error as { code?: string }).code !== 'MALFORMED') throw error
      }
    }),
    { numRuns: 100_000 },
  )
  expect(refused).toBeGreaterThan(10_000)
})
