import { createHash } from 'node:crypto'
import { PassThrough, Readable, Transform, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'
import type { Node } from '@sealway/client'
import { isStream, sourceOf } from '../../../../client-lib/src/messaging/streams/source.js'
import { Net } from '../../../support/net.js'
import { rejection, turns, until } from '../../../support/until.js'

let net: Net
let alice: Node
let bob: Node
beforeEach(async () => {
  net = new Net()
  ;[alice, bob] = await Promise.all([net.join('alice'), net.join('bob')])
})
afterEach(() => net.close())

const sha = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const noise = Buffer.from(Array.from({ length: 700_000 }, (_, i) => (i * 2_654_435_761) >>> 13))

const webOf = (items: readonly unknown[]) => {
  let i = 0
  return new ReadableStream({
    pull(controller) {
      if (i < items.length) controller.enqueue(items[i++])
      else controller.close()
    },
  })
}

async function* generated(items: Iterable<unknown>) {
  yield* items
}

const items = [{ a: 1 }, 'two', 3, [4]]

describe('what a handler may return as a stream, and a caller give as input', () => {
  const sources: [string, () => AsyncIterable<unknown> | ReadableStream | Readable][] = [
    ['an async generator', () => generated(items)],
    ['a Node stream of objects', () => Readable.from(items)],
    ['a web stream', () => webOf(items)],
    ['an async iterable that is no generator', () => ({ [Symbol.asyncIterator]: () => generated(items) })],
  ]
  it.each(sources)('%s', async (_what, make) => {
    bob.on('rows', () => make())
    bob.on('later', async () => make())
    const expected = [...items]
    expect(await collect(alice.stream('bob', 'rows'))).toEqual(expected)
    expect(await collect(alice.stream('bob', 'later'))).toEqual(expected)
    bob.on('take', async (_command, ctx) => await collect(ctx.input))
    expect(await alice.stream('bob', 'take', undefined, { input: make() }).result()).toEqual(expected)
  })

  it('a synchronous generator; as input any iterable', async () => {
    bob.on('rows', function* () {
      yield* items
    })
    expect(await collect(alice.stream('bob', 'rows'))).toEqual(items)
    bob.on('take', async (_command, ctx) => await collect(ctx.input))
    for (const input of [items, new Set(items)]) {
      expect(await alice.stream('bob', 'take', undefined, { input }).result()).toEqual(items)
    }
    expect(await alice.stream('bob', 'take', undefined, { input: 'one text' }).result()).toEqual(['one text'])
    const lengths = (await alice.stream('bob', 'take', undefined, { input: new Map([['k', 1]]) }).result()) as unknown
    expect(lengths).toEqual([['k', 1]])
  })

  it('a Node stream of bytes, and of text', async () => {
    bob.on('bytes', () => Readable.from([noise], { objectMode: false }))
    expect(sha(await alice.stream('bob', 'bytes').bytes())).toBe(sha(noise))
    bob.on('gzip', () => Readable.from([noise]).pipe(createGzip()))
    const unzipped = alice.stream('bob', 'gzip').readable().pipe(createGunzip())
    expect(sha(Buffer.concat((await collect(unzipped)) as Buffer[]))).toBe(sha(noise))
    bob.on('text', () => Readable.from(['grüß ', 'dich']).setEncoding('utf8'))
    expect(await alice.stream('bob', 'text').text()).toBe('grüß dich')
  })

  it('bytes of every kind of array', async () => {
    bob.on('bytes', async function* () {
      yield new Uint8Array([1, 2])
      yield Buffer.from([3])
      yield new Uint8Array([4, 5]).buffer
      yield new Uint8Array([0, 6, 7]).subarray(1)
    })
    expect([...(await alice.stream('bob', 'bytes').bytes())]).toEqual([1, 2, 3, 4, 5, 6, 7])
  })

  it('tells streams from values', () => {
    for (const value of [[], 'text', new Uint8Array(1), new Map(), new Set(), {}, null, undefined, 7, { next: 1 }]) {
      expect(isStream(value)).toBe(false)
    }
    for (const value of [generated([]), Readable.from([]), webOf([]), (function* () {})()]) {
      expect(isStream(value)).toBe(true)
    }
    const trap = new Proxy(
      {},
      {
        get: () => {
          throw new Error('no')
        },
      },
    )
    expect(isStream(trap)).toBe(false)
    expect(() => sourceOf(7)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })
})

describe('a source that nobody reads any more is closed', () => {
  it('a Node stream, also while it has nothing to give', async () => {
    const idle = new Readable({ read() {} })
    idle.push('first')
    bob.on('idle', () => idle)
    for await (const item of alice.stream('bob', 'idle')) {
      expect((item as Buffer).toString()).toBe('first')
      break
    }
    await until(() => idle.destroyed, 'it is destroyed')
  })

  it('a web stream, also while it has nothing to give', async () => {
    let why: unknown
    const note = (reason: unknown) => {
      why = reason
    }
    bob.on('idle', () => new ReadableStream({ pull: () => new Promise(() => {}), cancel: note }))
    const stream = alice.stream('bob', 'idle')
    await stream.accepted
    stream.cancel()
    await until(() => why !== undefined, 'it is cancelled')
    expect(why).toMatchObject({ code: 'ABORTED' })
  })

  it('the input of the caller, when the stream breaks', async () => {
    const idle = new Readable({ read() {} })
    bob.on('crash', () => {
      throw new Error('no')
    })
    const stream = alice.stream('bob', 'crash', undefined, { input: idle })
    expect(await rejection(stream.result())).toMatchObject({ code: 'EXCEPTION' })
    await until(() => idle.destroyed, 'it is destroyed')
  })

  it('one whose return throws harms nobody', async () => {
    bob.on('rude', () => ({
      [Symbol.asyncIterator]: () => ({
        next: async () => ({ done: false, value: 1 }),
        return: () => {
          throw new Error('I will not')
        },
      }),
    }))
    for await (const _item of alice.stream('bob', 'rude')) break
    await turns(20)
    bob.on('fine', () => 'fine')
    expect(await alice.call('bob', 'fine')).toBe('fine')
  })

  it('a Node stream that fails gives EXCEPTION', async () => {
    bob.on('torn', () => {
      const through = new PassThrough()
      through.write('some')
      setImmediate(() => through.destroy(new Error('torn')))
      return through
    })
    const error = await rejection(alice.stream('bob', 'torn').bytes())
    expect(error.code).toBe('EXCEPTION')
    expect(error.message).toContain('torn')
  })
})

describe('what a reader becomes', () => {
  it('a Node stream that pipes, with back-pressure up to the source', async () => {
    let made = 0
    bob.on('rows', async function* () {
      for (let i = 0; i < 2_000; i++) {
        made++
        yield Buffer.alloc(1_000, i)
      }
    })
    let taken = 0
    const slow = new Writable({
      highWaterMark: 1_000,
      write(chunk: Buffer, _encoding, next) {
        taken += chunk.length
        expect(made * 1_000 - taken).toBeLessThan(40_000)
        setImmediate(next)
      },
    })
    await pipeline(alice.stream('bob', 'rows', undefined, { credit: 16_000 }).readable(), slow)
    expect(taken).toBe(2_000_000)
  })

  it('a Node stream of bytes in pieces of any size', async () => {
    bob.on('bytes', async function* () {
      yield Buffer.from('abcdef')
      yield Buffer.from('ghi')
    })
    const readable = alice.stream('bob', 'bytes').readable({ objectMode: false })
    await new Promise((resolve) => readable.once('readable', resolve))
    expect(String(readable.read(2))).toBe('ab')
    expect(String(readable.read(3))).toBe('cde')
    readable.destroy()
  })

  it('a Node stream whose destruction ends it at the other end', async () => {
    let closed = false
    bob.on('rows', async function* () {
      try {
        for (;;) yield { a: 1 }
      } finally {
        closed = true
      }
    })
    const readable = alice.stream('bob', 'rows').readable()
    const stop = new Transform({
      objectMode: true,
      transform(_chunk, _encoding, next) {
        next(new Error('full'))
      },
    })
    await expect(pipeline(readable, stop)).rejects.toThrow('full')
    await until(() => closed, 'the generator is closed')
  })

  it('a Node stream that fails with what broke it', async () => {
    bob.on('rows', async function* (_command, ctx) {
      yield { a: 1 }
      throw ctx.fail('GONE')
    })
    await expect(collect(alice.stream('bob', 'rows').readable())).rejects.toMatchObject({ code: 'APPLICATION_ERROR' })
  })

  it.each([[null], [undefined]])('a Node stream that refuses %s, which it would take for its end', async (nothing) => {
    bob.on('rows', async function* () {
      yield 1
      yield nothing
      yield 2
    })
    await expect(collect(alice.stream('bob', 'rows').readable())).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  it('a web stream, pulled, and cancelled', async () => {
    let made = 0
    let closed = false
    bob.on('rows', async function* () {
      try {
        for (;;) {
          made++
          yield 'x'.repeat(1_000)
        }
      } finally {
        closed = true
      }
    })
    const web = alice.stream<string>('bob', 'rows', undefined, { credit: 5_000 }).web()
    await turns(50)
    expect(made).toBeLessThan(8)
    const reader = web.getReader()
    for (let i = 0; i < 10; i++) expect((await reader.read()).value).toHaveLength(1_000)
    await reader.cancel()
    await until(() => closed, 'the generator is closed')
  })

  it('a web stream that ends, and one that fails', async () => {
    bob.on('rows', async function* (_command, ctx) {
      yield 1
      yield 2
      if ((await ctx.input.next()).value === 'fail') throw ctx.fail('NO')
    })
    const fine = alice.stream('bob', 'rows', undefined, { input: ['go on'] }).web()
    expect(await collect(fine as unknown as AsyncIterable<unknown>)).toEqual([1, 2])
    const bad = alice.stream('bob', 'rows', undefined, { input: ['fail'] }).web()
    await expect(collect(bad as unknown as AsyncIterable<unknown>)).rejects.toMatchObject({ code: 'APPLICATION_ERROR' })
  })

  it('bytes and text up to a limit, beyond which it is cancelled', async () => {
    let closed = 0
    bob.on('long', async function* () {
      try {
        for (;;) yield 'abc'
      } finally {
        closed++
      }
    })
    expect(await rejection(alice.stream('bob', 'long').text({ limit: 10 }))).toMatchObject({ code: 'TOO_LARGE' })
    await until(() => closed === 1, 'the generator is closed')
    bob.on('short', async function* () {
      yield 'abc'
      yield Buffer.from('def')
    })
    expect(await alice.stream('bob', 'short').text({ limit: 6 })).toBe('abcdef')
    bob.on('rows', async function* () {
      yield { a: 1 }
    })
    expect(await rejection(alice.stream('bob', 'rows').bytes())).toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})

async function collect(source: AsyncIterable<unknown>): Promise<unknown[]> {
  const all: unknown[] = []
  for await (const item of source) all.push(item)
  return all
}
