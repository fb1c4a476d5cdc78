import type { Connection } from '@sealway/protocol'
import fc from 'fast-check'
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
  const time = { now: 0 }
  const due: Outbox[] = []
  const make = () =>
    new Outbox({
      connection: pipe,
      budget,
      maxBytes,
      maxFrames,
      now: () => time.now,
      schedule: (outbox) => void due.push(outbox),
    })
  return { pipe, budget, time, due, make, outbox: make() }
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

  it('hands the connection at most a quarter of a MiB and one piece at once', () => {
    const { outbox, pipe } = setup({ maxBytes: 10_000_000, limitBytes: 10_000_000 })
    for (let i = 0; i < 10; i++) outbox.push(part(100_000), 1)
    pipe.full = true
    outbox.flush()
    expect(pipe.writes).toEqual([300_000])
    expect([outbox.bytes, outbox.frames, outbox.writtenFrames]).toEqual([1_000_000, 10, 0])
  })

  it('writes about as much as it is told to, and asks to be flushed again for the rest', () => {
    const { outbox, pipe, due } = setup({ maxBytes: 1_000_000, limitBytes: 1_000_000 })
    for (let i = 0; i < 5; i++) outbox.push(part(30_000), 1)
    expect([outbox.flush(50_000), outbox.bytes, due.length]).toEqual([60_000, 90_000, 2])
    expect([outbox.flush(50_000), outbox.flush(50_000), outbox.bytes, due.length]).toEqual([60_000, 30_000, 0, 3])
    expect(pipe.writes).toEqual([60_000, 60_000, 30_000])
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
    expect([parts, pipe.bytes, credit.frames]).toEqual([1, [1, 2, 2, 3, 3, 3], 3])
    for (let i = 0; i < 3; i++) outbox.push(part(10_000), 1)
    outbox.flush()
    expect(parts).toBe(3)
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
    expect([outbox.bytes, credit.bytes, budget.usedBytes]).toEqual([100, 0, 100])
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
  it('is charged for all of the chunk in which a write that does not end lies, once, and until it ends', () => {
    const { outbox, pipe, budget } = setup({ maxBytes: 10_000, limitBytes: 100_000 })
    const chunk = new Uint8Array(5_000)
    pipe.full = true
    outbox.push(chunk.subarray(0, 100), 1, new Credit())
    outbox.push(chunk.subarray(200, 300), 1, new Credit())
    expect(budget.usedBytes).toBe(200)
    outbox.flush()
    expect([outbox.bytes, budget.usedBytes]).toEqual([200, 5_000])
    pipe.full = false
    outbox.drained()
    expect(budget.usedBytes).toBe(0)
    pipe.full = true
    outbox.push(chunk.subarray(0, 100), 1)
    outbox.flush()
    outbox.close()
    expect(budget.usedBytes).toBe(0)
  })

  it('is not charged for a chunk that several links hold, but for the bytes', () => {
    const { outbox, pipe, budget } = setup({ limitBytes: 100_000 })
    pipe.full = true
    outbox.push(new Uint8Array(5_000).subarray(0, 100), 1, new SharedRelease(new Credit(), 2))
    outbox.flush()
    expect(budget.usedBytes).toBe(100)
  })

  it('leaves its last part to links that read, and neither to those that do not nor to broadcasts', () => {
    const { outbox, pipe, budget, make } = setup({ maxBytes: 100_000, limitBytes: 32_000 })
    const reads = make()
    pipe.full = true
    outbox.push(part(30_000), 1)
    outbox.flush()
    expect(outbox.hasRoom(1_000, 1)).toBe(true)
    expect(outbox.hasRoom(1_001, 1)).toBe(false)
    expect([reads.hasRoom(2_000, 1), reads.hasRoom(2_001, 1)]).toEqual([true, false])
    expect([reads.hasRoom(1_000, 1, true), reads.hasRoom(1_001, 1, true)]).toEqual([true, false])
    expect(budget.usedBytes).toBe(30_000)
  })

  it('copies what waits out of a chunk that is mostly not its own, and only then', () => {
    const { outbox, pipe } = setup({ maxBytes: 1_000_000, maxFrames: 100, limitBytes: 10_000_000 })
    const written: ArrayBufferLike[] = []
    const write = pipe.write.bind(pipe)
    pipe.write = (parts) => {
      for (const { buffer } of parts) written.push(buffer)
      return write(parts)
    }
    const chunk = new Uint8Array(65_536)
    pipe.full = true
    outbox.push(part(1), 1)
    outbox.flush()
    outbox.push(chunk.subarray(0, 20_000), 1)
    outbox.push(chunk.subarray(0, 40_000), 1)
    outbox.push(chunk.subarray(0, 20_000), 1, new SharedRelease(new Credit(), 2))
    pipe.full = false
    outbox.drained()
    outbox.flush()
    expect(written.slice(1).map((buffer) => buffer === chunk.buffer)).toEqual([false, true, true])
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
