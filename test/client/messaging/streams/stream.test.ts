import type { SealwayError, StreamReader } from '@sealway/client'
import { VirtualTime } from '../../../support/clock.js'
import { Net } from '../../../support/net.js'
import { rejection, turns, until } from '../../../support/until.js'

let net: Net
beforeEach(() => {
  net = new Net()
})
afterEach(() => net.close())

const pair = () => Promise.all([net.join('alice'), net.join('bob')])

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

/** What came before it broke, and why it did. */
async function broken<T>(items: AsyncIterable<T>): Promise<{ all: T[]; error: SealwayError }> {
  const all: T[] = []
  try {
    for await (const item of items) all.push(item)
  } catch (error) {
    return { all, error: error as SealwayError }
  }
  throw new Error('it ended, where it should have broken')
}

describe('a stream from a handler', () => {
  it('gives the items of a generator, in order, with what it was asked', async () => {
    const [alice, bob] = await pair()
    bob.on<{ count: number }>('count', async function* ({ body }) {
      for (let i = 0; i < body.count; i++) yield { i, text: `number ${i}` }
    })
    const items = await collect(alice.stream<{ i: number }>('bob', 'count', { count: 5_000 }))
    expect(items).toHaveLength(5_000)
    items.forEach((item, i) => {
      expect(item).toEqual({ i, text: `number ${i}` })
    })
  })

  it('keeps what each item is', async () => {
    const [alice, bob] = await pair()
    const items = ['text', '', 7, 0, false, null, undefined, [], [1, [2]], {}, { a: null }, Buffer.from('bytes')]
    bob.on('mixed', async function* () {
      yield* items
    })
    expect(await collect(alice.stream('bob', 'mixed'))).toEqual(items)
  })

  it('may be empty', async () => {
    const [alice, bob] = await pair()
    bob.on('none', async function* () {})
    expect(await collect(alice.stream('bob', 'none'))).toEqual([])
  })

  it.each<[string, unknown, unknown[]]>([
    ['an object', { a: 1 }, [{ a: 1 }]],
    ['a list', [1, 2, 3], [[1, 2, 3]]],
    ['text', 'abc', ['abc']],
    ['null', null, [null]],
    ['nothing', undefined, []],
  ])('of a plain handler is its one value: %s', async (_what, value, items) => {
    const [alice, bob] = await pair()
    bob.on('now', () => value).on('later', async () => value)
    expect(await collect(alice.stream('bob', 'now'))).toEqual(items)
    expect(await collect(alice.stream('bob', 'later'))).toEqual(items)
    expect(await alice.stream('bob', 'now').result()).toEqual(items[0])
  })

  it('tells who accepted, and goes on with that member of a group', async () => {
    const [alice, bob, carol] = await Promise.all([net.join('alice'), net.join('bob'), net.join('carol')])
    for (const node of [bob, carol]) {
      node.on('who', async function* () {
        for (let i = 0; i < 50; i++) {
          yield node.name
          await turns(1)
        }
      })
    }
    const streams: StreamReader<string>[] = []
    for (let i = 0; i < 4; i++) {
      streams.push(alice.stream<string>('any:g', 'who'))
      // What is asked in one breath travels in one frame, to one member.
      await turns(2)
    }
    const answers = await Promise.all(streams.map((stream) => collect(stream)))
    const names = await Promise.all(streams.map((stream) => stream.accepted))
    answers.forEach((items, i) => {
      expect(items).toEqual(new Array(50).fill(names[i]))
    })
    expect(new Set(names)).toEqual(new Set(['bob', 'carol']))
  })

  it('is pulled: a generator runs no further ahead than the credit', async () => {
    const [alice, bob] = await pair()
    let made = 0
    bob.on('rows', async function* () {
      for (;;) {
        made++
        yield 'x'.repeat(1_000)
      }
    })
    const stream = alice.stream<string>('bob', 'rows', undefined, { credit: 10_000 })
    await until(() => made > 5, 'it begins')
    await turns(50)
    // 10,000 bytes are 9 items of 1,032, one that takes it below zero, and one that waits.
    expect(made).toBeLessThanOrEqual(11)
    for (let i = 0; i < 100; i++) await stream.next()
    await turns(50)
    expect(made).toBeGreaterThan(100)
    expect(made).toBeLessThanOrEqual(111)
    stream.cancel()
  })

  it('gives the context to the generator: who, what, meta', async () => {
    const [alice, bob] = await pair()
    bob.on('about', async function* ({ action, body, meta }, { from, to, deadline }) {
      yield { action, body, meta, from, to, deadline: deadline ?? null }
    })
    const [item] = await collect(alice.stream('bob', 'about', [1], { meta: { tenant: 7 } }))
    expect(item).toEqual({ action: 'about', body: [1], meta: { tenant: 7 }, from: 'alice', to: 'bob', deadline: null })
  })

  it('does not delay other messages to the same node', async () => {
    const [alice, bob] = await pair()
    bob.on('flood', async function* () {
      for (;;) yield Buffer.alloc(100_000)
    })
    bob.on('ask', () => 'answer')
    const floods = Array.from({ length: 20 }, () => alice.stream('bob', 'flood'))
    let taken = 0
    for (const flood of floods) void collect(tap(flood, () => taken++)).catch(() => {})
    await until(() => taken > 50, 'they flow')
    const before = taken
    expect(await alice.call('bob', 'ask')).toBe('answer')
    // What was ahead of the answer: the lane of the streams and what was on the way, far below what all of them may.
    expect(taken - before).toBeLessThan(60)
    for (const flood of floods) flood.cancel()
  })
})

async function* tap<T>(items: AsyncIterable<T>, seen: (item: T) => void): AsyncGenerator<T> {
  for await (const item of items) {
    seen(item)
    yield item
  }
}

describe('a stream to a handler', () => {
  it('is read as ctx.input, and the answer is the result', async () => {
    const [alice, bob] = await pair()
    bob.on('sum', async (_command, ctx) => {
      let sum = 0
      for await (const n of ctx.input) sum += n as number
      return { sum }
    })
    const input = Array.from({ length: 3_000 }, (_, i) => i)
    expect(await alice.stream('bob', 'sum', undefined, { input }).result()).toEqual({ sum: 4_498_500 })
  })

  it('is written to as .input where none was given, and each write waits for credit', async () => {
    const [alice, bob] = await pair()
    const got: unknown[] = []
    let go!: () => void
    const gate = new Promise<void>((resolve) => {
      go = resolve
    })
    bob.on('take', async (_command, ctx) => {
      for await (const item of ctx.input) {
        got.push((item as Buffer).length)
        await gate
      }
      return got.length
    })
    const stream = alice.stream('bob', 'take')
    const { input } = stream
    let written = 0
    const writing = (async () => {
      for (let i = 0; i < 40; i++) {
        await input.write(Buffer.alloc(50_000))
        written++
      }
      await input.end()
    })()
    await until(() => got.length === 1, 'the first arrives')
    await turns(50)
    expect(written).toBeLessThan(8)
    go()
    await writing
    expect(await stream.result()).toBe(got.length)
    expect((got as number[]).reduce((a, b) => a + b, 0)).toBe(2_000_000)
  })

  it('ends with the first read where nobody took .input', async () => {
    const [alice, bob] = await pair()
    bob.on('count', async (_command, ctx) => (await collect(ctx.input)).length)
    const stream = alice.stream('bob', 'count')
    expect(await stream.result()).toBe(0)
    expect(() => stream.input).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })

  it('has no writer where its input was given', async () => {
    const [alice, bob] = await pair()
    bob.on('count', async (_command, ctx) => (await collect(ctx.input)).length)
    const stream = alice.stream('bob', 'count', undefined, { input: ['a'] })
    expect(() => stream.input).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    expect(await stream.result()).toBe(1)
  })

  it('runs both ways at once', async () => {
    const [alice, bob] = await pair()
    bob.on('double', async function* (_command, ctx) {
      for await (const n of ctx.input) yield (n as number) * 2
    })
    const stream = alice.stream<number>('bob', 'double')
    const { input } = stream
    for (let i = 0; i < 100; i++) {
      await input.write(i)
      expect(await stream.next()).toEqual({ done: false, value: i * 2 })
    }
    await input.end()
    expect(await stream.next()).toEqual({ done: true, value: undefined })
  })

  it('carries bytes of any cut as one stream of bytes, in both directions', async () => {
    const [alice, bob] = await pair()
    bob.on('echo', async function* (_command, ctx) {
      yield* ctx.input
    })
    const chunks = [1, 65_536, 0, 7, 300_000, 65_472, 65_473, 2].map((size, i) => Buffer.alloc(size, 65 + i))
    const all = await alice.stream('bob', 'echo', undefined, { input: chunks }).bytes()
    expect(all.equals(Buffer.concat(chunks))).toBe(true)
  })

  it('is stopped where the handler reads no more, which goes on with its answer', async () => {
    const [alice, bob] = await pair()
    let closed = false
    bob.on('first', async function* (_command, ctx) {
      for await (const item of ctx.input) {
        yield { first: item }
        break
      }
      await turns(30)
      yield 'done'
    })
    const input = (async function* () {
      try {
        for (let i = 0; ; i++) yield i
      } finally {
        closed = true
      }
    })()
    expect(await collect(alice.stream('bob', 'first', undefined, { input }))).toEqual([{ first: 0 }, 'done'])
    expect(closed).toBe(true)
  })

  it('is over when the handler has answered, whatever of it was not read', async () => {
    const [alice, bob] = await pair()
    bob.on('deaf', () => 'no need')
    let closed = 0
    const input = (async function* () {
      try {
        for (;;) yield 'more'
      } finally {
        closed++
      }
    })()
    const fed = alice.stream('bob', 'deaf', undefined, { input })
    expect(await fed.result()).toBe('no need')
    await until(() => closed === 1, 'its source is closed')
    const written = alice.stream('bob', 'deaf')
    const { input: writer } = written
    const write = rejection(writer.write('unheard'))
    expect(await written.result()).toBe('no need')
    expect(await write).toMatchObject({ code: 'STREAM_LOST' })
  })

  it('is empty for a handler that was called', async () => {
    const [alice, bob] = await pair()
    bob.on('count', async (_command, ctx) => (await collect(ctx.input)).length)
    expect(await alice.call('bob', 'count')).toBe(0)
  })
})

describe('errors of a stream', () => {
  it('gives an expected error as such, after the items before it', async () => {
    const [alice, bob] = await pair()
    bob.on('stock', async function* (_command, ctx) {
      yield 1
      yield 2
      throw ctx.fail('OUT_OF_STOCK', { left: 0 })
    })
    const { all, error } = await broken(alice.stream('bob', 'stock'))
    expect(all).toEqual([1, 2])
    expect(error).toMatchObject({
      code: 'APPLICATION_ERROR',
      data: { code: 'OUT_OF_STOCK', data: { left: 0 } },
      outcome: 'unknown',
      hop: 'receiver',
      target: 'bob',
    })
  })

  it('gives a crash without its stack, and reports it where it happened', async () => {
    const [alice, bob] = await pair()
    const crashes: unknown[] = []
    bob.events.on('handlerError', ({ error }) => crashes.push(error))
    const crash = new Error('disk on fire')
    bob.on('rows', async function* () {
      yield 1
      throw crash
    })
    const { all, error } = await broken(alice.stream('bob', 'rows'))
    expect(all).toEqual([1])
    expect(error).toMatchObject({ code: 'EXCEPTION', hop: 'receiver' })
    expect(error.message).toContain('disk on fire')
    expect(error.message).not.toContain('stream.test')
    expect(crashes).toEqual([crash])
  })

  it.each<[string, (ctx: { fail(code: string): Error }) => unknown, string]>([
    [
      'throws',
      () => {
        throw new Error('no')
      },
      'EXCEPTION',
    ],
    [
      'rejects',
      async () => {
        throw new Error('no')
      },
      'EXCEPTION',
    ],
    [
      'throws text',
      () => {
        throw 'no'
      },
      'EXCEPTION',
    ],
    [
      'fails',
      (ctx) => {
        throw ctx.fail('NO')
      },
      'APPLICATION_ERROR',
    ],
    ['returns what has no form in JSON', () => ({ n: 1n }), 'EXCEPTION'],
    [
      'gives a web stream that somebody reads already',
      () => {
        const web = new ReadableStream()
        web.getReader()
        return web
      },
      'EXCEPTION',
    ],
  ])('of a handler that %s reach whoever reads', async (_what, handler, code) => {
    const [alice, bob] = await pair()
    bob.on('bad', (_command, ctx) => handler(ctx))
    const stream = alice.stream('bob', 'bad')
    expect(await rejection(stream.next())).toMatchObject({ code, outcome: 'unknown' })
    expect(bob.connected).toBe(true)
  })

  it('ends with EXCEPTION at an item that cannot be encoded, and closes the generator', async () => {
    const [alice, bob] = await pair()
    let closed = false
    bob.on('rows', async function* () {
      try {
        yield 1
        yield { f() {} }
        yield 2
      } finally {
        closed = true
      }
    })
    const { all, error } = await broken(alice.stream('bob', 'rows'))
    expect(all).toEqual([1])
    expect(error.code).toBe('EXCEPTION')
    await until(() => closed, 'the generator is closed')
  })

  it('ends with EXCEPTION at an item that no frame holds', async () => {
    const [alice, bob] = await pair()
    bob.on('rows', async function* () {
      yield 'x'.repeat(1_048_000)
      yield 'x'.repeat(2_000_000)
    })
    const { all, error } = await broken(alice.stream('bob', 'rows'))
    expect(all).toEqual(['x'.repeat(1_048_000)])
    expect(error.code).toBe('EXCEPTION')
  })

  it('is refused with NO_HANDLER at once, not delivered', async () => {
    const [alice] = await pair()
    const error = await rejection(alice.stream('bob', 'unheard-of').next())
    expect(error).toMatchObject({ code: 'NO_HANDLER', outcome: 'not-delivered', target: 'bob' })
    expect(error.message).toContain('unheard-of')
  })

  it('is refused to whom is not there', async () => {
    const [alice, bob] = await pair()
    await bob.close()
    const stream = alice.stream('bob', 'rows')
    expect(await rejection(stream.result())).toMatchObject({ code: 'OFFLINE', outcome: 'not-delivered' })
    expect(await rejection(stream.accepted)).toMatchObject({ code: 'OFFLINE' })
    expect(await rejection(alice.stream('nobody', 'rows').next())).toMatchObject({ code: 'UNKNOWN_NODE' })
  })

  it('reaches the handler where the input of the caller fails, and the caller with its cause', async () => {
    const [alice, bob] = await pair()
    let seen: unknown
    bob.on('take', async (_command, ctx) => {
      try {
        await collect(ctx.input)
      } catch (error) {
        seen = error
        throw error
      }
    })
    const cause = new Error('my disk')
    const input = (async function* () {
      yield 1
      throw cause
    })()
    const error = await rejection(alice.stream('bob', 'take', undefined, { input }).result())
    expect(error).toMatchObject({ code: 'ABORTED', hop: 'client' })
    expect(error.cause).toBe(cause)
    await until(() => seen !== undefined, 'the handler hears of it')
    expect(seen).toMatchObject({ code: 'ABORTED' })
    expect((seen as Error).message).toContain('my disk')
  })

  it.each<[string, (reader: (to: string, action: string, options?: object) => StreamReader) => unknown, string]>([
    ['a group as target', (stream) => stream('group:g', 'rows'), 'INVALID_ARGUMENT'],
    ['a name outside the grammar', (stream) => stream('Bob!', 'rows'), 'INVALID_NAME'],
    ['no action', (stream) => stream('bob', ''), 'INVALID_ARGUMENT'],
    ['a credit of a few bytes', (stream) => stream('bob', 'rows', { credit: 10 }), 'INVALID_ARGUMENT'],
    ['a credit without end', (stream) => stream('bob', 'rows', { credit: 1e12 }), 'INVALID_ARGUMENT'],
    ['a timeout below zero', (stream) => stream('bob', 'rows', { timeout: -1 }), 'INVALID_ARGUMENT'],
    [
      'an idle timeout that is no number',
      (stream) => stream('bob', 'rows', { idleTimeout: Number.NaN }),
      'INVALID_ARGUMENT',
    ],
    ['a number as input', (stream) => stream('bob', 'rows', { input: 7 }), 'INVALID_ARGUMENT'],
    ['a signal that has fired', (stream) => stream('bob', 'rows', { signal: AbortSignal.abort() }), 'ABORTED'],
  ])('refuses %s at once', async (_what, call, code) => {
    const [alice] = await pair()
    expect(() => call((to, action, options) => alice.stream(to, action, undefined, options))).toThrow(
      expect.objectContaining({ code, outcome: 'not-delivered' }),
    )
  })

  it('refuses to open one on a node that was closed', async () => {
    const [alice] = await pair()
    await alice.close()
    expect(() => alice.stream('bob', 'rows')).toThrow(expect.objectContaining({ code: 'CLOSED' }))
  })

  it('refuses one more than a node may have, and takes the next when one is over', async () => {
    const [bob, alice] = await Promise.all([net.join('bob'), net.join('alice', { limits: { maxStreams: 2 } })])
    bob.on('wait', async function* (_command, ctx) {
      yield 1
      await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve))
    })
    const first = alice.stream('bob', 'wait')
    alice.stream('bob', 'wait')
    expect(() => alice.stream('bob', 'wait')).toThrow(
      expect.objectContaining({ code: 'BUSY', outcome: 'not-delivered' }),
    )
    first.cancel()
    expect(await alice.stream('bob', 'wait').next()).toEqual({ done: false, value: 1 })
  })

  it('is refused with BUSY by a node that has as many as it may', async () => {
    const [alice, bob] = await Promise.all([net.join('alice'), net.join('bob', { limits: { maxStreams: 1 } })])
    bob.on('wait', async function* (_command, ctx) {
      yield 1
      await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve))
    })
    expect(await alice.stream('bob', 'wait').next()).toEqual({ done: false, value: 1 })
    const error = await rejection(alice.stream('bob', 'wait').next())
    expect(error).toMatchObject({ code: 'BUSY', outcome: 'not-delivered' })
  })
})

describe('a call', () => {
  it('to a handler that streams is refused with the name of the verb, and the generator never runs', async () => {
    const [alice, bob] = await pair()
    let ran = false
    let returned = false
    bob.on('rows', () => {
      const rows = (async function* () {
        ran = true
        yield 1
      })()
      const end = rows.return.bind(rows)
      rows.return = (value) => {
        returned = true
        return end(value)
      }
      return rows
    })
    const error = await rejection(alice.call('bob', 'rows'))
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', hop: 'receiver' })
    expect(error.message).toContain('node.stream(to, "rows", body)')
    expect({ ran, returned }).toEqual({ ran: false, returned: true })
  })

  it('that nobody waits for says so at the handler', async () => {
    const [alice, bob] = await pair()
    const errors: unknown[] = []
    bob.events.on('handlerError', ({ error }) => errors.push(error))
    bob.on('rows', async function* () {
      yield 1
    })
    await alice.send('bob', 'rows')
    await until(() => errors.length === 1, 'it is reported')
    expect(errors[0]).toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})

describe('the end of a stream by hand', () => {
  /** A handler that streams for ever, and what became of it. */
  async function forever() {
    const [alice, bob] = await pair()
    const state = { returned: 0, reason: undefined as unknown, made: 0 }
    bob.on('for ever', async function* (_command, ctx) {
      ctx.signal.addEventListener('abort', () => {
        state.reason = ctx.signal.reason
      })
      try {
        for (;;) {
          state.made++
          yield { n: state.made }
        }
      } finally {
        state.returned++
      }
    })
    return { alice, bob, state }
  }

  it('by break reaches the generator and the signal of the handler', async () => {
    const { alice, state } = await forever()
    for await (const { n } of alice.stream<{ n: number }>('bob', 'for ever')) if (n === 3) break
    await until(() => state.returned === 1, 'the generator is closed')
    expect(state.reason).toMatchObject({ code: 'ABORTED' })
  })

  it('by a signal rejects with ABORTED at once, with what had come dropped', async () => {
    const { alice, state } = await forever()
    const abort = new AbortController()
    const stream = alice.stream('bob', 'for ever', undefined, { signal: abort.signal })
    await stream.next()
    abort.abort(new Error('enough'))
    const error = await rejection(stream.next())
    expect(error).toMatchObject({ code: 'ABORTED', outcome: 'unknown', hop: 'client' })
    expect((error.cause as Error).message).toBe('enough')
    await until(() => state.returned === 1, 'the generator is closed')
  })

  it('reaches a handler that waits, by its signal', async () => {
    const [alice, bob] = await pair()
    let reason: unknown
    bob.on('wait', async function* (_command, ctx) {
      await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve))
      reason = ctx.signal.reason
      yield 'too late'
    })
    const stream = alice.stream('bob', 'wait')
    await stream.accepted
    stream.cancel()
    await until(() => reason !== undefined, 'the signal fires')
    expect(reason).toMatchObject({ code: 'ABORTED' })
    expect(await stream.next()).toEqual({ done: true, value: undefined })
  })

  it('before anybody accepted reaches a member of a group as soon as it does', async () => {
    const [alice, bob] = await pair()
    let go!: () => void
    const gate = new Promise<void>((resolve) => {
      go = resolve
    })
    let aborted = false
    bob.on('slow', async (_command, ctx) => {
      await gate
      ctx.signal.addEventListener('abort', () => {
        aborted = true
      })
      return (async function* () {
        for (;;) yield 1
      })()
    })
    const stream = alice.stream('any:g', 'slow')
    await until(() => bob.connected, 'they are there')
    await turns(10)
    stream.cancel()
    go()
    await until(() => aborted, 'it is told')
    expect(await rejection(stream.accepted)).toMatchObject({ code: 'ABORTED' })
  })

  it('takes back what has not left yet', async () => {
    const [alice, bob] = await pair()
    let asked = 0
    bob.on('rows', () => ++asked)
    bob.on('after', () => 'yes')
    const { relay } = net
    // Or she would be back before anybody looks.
    net.relay = undefined
    net.cut('alice')
    await until(() => !alice.connected, 'the link is gone')
    alice.stream('bob', 'rows').cancel()
    net.relay = relay
    expect(await alice.call('bob', 'after')).toBe('yes')
    expect(asked).toBe(0)
  })

  it('by `await using` ends it too', async () => {
    const { alice, state } = await forever()
    {
      await using stream = alice.stream('bob', 'for ever')
      await stream.next()
    }
    await until(() => state.returned === 1, 'the generator is closed')
  })

  it('leaves nothing behind', async () => {
    const { alice, bob, state } = await forever()
    for (let i = 0; i < 50; i++) {
      const stream = alice.stream('bob', 'for ever')
      if (i % 2) await stream.next()
      stream.cancel()
    }
    await until(() => state.returned >= 25 && count(alice) === 0 && count(bob) === 0, 'all are forgotten')
  })
})

/** Streams that a node has open. */
const count = (node: unknown): number => (node as { messenger: { streams: { count: number } } }).messenger.streams.count

describe('waiting', () => {
  it('for an acceptance ends at the timeout, and the handler is told', async () => {
    const time = new VirtualTime()
    net = new Net({ time })
    const [alice, bob] = await pair()
    let reason: unknown
    bob.on('silent', async (_command, ctx) => {
      await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve))
      reason = ctx.signal.reason
    })
    const stream = alice.stream('bob', 'silent', undefined, { timeout: 500 })
    const failed = rejection(stream.next())
    await time.advance(499)
    expect(reason).toBeUndefined()
    await time.advance(1)
    expect(await failed).toMatchObject({ code: 'TIMEOUT', outcome: 'unknown', target: 'bob', afterMs: 500 })
    await turns()
    expect(reason).toMatchObject({ code: 'TIMEOUT' })
  })

  it('for items is not limited once it is accepted, unless idleTimeout says so', async () => {
    const time = new VirtualTime()
    net = new Net({ time })
    const [alice, bob] = await pair()
    bob.on('slow', async function* () {
      yield 'first'
      await new Promise((resolve) => time.set(() => resolve(undefined), 60_000))
      yield 'second'
    })
    const patient = alice.stream('bob', 'slow', undefined, { timeout: 100 })
    const hasty = alice.stream('bob', 'slow', undefined, { timeout: 100, idleTimeout: 1_000 })
    expect(await patient.next()).toMatchObject({ value: 'first' })
    expect(await hasty.next()).toMatchObject({ value: 'first' })
    const second = patient.next()
    const failed = rejection(hasty.next())
    await time.advance(1_500)
    expect(await failed).toMatchObject({ code: 'TIMEOUT', target: 'bob' })
    await time.advance(60_000)
    expect(await second).toMatchObject({ value: 'second' })
  })

  it('of the reader itself is no silence of the other end', async () => {
    const time = new VirtualTime()
    net = new Net({ time })
    const [alice, bob] = await pair()
    bob.on('rows', async function* () {
      for (let i = 0; i < 3; i++) yield i
    })
    const stream = alice.stream('bob', 'rows', undefined, { idleTimeout: 1_000, credit: 1_024 })
    for (let i = 0; i < 3; i++) {
      expect(await stream.next()).toMatchObject({ value: i })
      await time.advance(5_000)
    }
    expect(await stream.next()).toMatchObject({ done: true })
    await time.advance(5_000)
    expect(time.pending).toBeLessThan(10)
  })
})
