import {
  type Connection,
  type ConnectionEvents,
  codeNumber,
  decodeReset,
  decodeTrailers,
  encodeGrant,
  FrameReader,
  FrameType,
  headerBytes,
  limits,
  type RawHeaders,
  type ResponseHead,
  readU32,
  SealwayError,
} from '@sealway/protocol'
import { type AnswerReader, Exchange } from '../../../server/src/proxy/exchange'
import { Tunnel } from '../../../server/src/proxy/tunnel'
import { BlockPool } from '../../../server/src/session/block'
import { type Budget, Outbox } from '../../../server/src/session/outbox'
import type { Session } from '../../../server/src/session/session'

interface Written {
  readonly type: number
  readonly flags: number
  readonly number: number
  readonly body: Buffer
}

/** The mediator's end of a link that takes what it is told to take, with its real outbox. */
class Link {
  readonly frames: Written[] = []
  takes = true
  now = 1_000
  readonly budget: Budget = { usedBytes: 0, limitBytes: 64 * 1024 * 1024 }
  readonly outbox: Outbox
  readonly tunnel: Tunnel
  private readonly reader = new FrameReader(limits.hardMaxFrameBytes)

  constructor(more: Partial<typeof limits> = {}) {
    const connection: Connection = {
      ...{ transport: 'memory', remoteAddress: 'memory', pause() {}, resume() {}, end() {}, destroy() {} },
      start: (_events: ConnectionEvents) => {},
      write: (parts) => {
        for (const part of parts) this.reader.push(new Uint8Array(part), this.keep)
        return this.takes
      },
    }
    const set = { ...limits, ...more }
    this.outbox = new Outbox({
      ...{
        connection,
        budget: this.budget,
        blocks: new BlockPool(),
        maxBytes: set.outboxBytes,
        maxFrames: set.outboxFrames,
      },
      now: () => this.now,
      schedule: (outbox) => queueMicrotask(() => outbox.flush()),
    })
    const session = {
      ...{ outbox: this.outbox, live: true },
      control: (frame: Uint8Array) => this.outbox.push(frame, 0),
    } as unknown as Session
    this.tunnel = new Tunnel(session, { limits: set, budget: () => this.budget, now: () => this.now })
  }

  private readonly keep = (bytes: Uint8Array, at: number, end: number): void => {
    const body = Buffer.from(bytes.subarray(at + headerBytes, end))
    this.frames.push({ type: bytes[at + 4]!, flags: bytes[at + 5]!, number: readU32(bytes, at + 8), body })
  }

  get dataBytes(): number {
    return this.frames.filter(({ type }) => type === FrameType.data).reduce((sum, { body }) => sum + body.length, 0)
  }

  begin(reader: Reader, body?: Uint8Array, end = false): Exchange {
    const begun = this.tunnel.begin({ method: 'POST', target: '/', headers: [] }, body, end, reader)
    if (begun instanceof Exchange) return begun
    throw begun
  }

  grant(exchange: Exchange, bytes: number): void {
    this.tunnel.receive(FrameType.grant, exchange.number, 0, encodeGrant(exchange.number, bytes).subarray(headerBytes))
  }
}

class Reader implements AnswerReader {
  readonly upgrades = false
  readonly said: string[] = []
  inform(head: ResponseHead): void {
    this.said.push(`inform ${head.status}`)
  }
  answer(head: ResponseHead, body: Uint8Array, end: boolean): void {
    this.said.push(`answer ${head.status} ${Buffer.from(body)}${end ? ' end' : ''}`)
  }
  data(chunk: Uint8Array, end: boolean): void {
    this.said.push(`data ${Buffer.from(chunk)}${end ? ' end' : ''}`)
  }
  trailers(trailers: RawHeaders): void {
    this.said.push(`trailers ${trailers.join()}`)
  }
  drain(): void {
    this.said.push('drain')
  }
  failed(code: string): void {
    this.said.push(`failed ${code}`)
  }
}

const KiB = 1024
const settled = () => new Promise((resolve) => setImmediate(resolve))

describe('the exchanges of one link', () => {
  it('send pieces of at most 64 KiB, in order, and end with trailers', async () => {
    const link = new Link()
    const exchange = link.begin(new Reader())
    const body = Buffer.from(Array.from({ length: 150 * KiB }, (_, i) => i % 251))
    expect(exchange.send(body)).toBe(true)
    exchange.end(['A', 'b'])
    await settled()
    const data = link.frames.filter(({ type }) => type === FrameType.data)
    expect(data.map(({ body }) => body.length)).toEqual([64 * KiB, 64 * KiB, 22 * KiB])
    expect(Buffer.concat(data.map(({ body }) => body)).equals(body)).toBe(true)
    expect(decodeTrailers(link.frames.at(-1)!.body)).toEqual(['A', 'b'])
  })

  it('end without trailers that are too long for a frame', async () => {
    const link = new Link()
    link.begin(new Reader()).end(['A', 'x'.repeat(20_000)])
    await settled()
    expect(link.frames.at(-1)).toMatchObject({ type: FrameType.data, flags: 1 })
  })

  it('wait where the queue of the link is full, without closing it, and go on when it was written', async () => {
    const link = new Link({ outboxBytes: 256 * KiB })
    const reader = new Reader()
    const exchange = link.begin(reader)
    await settled()
    link.takes = false
    expect(exchange.send(Buffer.alloc(40 * KiB))).toBe(true)
    await settled()
    // A quarter of the queue is theirs.
    expect(exchange.send(Buffer.alloc(40 * KiB))).toBe(false)
    exchange.end()
    expect(link.dataBytes).toBe(40 * KiB)
    expect(link.budget.usedBytes).toBeGreaterThanOrEqual(80 * KiB)
    link.takes = true
    link.outbox.drained()
    await settled()
    expect(link.dataBytes).toBe(80 * KiB)
    expect(link.frames.at(-1)!.flags).toBe(1)
    expect(reader.said).toEqual([])
    expect(link.budget.usedBytes).toBe(0)
  })

  it('go on within a tick where it was messages that had filled the queue', async () => {
    const link = new Link({ outboxBytes: 256 * KiB })
    const reader = new Reader()
    const exchange = link.begin(reader)
    await settled()
    link.takes = false
    link.outbox.push(new Uint8Array(Buffer.from(`0000ffff0c00000000000001${'00'.repeat(0xffff)}`, 'hex')), 1)
    await settled()
    expect(exchange.send(Buffer.alloc(KiB))).toBe(false)
    link.takes = true
    link.outbox.drained()
    expect(link.dataBytes).toBe(0)
    link.tunnel.tick(link.now, { answerTimeoutMs: 1_000, idleTimeoutMs: 1_000 })
    await settled()
    expect(link.dataBytes).toBe(KiB)
    expect(reader.said).toEqual(['drain'])
  })

  it('stop at the window, and take up what was held when it is granted', async () => {
    const link = new Link({ exchangeWindowBytes: 10 } as never)
    const reader = new Reader()
    const exchange = link.begin(reader, Buffer.from('abcd'))
    expect(exchange.send(Buffer.from('efghij'))).toBe(true)
    expect(exchange.send(Buffer.from('klm'))).toBe(false)
    expect(exchange.send(Buffer.from('no'))).toBe(false)
    link.grant(exchange, 2)
    await settled()
    expect([link.dataBytes, reader.said]).toEqual([8, []])
    expect(link.budget.usedBytes).toBe(3)
    link.grant(exchange, 100)
    await settled()
    expect([link.dataBytes, reader.said]).toEqual([11, ['drain']])
    expect(link.budget.usedBytes).toBe(0)
  })

  it('free what they were given when it has gone, held or not, and leave alone what they were not', async () => {
    const link = new Link({ exchangeWindowBytes: 24 * KiB } as never)
    const exchange = link.begin(new Reader())
    const pieces = Array.from({ length: 4 }, (_, i) => Buffer.alloc(16 * KiB, `${i}`))
    const whole = Buffer.concat(pieces)
    const isGiven = (i: number) => i !== 2
    pieces.forEach((piece, i) => {
      exchange.send(piece, isGiven(i))
    })
    const left = () => pieces.map(({ length }) => length / KiB)
    expect(left()).toEqual([0, 16, 16, 16])
    link.grant(exchange, 23 * KiB)
    expect([left(), link.budget.usedBytes >= 17 * KiB]).toEqual([[0, 0, 16, 16], true])
    link.grant(exchange, 64 * KiB)
    await settled()
    expect(left()).toEqual([0, 0, 16, 0])
    const data = link.frames.filter(({ type }) => type === FrameType.data)
    expect(Buffer.concat(data.map(({ body }) => body)).equals(whole)).toBe(true)
    expect(link.budget.usedBytes).toBe(0)
  })

  it('are refused above their limit, and where their head is none', () => {
    const link = new Link({ maxExchangesPerLink: 2 } as never)
    const first = link.begin(new Reader())
    link.begin(new Reader())
    expect(() => link.begin(new Reader())).toThrow(expect.objectContaining({ code: 'BUSY' }))
    first.abort('ABORTED')
    const head = { method: 'GET', target: 'no path', headers: [] }
    const begun = link.tunnel.begin(head, undefined, true, new Reader())
    expect((begun as SealwayError).code).toBe('MALFORMED')
    expect(link.tunnel.inFlight).toBe(1)
    link.begin(new Reader())
  })

  it('do not begin while the queue is full', async () => {
    const link = new Link({ outboxBytes: 64 * KiB })
    link.takes = false
    link.begin(new Reader(), Buffer.alloc(10 * KiB))
    await settled()
    expect(() => link.begin(new Reader(), Buffer.alloc(10 * KiB))).toThrow(expect.objectContaining({ code: 'BUSY' }))
    expect(link.tunnel.free).toBe(true)
  })

  it('are told when the link is lost, once, and hold nothing any more', () => {
    const link = new Link({ exchangeWindowBytes: 10 } as never)
    const readers = [new Reader(), new Reader()]
    const exchanges = readers.map((reader) => link.begin(reader))
    exchanges[0]!.send(Buffer.alloc(100))
    expect(link.budget.usedBytes).toBeGreaterThanOrEqual(90)
    const queued = link.outbox.bytes
    link.tunnel.lose()
    link.tunnel.lose()
    expect(link.budget.usedBytes).toBe(queued)
    expect(readers.map(({ said }) => said)).toEqual([['failed PEER_GONE'], ['failed PEER_GONE']])
    expect(exchanges[0]!.send(Buffer.alloc(10))).toBe(true)
    expect(link.tunnel.inFlight).toBe(0)
  })

  it('are timed out by what moved last, before and after the head', async () => {
    const link = new Link()
    const reader = new Reader()
    const exchange = link.begin(reader)
    const at = { answerTimeoutMs: 1_000, idleTimeoutMs: 5_000 }
    const tick = (ms: number) => {
      link.now += ms
      link.tunnel.tick(link.now, at)
    }
    tick(900)
    exchange.send(Buffer.from('x'))
    tick(900)
    expect(reader.said).toEqual([])
    link.tunnel.receive(FrameType.response, exchange.number, 0, Buffer.from('\0\0\0\x04200 ', 'latin1'))
    tick(4_900)
    expect(reader.said).toEqual(['answer 200 '])
    tick(200)
    expect(reader.said.at(-1)).toBe('failed TIMEOUT')
    await settled()
    const { type, body } = link.frames.at(-1)!
    expect([type, decodeReset(body)]).toEqual([FrameType.reset, codeNumber('TIMEOUT')])
  })

  it('have numbers of their own, and a frame for none that was ever begun is MALFORMED', () => {
    const link = new Link()
    const numbers = [1, 2, 3].map(() => link.begin(new Reader()).number)
    expect(new Set(numbers).size).toBe(3)
    const frame = (number: number) => () => link.tunnel.receive(FrameType.data, number, 0, new Uint8Array(0))
    expect(frame(0)).toThrow(SealwayError)
    expect(frame(Math.max(...numbers) + 1)).toThrow(SealwayError)
  })
})
