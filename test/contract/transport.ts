import type { Connection, TransportName } from '@sealway/protocol'
import fc from 'fast-check'
import { eventually } from '../support/until.js'

/** Two ends of one live connection: `near` dialled, `far` was dialled. */
export interface Ends {
  readonly near: Connection
  readonly far: Connection
}

export interface TransportUnderTest {
  readonly name: TransportName
  /** Opens a connection. Neither end is started. */
  open(): Promise<Ends>
  close(): Promise<void>
}

/** What one end saw. */
class Listener {
  readonly chunks: Buffer[] = []
  bytes = 0
  drains = 0
  readonly closes: (Error | undefined)[] = []
  dataAfterClose = 0

  constructor(readonly connection: Connection) {}

  start(): this {
    this.connection.start({
      data: (chunk) => {
        if (this.closes.length > 0) this.dataAfterClose++
        // Copied: a node's transports reuse their buffer.
        this.chunks.push(Buffer.from(chunk))
        this.bytes += chunk.length
      },
      drain: () => void this.drains++,
      close: (error) => void this.closes.push(error),
    })
    return this
  }

  get received(): Buffer {
    return Buffer.concat(this.chunks)
  }
}

const directions = [
  ['from the node to the mediator', ({ near, far }: Ends) => [near, far] as const],
  ['from the mediator to the node', ({ near, far }: Ends) => [far, near] as const],
] as const

/** Bytes whose order can be checked. */
function pattern(bytes: number, seed = 0): Buffer {
  const buffer = Buffer.allocUnsafe(bytes)
  let state = seed + 1
  for (let i = 0; i < bytes; i++) {
    state = (state * 1_103_515_245 + 12_345) & 0x7fff_ffff
    buffer[i] = state >>> 16
  }
  return buffer
}

/** Turns with time in between: sockets need the kernel. */
const rest = async (times: number) => {
  for (let i = 0; i < times; i++) await new Promise((resolve) => setTimeout(resolve, 2))
}

/** The contract of a connection, whatever carries it. */
export function transportContract(title: string, make: () => Promise<TransportUnderTest>): void {
  describe(`a connection over ${title}`, () => {
    let transport: TransportUnderTest
    const open: Ends[] = []
    beforeAll(async () => {
      transport = await make()
    })
    afterEach(() => {
      for (const { near, far } of open.splice(0)) {
        near.destroy()
        far.destroy()
      }
    })
    afterAll(() => transport.close())

    async function connected(): Promise<{ near: Listener; far: Listener }> {
      const ends = await transport.open()
      open.push(ends)
      return { near: new Listener(ends.near).start(), far: new Listener(ends.far).start() }
    }

    it('says what it is, and who is at the other end', async () => {
      const { near, far } = await connected()
      for (const { connection } of [near, far]) {
        expect(connection.transport).toBe(transport.name)
        expect(connection.remoteAddress).not.toBe('')
      }
    })

    describe.each(directions)('%s', (_direction, of) => {
      it('hands on bytes in order, however they were cut', async () => {
        await fc.assert(
          fc.asyncProperty(
            fc.array(fc.array(fc.integer({ min: 0, max: 20_000 }), { minLength: 1, maxLength: 5 }), {
              minLength: 1,
              maxLength: 12,
            }),
            async (writes) => {
              const ends = await transport.open()
              const [from, to] = of(ends)
              const [sender, receiver] = [new Listener(from).start(), new Listener(to).start()]
              const parts = writes.map((sizes, i) => sizes.map((size, j) => pattern(size, i * 10 + j)))
              const expected = Buffer.concat(parts.flat())
              for (const write of parts) sender.connection.write(write)
              await eventually(() => receiver.bytes >= expected.length, 'all bytes arrive')
              expect(receiver.received.equals(expected)).toBe(true)
              from.destroy()
              to.destroy()
            },
          ),
          { numRuns: 15 },
        )
      })

      it.each([1, 4])('hands on 8 MiB written at once in %i parts', async (count) => {
        const { near, far } = await connected()
        const [from, to] = of({ near: near.connection, far: far.connection })
        const receiver = to === near.connection ? near : far
        const parts = Array.from({ length: count }, (_, i) => pattern((8 * 1024 * 1024) / count, i))
        from.write(parts)
        await eventually(() => receiver.bytes === 8 * 1024 * 1024, 'all bytes arrive')
        expect(receiver.received.equals(Buffer.concat(parts))).toBe(true)
      })

      it('takes no more than a bounded amount while the other end is paused, and goes on when it is resumed', async () => {
        const { near, far } = await connected()
        const [from, to] = of({ near: near.connection, far: far.connection })
        const [sender, receiver] = from === near.connection ? [near, far] : [far, near]
        to.pause()
        const piece = pattern(64 * 1024)
        const offered = 96 * 1024 * 1024
        let written = 0
        let full = false
        let seen = 0
        /** Writes as the contract says: nothing more after false, until a drain. */
        const pump = (): void => {
          if (full && sender.drains === seen) return
          full = false
          while (!full && written < offered) {
            seen = sender.drains
            full = !from.write([piece])
            written += piece.length
          }
        }
        for (let quiet = 0, last = -1; quiet < 20; ) {
          pump()
          await rest(1)
          quiet = written === last ? quiet + 1 : 0
          last = written
        }
        expect(full).toBe(true)
        expect(written).toBeLessThan(32 * 1024 * 1024)
        expect(receiver.bytes).toBeLessThanOrEqual(written)
        const drains = sender.drains
        to.resume()
        await eventually(() => receiver.bytes === written, 'what was written arrives')
        await eventually(() => sender.drains > drains, 'the drain comes')
        expect(from.write([piece]) || sender.drains > drains).toBe(true)
      })

      it('loses nothing that comes before the other end is started', async () => {
        const ends = await transport.open()
        open.push(ends)
        const [from, to] = of(ends)
        const sender = new Listener(from).start()
        sender.connection.write([pattern(100_000)])
        await rest(5)
        const receiver = new Listener(to).start()
        await eventually(() => receiver.bytes === 100_000, 'all bytes arrive')
        expect(receiver.received.equals(pattern(100_000))).toBe(true)
      })

      it('sends what was written before an end, and closes both ends in order, once each', async () => {
        const { near, far } = await connected()
        const [from] = of({ near: near.connection, far: far.connection })
        const receiver = from === near.connection ? far : near
        from.write([pattern(3_000_000)])
        from.end()
        await eventually(() => near.closes.length > 0 && far.closes.length > 0, 'both close')
        expect(receiver.received.equals(pattern(3_000_000))).toBe(true)
        await rest(10)
        expect(near.closes).toEqual([undefined])
        expect(far.closes).toEqual([undefined])
        expect(near.dataAfterClose + far.dataAfterClose).toBe(0)
      })

      it('closes both ends at a destroy, once each, and hands on nothing after it', async () => {
        const { near, far } = await connected()
        const [from, to] = of({ near: near.connection, far: far.connection })
        const mine = from === near.connection ? near : far
        to.write([pattern(100)])
        await eventually(() => mine.bytes === 100, 'it works')
        for (let i = 0; i < 20; i++) to.write([pattern(10_000)])
        from.destroy()
        const { bytes } = mine
        await eventually(() => near.closes.length > 0 && far.closes.length > 0, 'both close')
        await rest(10)
        expect(near.closes).toHaveLength(1)
        expect(far.closes).toHaveLength(1)
        expect(mine.bytes).toBe(bytes)
      })

      it('tells of a close that came before it was started', async () => {
        const ends = await transport.open()
        open.push(ends)
        const [from, to] = of(ends)
        new Listener(from).start()
        from.end()
        await rest(20)
        const late = new Listener(to).start()
        await eventually(() => late.closes.length > 0, 'it closes')
        await rest(5)
        expect(late.closes).toHaveLength(1)
      })

      it('takes end and destroy again and again, and a write after them, without harm', async () => {
        const { near, far } = await connected()
        const [from] = of({ near: near.connection, far: far.connection })
        from.end()
        from.end()
        from.destroy()
        from.destroy()
        await eventually(() => near.closes.length > 0 && far.closes.length > 0, 'both close')
        expect(() => from.write([pattern(10)])).not.toThrow()
        from.end()
        from.destroy()
        await rest(10)
        expect(near.closes).toHaveLength(1)
        expect(far.closes).toHaveLength(1)
      })
    })

    it('closes once at each end where both end at the same time', async () => {
      const { near, far } = await connected()
      near.connection.end()
      far.connection.end()
      await eventually(() => near.closes.length > 0 && far.closes.length > 0, 'both close')
      await rest(10)
      expect(near.closes).toHaveLength(1)
      expect(far.closes).toHaveLength(1)
    })

    it('keeps connections apart', async () => {
      const pairs = await Promise.all(Array.from({ length: 8 }, () => connected()))
      for (const [i, { near, far }] of pairs.entries()) {
        near.connection.write([pattern(5_000, i)])
        far.connection.write([pattern(7_000, i + 100)])
      }
      await eventually(() => pairs.every(({ near, far }) => far.bytes === 5_000 && near.bytes === 7_000), 'all arrive')
      for (const [i, { near, far }] of pairs.entries()) {
        expect(far.received.equals(pattern(5_000, i))).toBe(true)
        expect(near.received.equals(pattern(7_000, i + 100))).toBe(true)
      }
    })
  })
}
