import type { Node, SealwayError } from '@sealway/client'
import { codeNumber, encodeReject, FrameType, frameIdOf, headerBytes, readU32 } from '@sealway/protocol'
import { Net } from '../../../support/net.js'
import { openStreams } from '../../../support/stream-end.js'
import { rejection, turns, until } from '../../../support/until.js'

let net: Net
let alice: Node
let bob: Node
beforeEach(async () => {
  net = new Net()
  ;[alice, bob] = await Promise.all([net.join('alice'), net.join('bob')])
})
afterEach(() => net.close())

/** A handler that counts for ever, in text of 1,000 characters, and why it ended. */
function counts(node: Node) {
  const seen = { reason: undefined as SealwayError | undefined, closed: 0, inputError: undefined as unknown }
  node.on('count', async function* (_command, ctx) {
    ctx.signal.addEventListener('abort', () => {
      seen.reason = ctx.signal.reason as SealwayError
    })
    void (async () => {
      try {
        for await (const _item of ctx.input);
      } catch (error) {
        seen.inputError = error
      }
    })()
    try {
      for (let i = 0; ; i++) yield { i, text: 'x'.repeat(1_000) }
    } finally {
      seen.closed++
    }
  })
  return seen
}

/** Reads to the end that it must come to: how many items there were, in order, and what broke it. */
async function readAll(stream: AsyncIterable<unknown>): Promise<{ items: number; error: SealwayError }> {
  let items = 0
  try {
    for await (const item of stream) expect((item as { i: number }).i).toBe(items++)
  } catch (error) {
    return { items, error: error as SealwayError }
  }
  throw new Error('it ended, where it should have broken')
}

describe('a cut', () => {
  it.each<[string, () => unknown]>([
    ['of the own link', () => net.cut('alice')],
    ['of the link of the other end', () => net.cut('bob')],
    ['by a mediator that is killed', () => net.kill()],
    ['by the other end leaving', () => bob.close()],
  ])('%s gives STREAM_LOST with how far it came, after what had come, at both ends', async (_what, cut) => {
    const seen = counts(bob)
    const stream = alice.stream('bob', 'count')
    const { input } = stream
    void input.write('begin').catch(() => {})
    for (let i = 0; i < 10; i++) await stream.next()
    await turns(20)
    await cut()
    let items = 10
    const error = await rejection(
      (async () => {
        for await (const item of stream) expect((item as { i: number }).i).toBe(items++)
      })(),
    )
    expect(error).toMatchObject({ code: 'STREAM_LOST', outcome: 'unknown', target: 'bob', data: { offset: items } })
    expect(items).toBeGreaterThan(10)
    await until(() => seen.closed === 1 && seen.inputError !== undefined, 'the handler hears of it')
    expect(['STREAM_LOST', 'CLOSED']).toContain(seen.reason?.code)
    expect(['STREAM_LOST', 'CLOSED']).toContain((seen.inputError as SealwayError).code)
    expect(await rejection(input.write('more'))).toMatchObject({ code: 'STREAM_LOST' })
    expect([openStreams(alice), openStreams(bob)]).toEqual([0, 0])
  })

  it('is not resumed: after it a new stream begins anew', async () => {
    counts(bob)
    const stream = alice.stream('bob', 'count')
    await stream.next()
    net.cut('alice')
    expect((await rejection(readOn(stream))).code).toBe('STREAM_LOST')
    expect(await rejection(stream.next())).toMatchObject({ code: 'STREAM_LOST' })
    await until(() => alice.connected, 'she is back')
    const again = alice.stream('bob', 'count')
    expect(await again.next()).toMatchObject({ value: { i: 0 } })
    again.cancel()
  })

  it('before anybody accepted is LINK_LOST where it had left, and nothing where it had not', async () => {
    bob.on('slow', async (_command, ctx) => {
      await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve))
    })
    const asked = alice.stream('bob', 'slow')
    await turns(20)
    net.cut('alice')
    expect(await rejection(asked.next())).toMatchObject({ code: 'LINK_LOST', outcome: 'unknown' })
    counts(bob)
    await until(() => alice.connected, 'she is back')
    const { relay } = net
    // Or she would be back before anybody looks.
    net.relay = undefined
    net.cut('alice')
    await until(() => !alice.connected, 'the link is gone')
    const waits = alice.stream('bob', 'count')
    net.relay = relay
    expect(await waits.next()).toMatchObject({ value: { i: 0 } })
    waits.cancel()
  })

  it('of the member that has it, before it accepted, is PEER_GONE', async () => {
    let asked = false
    bob.on('slow', () => {
      asked = true
      return new Promise(() => {})
    })
    for (const to of ['bob', 'any:g']) {
      asked = false
      await until(() => bob.connected, 'he is there')
      const stream = alice.stream(to, 'slow')
      await until(() => asked, 'he has it')
      await turns(10)
      net.cut('bob')
      expect(await rejection(stream.next())).toMatchObject({ code: 'PEER_GONE', outcome: 'unknown' })
    }
  })

  it('is no failure of a handler', async () => {
    counts(bob)
    const errors: unknown[] = []
    bob.events.on('handlerError', ({ error }) => errors.push(error))
    bob.on('obeys', async function* (_command, ctx) {
      yield 1
      await new Promise((_resolve, reject) => ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason)))
    })
    const stream = alice.stream('bob', 'obeys')
    await stream.next()
    net.cut('alice')
    expect((await rejection(stream.next())).code).toBe('STREAM_LOST')
    await turns(30)
    expect(errors).toEqual([])
  })

  it('ends streams of a node that is closed with CLOSED', async () => {
    const seen = counts(bob)
    const stream = alice.stream('bob', 'count')
    await stream.next()
    await alice.close()
    expect(await rejection(readOn(stream))).toMatchObject({ code: 'CLOSED' })
    await until(() => seen.closed === 1, 'the other end hears of it')
  })
})

async function readOn(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _item of stream);
}

describe('a frame that is lost', () => {
  /** Loses the next data of bob's streams to alice: the frames are large, and nothing else is. */
  const lose = (count: number, where: 'up' | 'down' = 'up') => {
    let lost = 0
    net.tamper = (frame, direction, node) => {
      const data = frame.length > 10_000 && (frame[4] === FrameType.send || frame[4] === FrameType.deliver)
      if (!data || lost === count || direction !== where || node !== (where === 'up' ? 'bob' : 'alice')) return [frame]
      lost++
      return []
    }
  }

  it.each(['up', 'down'] as const)(
    'on the way %s breaks the stream at the place of the gap, and no other',
    async (where) => {
      const seen = counts(bob)
      bob.on('ask', () => 'fine')
      const gaps: number[] = []
      alice.events.on('gap', ({ missing }) => gaps.push(missing))
      const stream = alice.stream('bob', 'count')
      for (let i = 0; i < 100; i++) await stream.next()
      lose(1, where)
      let items = 100
      const error = await rejection(
        (async () => {
          for await (const item of stream) expect((item as { i: number }).i).toBe(items++)
        })(),
      )
      expect(error).toMatchObject({ code: 'STREAM_LOST', data: { offset: items } })
      expect(gaps).toEqual([1])
      await until(() => seen.closed === 1, 'the sender is told')
      expect(await alice.call('bob', 'ask')).toBe('fine')
    },
  )

  it('that comes again changes nothing, and one that comes late is dropped', async () => {
    bob.on('rows', async function* () {
      for (let i = 0; i < 2_000; i++) yield { i, text: 'x'.repeat(500) }
    })
    net.tamper = (frame) => (frame.length > 10_000 ? [frame, frame] : [frame])
    let items = 0
    for await (const { i } of alice.stream<{ i: number }>('bob', 'rows')) expect(i).toBe(items++)
    expect(items).toBe(2_000)

    let held: Uint8Array | undefined
    net.tamper = (frame, direction, node) => {
      if (direction !== 'up' || node !== 'bob' || frame.length < 10_000) return [frame]
      if (held) {
        const late = held
        held = new Uint8Array(0)
        return late.length > 0 ? [frame, late] : [frame]
      }
      held = frame
      return []
    }
    expect(await readAll(alice.stream('bob', 'rows'))).toMatchObject({ error: { code: 'STREAM_LOST' } })
    net.tamper = undefined
  })

  it('by a mediator that refuses it breaks the streams at its sender too', async () => {
    const seen = counts(bob)
    const stream = alice.stream('bob', 'count')
    for (let i = 0; i < 50; i++) await stream.next()
    // The mediator turns the next data away, as when the queue of its target is full.
    let refused = false
    net.tamper = (frame, direction, node) => {
      if (refused || direction !== 'up' || node !== 'bob' || frame.length < 10_000) return [frame]
      refused = true
      const id = frameIdOf(frame.subarray(headerBytes))
      setImmediate(() => net.wire('bob').inject('down', encodeReject(readU32(frame, 8), codeNumber('BUSY'), id)))
      return []
    }
    expect(await readAll(skip(stream, 50))).toMatchObject({ error: { code: 'STREAM_LOST' } })
    await until(() => seen.closed === 1, 'the sender knows')
    expect(seen.reason?.code).toBe('STREAM_LOST')
  })
})

/** Numbers again from 0, for a stream of which so many were read. */
async function* skip(stream: AsyncIterable<unknown>, count: number): AsyncGenerator<{ i: number }> {
  for await (const item of stream) yield { i: (item as { i: number }).i - count }
}

describe('the end of a stream', () => {
  it('that was lost is not made up for: it is complete, or it breaks', async () => {
    let go!: () => void
    const gate = new Promise<void>((resolve) => {
      go = resolve
    })
    bob.on('rows', async function* () {
      yield { i: 0 }
      await gate
    })
    const stream = alice.stream('bob', 'rows')
    expect(await stream.next()).toMatchObject({ value: { i: 0 } })
    net.tamper = (frame, direction, node) =>
      direction === 'up' && node === 'bob' && frame[4] === FrameType.send ? [] : [frame]
    go()
    await until(() => openStreams(bob) === 0, 'bob has said all')
    net.tamper = undefined
    const next = stream.next()
    net.cut('bob')
    expect(await rejection(next)).toMatchObject({ code: 'STREAM_LOST', data: { offset: 1 } })
  })

  it('that was lost shows with the next frame that gets through', async () => {
    bob.on('rows', async function* () {
      yield { i: 0 }
      await turns(5)
    })
    bob.on('ask', () => 'fine')
    const stream = alice.stream('bob', 'rows')
    expect(await stream.next()).toMatchObject({ value: { i: 0 } })
    net.tamper = (frame, direction, node) =>
      direction === 'up' && node === 'bob' && frame[4] === FrameType.send ? [] : [frame]
    await until(() => openStreams(bob) === 0, 'bob has said all')
    net.tamper = undefined
    const next = rejection(stream.next())
    expect(await alice.call('bob', 'ask')).toBe('fine')
    expect(await next).toMatchObject({ code: 'STREAM_LOST', data: { offset: 1 } })
  })
})
