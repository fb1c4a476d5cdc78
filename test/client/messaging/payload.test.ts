import fc from 'fast-check'
import { ActionNames, BodyWriter, decodeBody, Encoding } from '../../../client-lib/src/messaging/payload.js'

const writer = new BodyWriter()

/** There and back. */
function roundTrip(body: unknown): unknown {
  writer.prepare(body)
  const target = Buffer.alloc(writer.size + 10, 0xee)
  const { encoding, size } = writer
  const end = writer.write(target, 5)
  expect(end).toBe(5 + size)
  expect(target.subarray(0, 5)).toEqual(Buffer.alloc(5, 0xee))
  expect(target.subarray(end)).toEqual(Buffer.alloc(5, 0xee))
  return decodeBody(encoding, target, 5, end)
}

const poison = ['__proto__', 'constructor', 'prototype']
const json = fc.jsonValue().filter((value) => !poison.some((key) => JSON.stringify(value).includes(key)))

describe('a body', () => {
  it('comes back as it was: any JSON value', () => {
    fc.assert(
      fc.property(json, (value) => {
        expect(roundTrip(value)).toEqual(value)
      }),
      { numRuns: 500 },
    )
  })

  it('comes back as it was: any text without lone surrogates', () => {
    fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (text) => expect(roundTrip(text)).toBe(text)))
  })

  it('comes back as it was: any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), (bytes) => expect(roundTrip(bytes)).toEqual(Buffer.from(bytes))),
    )
  })

  it.each<[string, unknown, number]>([
    ['nothing', undefined, Encoding.none],
    ['bytes', new Uint8Array([1]), Encoding.bytes],
    ['an array buffer', new ArrayBuffer(3), Encoding.bytes],
    ['text', 'x', Encoding.text],
    ['null', null, Encoding.json],
    ['false', false, Encoding.json],
    ['a date', new Date(0), Encoding.json],
  ])('is marked as what it is: %s', (_what, body, encoding) => {
    writer.prepare(body)
    expect(writer.encoding).toBe(encoding)
  })

  it('takes what toJSON makes of itself', () => {
    expect(roundTrip({ at: new Date(0), deep: [{ toJSON: () => 7 }] })).toEqual({
      at: '1970-01-01T00:00:00.000Z',
      deep: [7],
    })
  })

  it('leaves out fields that are undefined', () => {
    expect(roundTrip({ a: undefined, b: [1] })).toStrictEqual({ b: [1] })
  })

  it('may be nested as deep as anybody needs, and no deeper', () => {
    const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)])
    expect(roundTrip(nested(500))).toEqual(nested(500))
    expect(() => writer.prepare(nested(600))).toThrow(expect.objectContaining({ code: 'UNSERIALISABLE' }))
  })

  it('after one that was refused is written as itself', () => {
    writer.prepare(Buffer.from('never written'))
    expect(() => writer.prepare({ n: Number.NaN })).toThrow()
    expect(roundTrip('after')).toBe('after')
    expect(roundTrip(undefined)).toBeUndefined()
  })

  it('goes through the codec, where there is one; but nothing stays nothing', () => {
    const codec = {
      encode: (body: unknown) => Buffer.from(`<${body}>`),
      decode: (bytes: Uint8Array) => Buffer.from(bytes).toString(),
    }
    const custom = new BodyWriter(codec)
    custom.prepare(5)
    const target = Buffer.alloc(custom.size)
    expect(custom.encoding).toBe(Encoding.custom)
    custom.write(target, 0)
    expect(decodeBody(Encoding.custom, target, 0, target.length, codec)).toBe('<5>')
    custom.prepare(undefined)
    expect([custom.encoding, custom.size]).toEqual([Encoding.none, 0])
  })

  it('that the codec refuses is UNSERIALISABLE, with its reason', () => {
    const reason = new Error('not mine')
    const custom = new BodyWriter({
      encode: () => {
        throw reason
      },
      decode: () => 0,
    })
    expect(() => custom.prepare(1)).toThrow(expect.objectContaining({ code: 'UNSERIALISABLE', cause: reason }))
  })
})

describe('bytes that arrive as a body', () => {
  it.each<[string, number, string]>([
    ['JSON that is none', Encoding.json, '{'],
    ['JSON that is empty', Encoding.json, ''],
    ['JSON with a poisoned key', Encoding.json, '{"a":{"__proto__":{"x":1}}}'],
    ['JSON with a poisoned key behind an escape', Encoding.json, '{"\\u005f_proto__":1}'],
    ['an encoding that does not exist', 9, 'x'],
    ['a custom encoding without a codec', Encoding.custom, 'x'],
  ])('are refused: %s', (_what, encoding, text) => {
    const bytes = Buffer.from(text)
    expect(() => decodeBody(encoding, bytes, 0, bytes.length)).toThrow(expect.objectContaining({ code: 'MALFORMED' }))
    expect(({} as { x?: unknown }).x).toBeUndefined()
  })

  it('never do more than throw what is named, whatever they are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.integer({ min: 0, max: 15 }), (bytes, encoding) => {
        try {
          decodeBody(encoding, Buffer.from(bytes), 0, bytes.length)
        } catch (error) {
          expect(error).toMatchObject({ code: 'MALFORMED' })
        }
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('the names of actions', () => {
  it('come back as they were, also when they alternate', () => {
    const names = new ActionNames()
    fc.assert(
      fc.property(fc.array(fc.string({ minLength: 1, maxLength: 60, unit: 'grapheme' }), { minLength: 1 }), (list) => {
        for (const name of list.filter((text) => Buffer.byteLength(text) <= 255)) {
          const bytes = Buffer.from(names.encode(name))
          expect(names.decode(Buffer.concat([Buffer.from('..'), bytes, Buffer.from('..')]), 2, 2 + bytes.length)).toBe(
            name,
          )
        }
      }),
    )
  })

  it('are told apart where one begins like the last', () => {
    const names = new ActionNames()
    const bytes = Buffer.from('quotes')
    expect(names.decode(bytes, 0, 5)).toBe('quote')
    expect(names.decode(bytes, 0, 6)).toBe('quotes')
    expect(names.decode(bytes, 1, 6)).toBe('uotes')
    bytes.fill('x')
    expect(names.decode(Buffer.from('uotes'), 0, 5)).toBe('uotes')
  })

  it('do not fill the memory, however many there are', () => {
    const names = new ActionNames()
    for (let i = 0; i < 20_000; i++) names.encode(`action ${i}`)
    const held = (names as unknown as { encoded: Map<string, unknown> }).encoded.size
    expect(held).toBeLessThanOrEqual(4_096)
    expect(Buffer.from(names.encode('action 1')).toString()).toBe('action 1')
  })
})
