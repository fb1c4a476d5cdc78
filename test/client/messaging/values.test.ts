import { readFileSync } from 'node:fs'
import { encodeBody } from '../../../client-lib/src/browser/message.js'
import { toJson } from '../../../client-lib/src/messaging/json.js'
import { BodyWriter, decodeBody } from '../../../client-lib/src/messaging/payload.js'
import { Net } from '../../support/net.js'
import { rejection, until } from '../../support/until.js'

interface Example {
  readonly sent: unknown
  /** The value that arrives; absent where it is refused. */
  readonly got?: unknown
  /** What the error says behind the label. */
  readonly says?: string
}

class Order {
  constructor(readonly id: number) {}
}
class Money {
  constructor(readonly cents: number) {}
  toJSON() {
    return { cents: this.cents, at: -0 }
  }
}

const circle: { deep: { self?: unknown } } = { deep: {} }
circle.deep.self = circle
const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)])
const withoutPrototype = Object.assign(Object.create(null), { a: 1 })
const lone = 'a\ud800b'
// biome-ignore lint/suspicious/noSparseArray: the hole is what is tested
const holes = [1, , 3]
const exactly = (...values: unknown[]): Example[] => values.map((value) => ({ sent: value, got: value }))

/** By the first column of the tables in docs/values.md. */
const examples: { readonly [row: string]: readonly Example[] } = {
  '`undefined`': exactly(undefined),
  'Uint8Array, Buffer': [
    { sent: Buffer.from('ab'), got: Buffer.from('ab') },
    { sent: Uint8Array.of(1, 2), got: Buffer.from([1, 2]) },
  ],
  ArrayBuffer: [{ sent: Uint8Array.of(1, 2).buffer, got: Buffer.from([1, 2]) }],
  text: exactly('', 'ü€', lone, '\udc00', [lone], { [lone]: lone }),
  'null, true, false': exactly(null, true, false, [null, true, false]),
  'finite numbers': exactly(-0, [-0], { a: -0, b: 0, c: 1e21, d: 5e-324, e: Number.MAX_SAFE_INTEGER }),
  arrays: [...exactly([], [1, ['a', [null]]]), { sent: Object.assign([1], { extra: 2 }), got: [1] }],
  'object literals': [...exactly({}, { a: { b: [{ c: 'd' }] } }), { sent: { a: 1, [Symbol('s')]: 2 }, got: { a: 1 } }],
  'objects without a prototype': [
    { sent: { in: withoutPrototype }, got: { in: { a: 1 } } },
    { sent: Object.assign(Object.create(Object.create(null)), { a: 1 }), got: { a: 1 } }, // request.params of Fastify
  ],
  getters: [
    {
      sent: {
        get a() {
          return -0
        },
      },
      got: { a: -0 },
    },
  ],
  'fields that are `undefined`': [
    { sent: { a: undefined, b: 1 }, got: { b: 1 } },
    { sent: { a: undefined, b: -0 }, got: { b: -0 } },
  ],
  Date: [
    { sent: { at: new Date(0) }, got: { at: '1970-01-01T00:00:00.000Z' } },
    { sent: [new Date(0), -0], got: ['1970-01-01T00:00:00.000Z', -0] },
  ],
  'objects with `toJSON`': [
    { sent: new Money(5), got: { cents: 5, at: -0 } },
    { sent: { url: new URL('http://h/x') }, got: { url: 'http://h/x' } },
    { sent: { by: { toJSON: (key: string) => key } }, got: { by: 'by' } },
    { sent: [{ toJSON: (key: string) => key }], got: ['0'] },
    { sent: { a: { toJSON: () => undefined } }, got: {} },
    { sent: { a: { toJSON: () => new Map() } }, says: '.a cannot be encoded: a Map' },
    { sent: { toJSON: () => undefined }, says: ' cannot be encoded: its toJSON gives nothing' },
  ],
  'invalid Date': [
    { sent: { items: [{ when: new Date(Number.NaN) }] }, says: '.items[0].when cannot be encoded: it is an' },
  ],
  'NaN, Infinity': [
    { sent: Number.NaN, says: ' cannot be encoded: NaN' },
    { sent: { n: [1, Number.NEGATIVE_INFINITY] }, says: '.n[1] cannot be encoded: -Infinity' },
  ],
  BigInt: [{ sent: { n: 1n }, says: '.n cannot be encoded: a BigInt' }],
  'functions, symbols': [
    { sent: { f() {} }, says: '.f cannot be encoded: a function' },
    { sent: [Symbol('s')], says: '[0] cannot be encoded: a symbol' },
  ],
  '`undefined` in an array': [{ sent: { a: [1, undefined] }, says: '.a[1] cannot be encoded: undefined in an array' }],
  'holes in an array': [{ sent: holes, says: '[1] cannot be encoded: a hole in an array' }],
  Error: [
    { sent: { cause: new TypeError('x') }, says: '.cause cannot be encoded: JSON leaves out' },
    { sent: new Error('x'), says: ' cannot be encoded: JSON leaves out' },
  ],
  RegExp: [{ sent: { 'a b': /x/ }, says: '["a b"] cannot be encoded: a RegExp' }],
  'Map, Set': [
    { sent: new Map([[1, 2]]), says: ' cannot be encoded: a Map' },
    { sent: { tags: new Set() }, says: '.tags cannot be encoded: a Set' },
  ],
  Promise: [{ sent: { a: Promise.resolve(1) }, says: '.a cannot be encoded: a Promise' }],
  'instances of a class': [
    { sent: { order: new Order(1) }, says: '.order cannot be encoded: an instance of Order' },
    { sent: [new (class {})()], says: '[0] cannot be encoded: an instance of Object' },
    { sent: { n: Object(3) }, says: '.n cannot be encoded: an instance of Number' },
    { sent: new WeakMap(), says: ' cannot be encoded: an instance of WeakMap' },
  ],
  'Buffer, typed arrays, ArrayBuffer, DataView inside': [
    { sent: { file: Buffer.from('x') }, says: '.file cannot be encoded: bytes' },
    { sent: { a: [new Float32Array(1)] }, says: '.a[0] cannot be encoded: bytes' },
    { sent: { a: new ArrayBuffer(1) }, says: '.a cannot be encoded: bytes' },
    { sent: { a: new DataView(new ArrayBuffer(1)) }, says: '.a cannot be encoded: bytes' },
  ],
  'a typed array other than Uint8Array as the whole body': [
    { sent: new Float64Array(2), says: ' cannot be encoded: bytes (Float64Array)' },
    { sent: new DataView(new ArrayBuffer(1)), says: ' cannot be encoded: bytes (DataView)' },
  ],
  circles: [{ sent: circle, says: '.deep.self cannot be encoded: it is in a circle' }],
  'nesting deeper than 512': [
    ...exactly(nested(512)),
    { sent: nested(600), says: `${'[0]'.repeat(66)}[0... cannot be encoded: it is nested deeper than 512` },
  ],
  'a getter, a proxy or a `toJSON` that throws': [
    {
      sent: {
        get a() {
          throw new Error('no')
        },
      },
      says: '.a cannot be encoded: no',
    },
    {
      sent: {
        a: {
          toJSON() {
            throw new Error('no')
          },
        },
      },
      says: '.a cannot be encoded: no',
    },
    {
      sent: {
        a: new Proxy(
          {},
          {
            ownKeys() {
              throw new Error('no')
            },
          },
        ),
      },
      says: '.a cannot be encoded: no',
    },
  ],
  'the keys `__proto__`, `constructor`, `prototype`': [
    { sent: JSON.parse('{"a":{"__proto__":1}}'), says: '.a.__proto__ cannot be encoded' },
    { sent: { constructor: 1 }, says: '.constructor cannot be encoded' },
  ],
}

const rows = readFileSync('docs/values.md', 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| value |'))
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .filter(([, value]) => value !== 'anything else')
  .map(([, value, carried]) => ({ value: value!, carried: carried! }))

const writer = new BodyWriter()
function roundTrip(body: unknown): unknown {
  writer.prepare(body)
  const target = Buffer.alloc(writer.size)
  const { encoding } = writer
  writer.write(target, 0)
  return decodeBody(encoding, target, 0, target.length)
}

function pageTrip(body: unknown): unknown {
  const { encoding, bytes } = encodeBody(body)
  return decodeBody(encoding, Buffer.from(bytes), 0, bytes.length)
}

describe('the table of values', () => {
  it('has an example for each row, and a row for each example', () => {
    expect([...new Set(rows.map(({ value }) => value))].sort()).toEqual(Object.keys(examples).sort())
  })

  it.each(rows)('carries $value as it says: $carried', ({ value, carried }) => {
    for (const { sent, got, says } of examples[value]!) {
      for (const trip of [roundTrip, pageTrip]) {
        if (says === undefined) {
          // toBe tells -0 from 0, and toStrictEqual a field that is undefined from none.
          expect(trip(sent)).toStrictEqual(got)
        } else {
          expect(() => trip(sent)).toThrow(
            expect.objectContaining({
              code: 'UNSERIALISABLE',
              outcome: 'not-delivered',
              message: expect.stringContaining(`body${says}`),
            }),
          )
        }
      }
    }
    expect(examples[value]!.some(({ says }) => says !== undefined)).toBe(
      carried === 'refused' || value === 'objects with `toJSON`',
    )
  })

  it('writes what JSON.stringify writes for every value that JSON keeps', () => {
    const value = { a: [1, 'x', null, { b: new Date(5), c: undefined }], '"': '\u2028', 'ü 1': [[]] }
    expect(toJson(value, 'body')).toBe(JSON.stringify(value))
    // A -0 makes the other writer write all of it.
    expect(toJson({ ...value, z: -0 }, 'body')).toBe(JSON.stringify({ ...value, z: 7 }).replace(':7}', ':-0}'))
  })

  it('refuses an action with a lone surrogate, which UTF-8 cannot carry', async () => {
    const net = new Net()
    try {
      const alice = await net.join('alice')
      expect(await rejection(alice.send('alice', lone))).toMatchObject({ code: 'INVALID_ARGUMENT' })
    } finally {
      await net.close()
    }
  })
})

describe('an answer that cannot be carried', () => {
  const lines: { readonly fields: object; readonly text: string }[] = []
  const log = (fields: object, text: string) => void lines.push({ fields, text })
  const logger = { debug() {}, info() {}, warn() {}, error: log }
  let net: Net
  beforeEach(() => {
    net = new Net()
    lines.length = 0
  })
  afterEach(() => net.close())

  it.each([
    ['an answer', () => ({ items: [new Map()] }), 'answer.items[0] cannot be encoded: a Map'],
    [
      'data of an expected error',
      (_: unknown, ctx: { fail: (code: string, data: unknown) => Error }) => {
        throw ctx.fail('NO', { at: new Date(Number.NaN) })
      },
      'error.data.at cannot be encoded: it is an invalid Date',
    ],
  ])('is an EXCEPTION for the caller, and the log names the handler: %s', async (_what, handler, says) => {
    const alice = await net.join('alice')
    const bob = await net.join('bob', { logger })
    bob.on('quote', handler as never)
    const error = await rejection(alice.call('bob', 'quote'))
    expect(error).toMatchObject({ code: 'EXCEPTION', outcome: 'unknown' })
    expect(error.message).toContain(says)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatchObject({
      fields: { action: 'quote', from: 'alice', err: { code: 'UNSERIALISABLE' } },
      text: 'the answer of a handler cannot be sent',
    })
  })

  it('breaks a stream with its path: an item, and the data of an expected error', async () => {
    const alice = await net.join('alice')
    const bob = await net.join('bob', { logger })
    bob.on('items', async function* () {
      yield 1
      yield { at: [/x/] }
    })
    bob.on('fails', (_command, ctx) => {
      throw ctx.fail('NO', { cause: new Error('x') })
    })
    bob.on('large', (_command, ctx) => {
      throw ctx.fail('NO', 'x'.repeat(40_000))
    })
    const read = async (action: string) => {
      for await (const _item of alice.stream('bob', action));
    }
    expect((await rejection(read('items'))).message).toContain('item.at[0] cannot be encoded: a RegExp')
    expect((await rejection(read('fails'))).message).toContain('error.data.cause cannot be encoded')
    expect((await rejection(read('large'))).message).toContain('at most 30 KiB')
    await until(() => lines.length === 3, 'all three are in the log')
    expect(lines.map(({ fields }) => (fields as { action: string }).action)).toEqual(['items', 'fails', 'large'])
  })

  it('is refused in meta with its path', async () => {
    const alice = await net.join('alice')
    const error = await rejection(alice.send('alice', 'x', 1, { meta: { tags: new Set() } }))
    expect(error.message).toMatch(/^meta\.tags cannot be encoded: a Set/)
  })
})
