import fc from 'fast-check'
import { Outlet } from '../../../../client-lib/src/messaging/outlet.js'
import { BodyWriter } from '../../../../client-lib/src/messaging/payload.js'
import { type Fault, Inbound } from '../../../../client-lib/src/messaging/streams/inbound.js'
import { Outbound } from '../../../../client-lib/src/messaging/streams/outbound.js'
import { dataCost } from '../../../../client-lib/src/messaging/streams/wire.js'
import { Net } from '../../../support/net.js'
import { waitingStreamBytes } from '../../../support/stream-end.js'
import { turns, until } from '../../../support/until.js'

interface Chunk {
  readonly offset: number
  readonly encoding: number
  readonly bytes: Buffer
}

/** One direction of a stream without a network: what was sent lies on the way until it is delivered. */
class Direction {
  readonly way: (Chunk | { readonly end: number })[] = []
  wayBytes = 0
  /** Most that was on the way and in the receiver at once, with what each item costs. */
  mostBytes = 0
  room = true
  waits = false
  readonly body = new BodyWriter()
  private granted = 0
  readonly inbound: Inbound
  readonly outbound: Outbound

  constructor(readonly windowBytes: number) {
    this.inbound = new Inbound({
      codec: undefined,
      windowBytes,
      grant: (bytes) => {
        this.granted += bytes
      },
      stopped: () => {},
      malformed: (cause) => cause as never,
    })
    this.outbound = new Outbound({
      body: this.body,
      hasRoom: () => this.room,
      awaitRoom: () => {
        this.waits = true
      },
      data: (offset, encoding, bytes) => {
        const copy = bytes ? Buffer.from(bytes) : Buffer.alloc(this.body.size)
        if (!bytes) this.body.write(copy, 0)
        this.way.push({ offset, encoding, bytes: copy })
        this.wayBytes += copy.length + dataCost
        this.measure()
        return true
      },
      end: (length) => void this.way.push({ end: length }),
    })
    this.outbound.start(this.inbound.begin())
  }

  private measure(): void {
    this.mostBytes = Math.max(this.mostBytes, this.wayBytes + this.inbound.bufferedBytes)
  }

  /** The next record arrives. @returns what was wrong with it */
  deliver(): Fault | undefined {
    const next = this.way.shift()
    if (!next) return undefined
    if ('end' in next) return this.inbound.end(next.end)
    this.wayBytes -= next.bytes.length + dataCost
    const wrong = this.inbound.push(next.offset, next.encoding, next.bytes, 0, next.bytes.length)
    this.measure()
    return wrong
  }

  /** Credit that was given arrives. */
  credit(): void {
    const { granted } = this
    this.granted = 0
    if (granted > 0) this.outbound.grant(granted)
  }

  makeRoom(room: boolean): void {
    this.room = room
    if (!room || !this.waits) return
    this.waits = false
    this.outbound.pump()
  }
}

const sizes = fc.oneof(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 0, max: 200_000 }))
const steps = fc.array(fc.constantFrom('deliver', 'take', 'credit', 'room', 'no room'), { maxLength: 200 })

describe('one direction of a stream', () => {
  it('gives every byte in order, never more at once than the credit, whatever the cuts and the pace', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(sizes, { maxLength: 12 }),
        fc.integer({ min: 1_024, max: 300_000 }),
        steps,
        async (lengths, windowBytes, pace) => {
          const way = new Direction(windowBytes)
          const chunks = lengths.map((length, i) => Buffer.alloc(length, i + 1))
          const writing = Promise.all([...chunks.map((chunk) => way.outbound.write(chunk)), way.outbound.end()])
          const got: Buffer[] = []
          let done = false
          const take = () =>
            way.inbound.next().then((result) => {
              if (result.done) done = true
              else got.push(result.value as Buffer)
            })
          for (const step of pace) {
            if (step === 'deliver') expect(way.deliver()).toBeUndefined()
            else if (step === 'take') void take()
            else if (step === 'credit') way.credit()
            else way.makeRoom(step === 'room')
          }
          way.makeRoom(true)
          for (let i = 0; !done && i < 10_000; i++) {
            expect(way.deliver()).toBeUndefined()
            way.credit()
            if (way.way.length === 0) await take()
          }
          await writing
          expect(done).toBe(true)
          expect(Buffer.concat(got).equals(Buffer.concat(chunks))).toBe(true)
          expect(way.mostBytes).toBeLessThanOrEqual(windowBytes)
          for (const chunk of got) expect(chunk.length).toBeLessThanOrEqual(65_536)
          expect(way.inbound.offset).toBe(way.outbound.offset)
          expect(way.inbound.offset).toBe(chunks.reduce((sum, { length }) => sum + length, 0))
        },
      ),
      { numRuns: 100 },
    )
  })

  it('gives items other than bytes one by one, at most one of them beyond the credit', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(
            fc
              .jsonValue()
              .map((value) => JSON.stringify(value))
              // Keys that reach a prototype are refused at the door, which is another test's business.
              .filter((text) => !/"(?:__proto__|constructor|prototype)":/.test(text))
              .map((text) => JSON.parse(text) as unknown),
            fc.integer({ min: 0, max: 3_000 }).map((length) => 'x'.repeat(length)),
          ),
          { maxLength: 40 },
        ),
        fc.integer({ min: 1_024, max: 8_000 }),
        async (items, windowBytes) => {
          const way = new Direction(windowBytes)
          const largest = items.reduce((most: number, item) => Math.max(most, sizeOf(item)), 0)
          const writing = Promise.all([...items.map((item) => way.outbound.write(item)), way.outbound.end()])
          const got: unknown[] = []
          for (;;) {
            expect(way.deliver()).toBeUndefined()
            way.credit()
            if (way.way.length > 0) continue
            const { done, value } = await way.inbound.next()
            if (done) break
            got.push(value)
          }
          await writing
          expect(got).toEqual(items)
          expect(way.inbound.offset).toBe(items.length)
          expect(way.mostBytes).toBeLessThanOrEqual(windowBytes + largest + dataCost)
        },
      ),
      { numRuns: 100 },
    )
  })

  it('makes no crumbs: a byte stream under a slow reader goes in chunks of at least an eighth of the credit', async () => {
    const way = new Direction(64 * 1024)
    void way.outbound.write(Buffer.alloc(1_000_000)).catch(() => {})
    const lengths: number[] = []
    for (let i = 0; i < 60; i++) {
      way.deliver()
      const { value } = await way.inbound.next()
      lengths.push((value as Buffer).length)
      way.credit()
      if (way.inbound.offset === 1_000_000) break
    }
    expect(way.inbound.offset).toBe(1_000_000)
    expect(Math.min(...lengths.slice(0, -1))).toBeGreaterThanOrEqual(8 * 1024)
  })

  it('copies a chunk out of a bundle that is mostly something else, which it would keep alive', async () => {
    const way = new Direction(10_000)
    const bundle = Buffer.alloc(1_000_000, 'x')
    expect(way.inbound.push(0, 1, bundle, 500, 600)).toBeUndefined()
    const { value } = await way.inbound.next()
    expect((value as Buffer).length).toBe(100)
    expect((value as Buffer).buffer.byteLength).toBeLessThan(10_000)
  })

  it.each<[string, (way: Direction) => Fault | undefined, RegExp]>([
    ['more than was granted', ({ inbound }) => inbound.push(0, 1, Buffer.alloc(2_000), 0, 2_000), /granted/],
    [
      'an item more when the credit is used up',
      ({ inbound }) => {
        for (let i = 0; i < 32; i++) inbound.push(i, 0, Buffer.alloc(0), 0, 0)
        return inbound.push(32, 0, Buffer.alloc(0), 0, 0)
      },
      /granted/,
    ],
    ['a gap', ({ inbound }) => inbound.push(1, 1, Buffer.alloc(5), 0, 5), /0 comes next/],
    [
      'what came already',
      ({ inbound }) => inbound.push(0, 1, Buffer.alloc(5), 0, 5) ?? inbound.push(0, 1, Buffer.alloc(5), 0, 5),
      /5 comes next/,
    ],
    ['bytes of no length', ({ inbound }) => inbound.push(0, 1, Buffer.alloc(0), 0, 0), /without any byte/],
    ['an unknown encoding', ({ inbound }) => inbound.push(0, 9, Buffer.alloc(1), 0, 1), /encoding 9/],
    ['an end too early', ({ inbound }) => inbound.end(1), /an end at 1/],
    [
      'data after its end',
      ({ inbound }) => inbound.end(0) ?? inbound.push(0, 0, Buffer.alloc(0), 0, 0),
      /after its end/,
    ],
    ['a second end', ({ inbound }) => inbound.end(0) ?? inbound.end(0), /second end/],
  ])('says what is wrong with %s', (_what, act, wrong) => {
    const way = new Direction(1_024)
    expect(act(way)?.why).toMatch(wrong)
  })

  it('takes nothing before anybody wanted it', () => {
    const inbound = new Inbound({
      codec: undefined,
      windowBytes: 10_000,
      grant() {},
      stopped() {},
      malformed: (cause) => cause as never,
    })
    expect(inbound.push(0, 1, Buffer.alloc(1), 0, 1)?.why).toMatch(/granted/)
  })

  it('refuses a write that nobody can hold: the 1,025th that waits', async () => {
    const way = new Direction(1_024)
    const writes = Array.from({ length: 1_030 }, () => way.outbound.write(Buffer.alloc(1_000)))
    const settled = await Promise.race([Promise.allSettled(writes.slice(-4)), turns(5)])
    expect(settled).toEqual(expect.arrayContaining([expect.objectContaining({ status: 'rejected' })]))
    for (const write of writes) write.catch(() => {})
    way.outbound.fail(new Error('over') as never)
  })
})

const sizeOf = (item: unknown): number => {
  const body = new BodyWriter()
  body.prepare(item)
  return body.size
}

describe('the memory of streams', () => {
  let net: Net
  beforeEach(() => {
    net = new Net()
  })
  afterEach(() => net.close())

  it('is bounded by the credit of each where nobody reads, on the way and at both ends', async () => {
    const [alice, bob] = await Promise.all([net.join('alice'), net.join('bob')])
    let made = 0
    bob.on('flood', async function* () {
      for (;;) {
        made += 10_000
        yield Buffer.alloc(10_000)
      }
    })
    const credit = 100_000
    const streams = Array.from({ length: 20 }, () => alice.stream('bob', 'flood', undefined, { credit }))
    await Promise.all(streams.map((stream) => stream.accepted))
    let last = -1
    while (last !== made) {
      last = made
      await turns(20)
    }
    // One chunk of each waits for credit in the hand of its generator.
    expect(made).toBeLessThanOrEqual(streams.length * (credit + 10_000))
    expect(made).toBeGreaterThan(streams.length * 50_000)
    for (const stream of streams) stream.cancel()
  })

  it('is bounded in the outlet while the mediator takes nothing: a lane of all streams, not one of each', async () => {
    const [alice, bob] = await Promise.all([net.join('alice'), net.join('bob')])
    bob.on('flood', async function* () {
      for (;;) yield Buffer.alloc(10_000)
    })
    const wide = { credit: 4 * 1024 * 1024 }
    const first = alice.stream('bob', 'flood', undefined, wide)
    await first.next()
    // No credit for the route reaches bob any more.
    net.wire('bob').hold('down')
    let most = 0
    await until(() => {
      most = Math.max(most, waitingStreamBytes(bob, 'alice'))
      return most > 200_000
    }, 'the window of the route is used up')
    await turns(50)
    expect(waitingStreamBytes(bob, 'alice')).toBeLessThan(256 * 1024 + 20_000)
    net.wire('bob').release('down')
    await first.next()
    first.cancel()
    await until(() => waitingStreamBytes(bob, 'alice') === 0, 'the lane is empty again')
  })

  it('costs no turns of the event loop while it waits for the mediator', async () => {
    const [alice, bob] = await Promise.all([net.join('alice'), net.join('bob')])
    net.wire('alice').hold('down')
    const big = () => alice.send('bob', 'take', Buffer.alloc(50_000))
    await Promise.all(Array.from({ length: 60 }, big))
    await turns(20)
    const flush = jest.spyOn(Outlet.prototype, 'flush')
    await turns(50)
    const flushed = flush.mock.calls.length
    flush.mockRestore()
    expect(flushed).toBeLessThanOrEqual(2)
    expect(bob.connected).toBe(true)
  })

  it('shares a lane among the streams in it', async () => {
    const [alice, bob] = await Promise.all([net.join('alice'), net.join('bob')])
    bob.on('flood', async function* () {
      for (;;) yield Buffer.alloc(60_000)
    })
    const wide = { credit: 2 * 1024 * 1024 }
    const streams = Array.from({ length: 8 }, () => alice.stream('bob', 'flood', undefined, wide))
    const taken = streams.map(() => 0)
    const readers = streams.map(async (stream, i) => {
      for await (const _chunk of stream) if (++taken[i]! >= 200) break
    })
    await Promise.all(readers)
    // Eight in a lane that holds four chunks: each had its turn, or some would have ended long before others began.
    expect(taken).toEqual(new Array(8).fill(200))
  })
})
