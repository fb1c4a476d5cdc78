import type { Connection } from '@sealway/protocol'
import fc from 'fast-check'
import { BlockPool, largestBlockBytes, smallestBlockBytes } from '../../../server/src/session/block'
import { type Budget, laggingAfterMs, Outbox, type Releasable, SharedRelease } from '../../../server/src/session/outbox'

/** A connection that takes what it is told to take. */
class Pipe implements Connection {
  readonly transport = 'memory'
  readonly remoteAddress = 'memory'
  full = false
  writes: number[] = []
  readonly bytes: number[] = []
  start(): void {}
  write(parts: readonly Uint8Array[]): boolean {
    this.writes.push(parts.reduce((sum, part) => sum + part.length, 0))
    for (const part of parts) for (const byte of part) this.bytes.push(byte)
    return !this.full
  }
  pause(): void {}
  resume(): void {}
  end(): void {}
  destroy(): void {}
}

class Credit implements Releasable {
  bytes = 0
  frames = 0
  calls = 0
  release(bytes: number, frames: number): void {
    this.bytes += bytes
    this.frames += frames
    this.calls++
  }
}

function setup({ maxBytes = 1_000, maxFrames = 10, limitBytes = 5_000 } = {}) {
  const pipe = new Pipe()
  const budget: Budget = { usedBytes: 0, limitBytes }
  const blocks = new BlockPool()
  const time = { now: 0 }
  const due: Outbox[] = []
  const make = () =>
    new Outbox({
      connection: pipe,
      budget,
      blocks,
      maxBytes,
      maxFrames,
      now: () => time.now,
      schedule: (outbox) => void due.push(outbox),
    })
  return { pipe, budget, blocks, time, due, make, outbox: make() }
}

const part = (bytes: number, fill = 0) => new Uint8Array(bytes).fill(fill)

describe('an outbox', () => {
  it('has room up to its bytes, and up to its frames', () => {
    const { outbox } = setup()
    expect([outbox.hasRoom(1_000, 1), outbox.hasRoom(1_001, 1), outbox.hasRoom(1, 11)]).toEqual([true, false, false])
    outbox.push(part(600), 9)
    expect([outbox.hasRoom(400, 1), outbox.hasRoom(401, 1), outbox.hasRoom(1, 2)]).toEqual([true, false, false])
  })

  it('has no room where the whole mediator has none, and is not the only one to count', () => {
    const { outbox, make, budget } = setup({ limitBytes: 1_000 })
    make().push(part(700), 1)
    expect(budget.usedBytes).toBe(700)
    expect([outbox.hasRoom(300, 1), outbox.hasRoom(301, 1)]).toEqual([true, false])
  })

  it('asks to be flushed once in a turn, and writes all of it in one', () => {
    const { outbox, due, pipe } = setup()
    outbox.push(part(10), 1)
    outbox.push(part(20), 1)
    expect(due).toEqual([outbox])
    expect(pipe.writes).toEqual([])
    outbox.flush()
    expect(pipe.writes).toEqual([30])
    outbox.push(part(5), 1)
    expect(due).toEqual([outbox, outbox])
  })

  it('hands the connection at most a quarter of a MiB at once', () => {
    const { outbox, pipe } = setup({ maxBytes: 10_000_000, limitBytes: 10_000_000 })
    for (let i = 0; i < 10; i++) outbox.push(part(100_000), 1)
    pipe.full = true
    outbox.flush()
    expect(pipe.writes).toEqual([256 * 1024])
    expect([outbox.bytes, outbox.frames, outbox.writtenFrames]).toEqual([1_000_000, 10, 0])
  })

  it('writes as much as it is told to, and asks to be flushed again for the rest', () => {
    const { outbox, pipe, due } = setup({ maxBytes: 1_000_000, limitBytes: 1_000_000 })
    for (let i = 0; i < 5; i++) outbox.push(part(30_000), 1)
    expect([outbox.flush(50_000), outbox.bytes, due.length]).toEqual([50_000, 120_000, 2])
    expect([outbox.flush(50_000), outbox.bytes, outbox.flush(60_000), outbox.bytes]).toEqual([
      50_000, 60_000, 50_000, 0,
    ])
    expect(pipe.writes).toEqual([50_000, 50_000, 50_000])
  })

  it('hands over many small pieces as one', () => {
    const { outbox, pipe } = setup({ maxBytes: 1_000_000, limitBytes: 1_000_000 })
    let parts = 0
    const write = pipe.write.bind(pipe)
    pipe.write = (pieces) => {
      parts = pieces.length
      return write(pieces)
    }
    const credit = new Credit()
    for (let i = 1; i <= 3; i++) outbox.push(part(i, i), 1, credit)
    outbox.flush()
    expect([parts, pipe.bytes, credit.frames, credit.calls]).toEqual([1, [1, 2, 2, 3, 3, 3], 3, 1])
  })

  it('asks to be flushed when the connection has taken everything, and writes nothing by itself', () => {
    const { outbox, pipe, due } = setup()
    pipe.full = true
    outbox.push(part(10), 1)
    outbox.flush()
    outbox.push(part(20), 1)
    pipe.full = false
    outbox.drained()
    expect([pipe.writes, due.length]).toEqual([[10], 2])
    outbox.flush()
    expect(pipe.writes).toEqual([10, 20])
  })

  it('keeps what the connection has not taken yet, and gives credit only then', () => {
    const { outbox, pipe, budget } = setup()
    const credit = new Credit()
    pipe.full = true
    outbox.push(part(100), 2, credit)
    outbox.flush()
    expect([outbox.bytes, credit.bytes, budget.usedBytes]).toEqual([100, 0, smallestBlockBytes])
    pipe.full = false
    outbox.drained()
    expect([outbox.bytes, outbox.frames, outbox.writtenFrames, budget.usedBytes]).toEqual([0, 0, 2, 0])
    expect(credit).toMatchObject({ bytes: 100, frames: 2 })
  })

  it('keeps order and bytes while the connection is full, copies or not', () => {
    const { outbox, pipe } = setup({ maxBytes: 1_000_000, maxFrames: 1_000, limitBytes: 1_000_000 })
    pipe.full = true
    outbox.push(part(3, 1), 1)
    outbox.flush()
    const expected = [1, 1, 1]
    const reused = part(50)
    for (let i = 2; i < 40; i++) {
      const size = i % 5 === 0 ? 20_000 : 50
      const bytes = size === 50 ? reused.fill(i) : part(size, i)
      outbox.push(bytes, 1)
      for (let j = 0; j < size; j++) expected.push(i)
    }
    pipe.full = false
    outbox.drained()
    outbox.flush()
    expect(pipe.bytes.length).toBe(expected.length)
    expect(pipe.bytes.findIndex((byte, i) => byte !== expected[i])).toBe(-1)
  })

  it('knows how long its oldest frame has waited, written or not', () => {
    const { outbox, pipe, time } = setup()
    expect(outbox.ageMs()).toBe(0)
    pipe.full = true
    outbox.push(part(1), 1)
    outbox.flush()
    time.now = 200
    outbox.push(part(1), 1)
    time.now = laggingAfterMs
    expect([outbox.ageMs(), outbox.lagging]).toEqual([laggingAfterMs, false])
    time.now = laggingAfterMs + 1
    expect(outbox.lagging).toBe(true)
    pipe.full = false
    outbox.drained()
    outbox.flush()
    expect([outbox.ageMs(), outbox.lagging]).toEqual([0, false])
  })

  it('that closes counts what was lost, and gives all credit and memory back, once', () => {
    const { outbox, pipe, budget } = setup()
    const credit = new Credit()
    pipe.full = true
    outbox.push(part(100), 2, credit)
    outbox.flush()
    outbox.push(part(50), 3, credit)
    outbox.close()
    outbox.close()
    outbox.drained()
    expect([outbox.lostFrames, outbox.writtenFrames, outbox.bytes, budget.usedBytes]).toEqual([5, 0, 0, 0])
    expect(credit).toMatchObject({ bytes: 150, frames: 5 })
  })

  it('that is closed takes nothing, and counts what it is given all the same as lost', () => {
    const { outbox, pipe, budget } = setup()
    outbox.close()
    outbox.push(part(10), 1)
    outbox.flush()
    expect([outbox.hasRoom(1, 1), outbox.lostFrames, budget.usedBytes, pipe.writes]).toEqual([false, 1, 0, []])
  })

  it('credits a broadcast once, when the last of its members has it', () => {
    const credit = new Credit()
    const [first, second] = [setup(), setup()]
    const shared = new SharedRelease(credit, 2)
    for (const { outbox } of [first, second]) outbox.push(part(10), 1, shared)
    first.outbox.flush()
    expect(credit.calls).toBe(0)
    second.outbox.flush()
    expect(credit).toMatchObject({ bytes: 10, frames: 1, calls: 1 })
  })

  it('lets go of the credit of broadcasts, and of no other, when it is told to', () => {
    const { outbox, pipe } = setup()
    const [unicast, broadcast] = [new Credit(), new Credit()]
    pipe.full = true
    outbox.push(part(10), 1, new SharedRelease(broadcast, 1))
    outbox.flush()
    outbox.push(part(20), 1, new SharedRelease(broadcast, 1))
    outbox.push(part(30), 1, unicast)
    outbox.releaseShared()
    outbox.releaseShared()
    expect([broadcast.bytes, unicast.bytes, outbox.bytes]).toEqual([30, 0, 60])
    pipe.full = false
    outbox.drained()
    outbox.flush()
    expect([broadcast.bytes, unicast.bytes, outbox.writtenFrames]).toEqual([30, 30, 3])
  })
})

describe('the budget that all outboxes share', () => {
  it('is charged for all of the block that is being filled while the connection is full', () => {
    const { outbox, pipe, budget } = setup({ maxBytes: 10_000, limitBytes: 100_000 })
    pipe.full = true
    outbox.push(part(100), 1, new Credit())
    outbox.push(part(100), 1, new Credit())
    expect(budget.usedBytes).toBe(200)
    outbox.flush()
    expect([outbox.bytes, budget.usedBytes]).toEqual([200, smallestBlockBytes])
    outbox.push(part(smallestBlockBytes), 1)
    expect(budget.usedBytes).toBe(smallestBlockBytes + 4 * smallestBlockBytes)
    pipe.full = false
    outbox.drained()
    outbox.flush()
    expect(budget.usedBytes).toBe(0)
    pipe.full = true
    outbox.push(part(100), 1)
    outbox.flush()
    outbox.close()
    expect(budget.usedBytes).toBe(0)
  })

  it('is charged for a block that several links hold by the bytes that wait, at each of them', () => {
    const { outbox, pipe, budget, blocks } = setup({ limitBytes: 100_000 })
    pipe.full = true
    outbox.pushShared(blocks.copy(part(100)), 1, new SharedRelease(new Credit(), 2))
    outbox.flush()
    expect(budget.usedBytes).toBe(100)
  })

  it('leaves its last part to links that read, and neither to those that do not nor to broadcasts', () => {
    const { outbox, pipe, budget, make } = setup({ maxBytes: 1_000_000, limitBytes: 232_000 })
    const reads = make()
    pipe.full = true
    outbox.push(part(3 * largestBlockBytes), 1)
    outbox.flush()
    expect(outbox.hasRoom(3_566, 1)).toBe(true)
    expect(outbox.hasRoom(3_567, 1)).toBe(false)
    expect([reads.hasRoom(10_816, 1), reads.hasRoom(10_817, 1)]).toEqual([true, false])
    expect([reads.hasRoom(3_566, 1, true), reads.hasRoom(3_567, 1, true)]).toEqual([true, false])
    expect(budget.usedBytes).toBe(3 * largestBlockBytes)
  })
})

describe('the memory in which frames wait', () => {
  /** Every part that was written, as it lay in memory. */
  function parts(pipe: Pipe): Uint8Array[] {
    const written: Uint8Array[] = []
    const write = pipe.write.bind(pipe)
    pipe.write = (pieces) => {
      written.push(...pieces)
      return write(pieces)
    }
    return written
  }

  it('is its own: what frames came in may change as soon as they are queued', () => {
    const { outbox, pipe } = setup({ maxBytes: 1_000_000, limitBytes: 1_000_000 })
    const chunk = part(100_000, 1)
    outbox.push(chunk.subarray(0, 10), 1)
    outbox.push(chunk, 1)
    chunk.fill(2)
    outbox.flush()
    expect([pipe.bytes.length, new Set(pipe.bytes)]).toEqual([100_010, new Set([1])])
  })

  it('is used again when it was written, and not before', () => {
    const { outbox, pipe, make } = setup()
    const written = parts(pipe)
    outbox.push(part(10, 1), 1)
    outbox.flush()
    pipe.full = true
    outbox.push(part(10, 2), 1)
    outbox.flush()
    outbox.push(part(10, 3), 1)
    const other = make()
    other.push(part(10, 4), 1)
    other.flush()
    expect(written.map(({ buffer }) => buffer === written[0]!.buffer)).toEqual([true, true, false])
    // What the connection has not sent yet is as it was.
    expect([...written[1]!, ...written[2]!]).toEqual([...part(10, 2), ...part(10, 4)])
  })

  it('is used never again where the connection may still be writing it when the link is closed', () => {
    const { outbox, pipe, blocks } = setup()
    const written = parts(pipe)
    pipe.full = true
    outbox.push(part(10, 1), 1)
    outbox.flush()
    outbox.close()
    const taken = Array.from({ length: 8 }, () => blocks.take(1))
    expect(taken.filter(({ bytes }) => bytes.buffer === written[0]!.buffer)).toEqual([])
  })

  it('of a broadcast is the same for all of its members, and free when the last of them has written it', () => {
    const { outbox, pipe, blocks, make } = setup({ maxBytes: 10_000, limitBytes: 100_000 })
    const written = parts(pipe)
    const other = make()
    const shared = blocks.copy(part(smallestBlockBytes, 1))
    for (const member of [outbox, other]) member.pushShared(shared, 1)
    shared.release()
    outbox.push(part(10, 2), 1)
    outbox.flush()
    expect(blocks.take(1).bytes.buffer).not.toBe(shared.bytes.buffer)
    other.flush()
    expect(blocks.take(1).bytes.buffer).toBe(shared.bytes.buffer)
    expect(written.filter(({ buffer }) => buffer === shared.bytes.buffer).length).toBe(2)
    expect(pipe.bytes).toEqual([...part(smallestBlockBytes, 1), ...part(10, 2), ...part(smallestBlockBytes, 1)])
  })
})

describe('whatever happens to an outbox', () => {
  type Step =
    | {
        readonly type: 'push'
        readonly bytes: number
        readonly frames: number
        readonly how: 'own' | 'shared' | 'none'
      }
    | { readonly type: 'control'; readonly bytes: number }
    | { readonly type: 'flush' | 'drain' | 'block' | 'unblock' | 'close' | 'releaseShared' }
    | { readonly type: 'wait'; readonly ms: number }

  const size = fc.oneof(fc.integer({ min: 1, max: 400 }), fc.constantFrom(16_383, 16_384, 70_000, 200_000))
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        type: fc.constant('push' as const),
        bytes: size,
        frames: fc.integer({ min: 1, max: 5 }),
        how: fc.constantFrom('own' as const, 'shared' as const, 'none' as const),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ type: fc.constant('control' as const), bytes: fc.integer({ min: 12, max: 300 }) }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        type: fc.constantFrom('flush' as const, 'drain' as const, 'block' as const, 'unblock' as const),
      }),
    },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('releaseShared' as const) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('wait' as const), ms: fc.nat(400) }) },
  )

  it('sent = rejected + written + lost + queued, in frames; and credit and budget come out even', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), fc.boolean(), (steps, closes) => {
        const { outbox, pipe, budget, time } = setup({ maxBytes: 600_000, maxFrames: 60, limitBytes: 700_000 })
        const credit = new Credit()
        let [sent, rejected, owed, handed] = [0, 0, 0, 0]
        const script: Step[] = closes ? [...steps, { type: 'close' }] : steps
        for (const move of script) {
          switch (move.type) {
            case 'push':
              sent += move.frames
              if (!outbox.hasRoom(move.bytes, move.frames)) {
                rejected += move.frames
                break
              }
              handed += move.bytes
              if (move.how !== 'none') owed += move.bytes
              outbox.push(
                part(move.bytes, 7),
                move.frames,
                move.how === 'own' ? credit : move.how === 'shared' ? new SharedRelease(credit, 1) : undefined,
              )
              break
            case 'control':
              handed += move.bytes
              outbox.push(part(move.bytes, 7), 0)
              break
            case 'flush':
              outbox.flush()
              break
            case 'drain':
              outbox.drained()
              break
            case 'block':
              pipe.full = true
              break
            case 'unblock':
              pipe.full = false
              break
            case 'releaseShared':
              outbox.releaseShared()
              break
            case 'wait':
              time.now += move.ms
              break
            case 'close':
              outbox.close()
          }
          expect(rejected + outbox.writtenFrames + outbox.lostFrames + outbox.frames).toBe(sent)
          expect(budget.usedBytes).toBe(outbox.bytes + outbox.heldBytes)
          expect(outbox.heldBytes).toBeGreaterThanOrEqual(0)
          expect(outbox.frames).toBeLessThanOrEqual(60)
        }
        // In the end everything is written, or lost with the link; either way its credit is back.
        pipe.full = false
        outbox.drained()
        outbox.flush()
        expect([outbox.frames, outbox.bytes, budget.usedBytes, credit.bytes]).toEqual([0, 0, 0, owed])
        if (!closes) expect(pipe.bytes.length).toBe(handed)
      }),
      { numRuns: 150 },
    )
  })
})
