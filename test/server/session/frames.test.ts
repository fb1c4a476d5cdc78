import { encodeFrame, encodeJson, encodeLp8, FrameType, headerBytes } from '@sealway/protocol'
import { Session } from '../../../server/src/session/session'
import { counterOf, noise, type RawLink, sendFrame } from '../../support/link'
import { World } from '../../support/relay'

let world: World
let sender: RawLink
let receiver: RawLink
beforeEach(async () => {
  world = new World()
  sender = await world.node('sender')
  receiver = await world.node('receiver')
  sender.open(1, 'receiver').open(2, 'receiver', 'other')
  await world.settle()
  sender.take()
})

const counters = () => receiver.delivered.map(counterOf)

/** What the session hands on, as [frames, bytes] of each run. */
function watchRuns(): [number, number][] {
  const runs: [number, number][] = []
  const { events } = (world.relay.presence.get('sender') as unknown as { parts: { events: SendEvents } }).parts
  const { send } = events
  events.send = (route, run, frames) => {
    runs.push([frames, run.length])
    send(route, run, frames)
  }
  return runs
}
interface SendEvents {
  send(route: unknown, run: Uint8Array, frames: number): void
}

describe('frames that come in one piece', () => {
  it('for one route are handed on as one slice', async () => {
    const runs = watchRuns()
    sender.send(1, noise(0), noise(1, 200), noise(2))
    await world.settle()
    expect(runs).toEqual([[3, 96 + 200 + 96 + 3 * headerBytes]])
    expect(counters()).toEqual([0, 1, 2])
  })

  it('for two routes are handed on in their order', async () => {
    const runs = watchRuns()
    sender.write(Buffer.concat([1, 1, 2, 1].map((route, i) => sendFrame(route, noise(i)))))
    await world.settle()
    expect(runs.map(([frames]) => frames)).toEqual([2, 1, 1])
    expect(counters()).toEqual([0, 1, 2, 3])
    expect(receiver.delivered.every((body, i) => body.equals(noise(i)))).toBe(true)
  })

  it('with a control frame between them keep their order and their places', async () => {
    sender.write(Buffer.concat([sendFrame(1, noise(0)), encodeFrame(FrameType.retire, 1), sendFrame(2, noise(1))]))
    await world.settle()
    const scopes = new Map(receiver.announces.map(({ route, scope }) => [route, scope]))
    expect(receiver.of(FrameType.deliver).map(({ route, body }) => [scopes.get(route), counterOf(body)])).toEqual([
      ['default', 0],
      ['other', 1],
    ])
  })
})

describe('frames that come in pieces', () => {
  it('cut anywhere arrive whole, byte for byte', async () => {
    const bodies = [noise(0), noise(1, 97), noise(2, 5_000), noise(3)]
    const stream = Buffer.concat(bodies.map((body) => sendFrame(1, body)))
    for (let at = 0, step = 1; at < stream.length; at += step, step = (step * 7 + 3) % 211) {
      if (step === 0) step = 1
      sender.write(stream.subarray(at, at + step))
    }
    await world.settle()
    expect(receiver.delivered.length).toBe(4)
    expect(receiver.delivered.every((body, i) => body.equals(bodies[i]!))).toBe(true)
  })

  it('of one byte arrive whole', async () => {
    for (const byte of sendFrame(1, noise(9))) sender.write(Uint8Array.of(byte))
    await world.settle()
    expect(receiver.delivered).toEqual([noise(9)])
  })

  it('that end in the middle of a frame are no frame', async () => {
    const frame = sendFrame(1, noise(0))
    sender.write(frame.subarray(0, frame.length - 1))
    sender.connection.end()
    await world.settle()
    expect(receiver.delivered).toEqual([])
    expect(world.relay.linkCount).toBe(1)
  })
})

describe('a link that breaks the protocol', () => {
  const proto = '{"type":"peers","group":"g1","__proto__":{"x":1}}'
  it.each([
    ['an unknown type', header(0, 20), 'MALFORMED'],
    ['type 0', header(0, 0), 'MALFORMED'],
    ['reserved bits', Buffer.from('000000000400000100000000', 'hex'), 'MALFORMED'],
    ['a length of 1 MiB and a byte', header(1024 * 1024 + 1, FrameType.send, 1), 'TOO_LARGE'],
    ['a length of 2^31', header(2 ** 31, FrameType.send, 1), 'TOO_LARGE'],
    ['a length of 2^32 - 1', header(2 ** 32 - 1, FrameType.send, 1), 'TOO_LARGE'],
    ['a length of 2^53, of which 32 bits fit', Buffer.from('0020000000000000', 'hex'), undefined],
    ['a send on a route that is not open', sendFrame(3, noise(0)), 'UNKNOWN_ROUTE'],
    ['a sealed frame of 95 bytes', sendFrame(1, noise(0, 95)), 'MALFORMED'],
    ['a sealed frame without a byte', sendFrame(1, new Uint8Array(0)), 'MALFORMED'],
    ['unknown flags', sendFrame(1, noise(0), 2), 'MALFORMED'],
    ['known and unknown flags', sendFrame(1, noise(0), 3), 'MALFORMED'],
    ['a retire of a route that is not open', encodeFrame(FrameType.retire, 3), 'UNKNOWN_ROUTE'],
    ['a route opened twice', encodeFrame(FrameType.open, 1, encodeLp8('a', 'b')), 'MALFORMED'],
    ['an open without its scope', encodeFrame(FrameType.open, 3, encodeLp8('a')), 'MALFORMED'],
    ['an open with bytes left over', encodeFrame(FrameType.open, 3, encodeLp8('a', 'b', '')), 'MALFORMED'],
    ['an open whose text runs past its end', encodeFrame(FrameType.open, 3, Uint8Array.of(255, 97)), 'MALFORMED'],
    ['an open to no address', encodeFrame(FrameType.open, 3, encodeLp8('all:a', 'b')), 'INVALID_NAME'],
    ['an open to another alphabet', encodeFrame(FrameType.open, 3, encodeLp8('Ä', 'b')), 'INVALID_NAME'],
    ['an open with a wrong scope', encodeFrame(FrameType.open, 3, encodeLp8('a', 'B!')), 'INVALID_NAME'],
    ['a ping of 65 bytes', encodeFrame(FrameType.ping, 0, new Uint8Array(65)), 'MALFORMED'],
    ['a query that is no JSON', encodeFrame(FrameType.query, 1, Buffer.from('{')), 'MALFORMED'],
    ['a query of null', encodeJson(FrameType.query, null, 1), 'INVALID_NAME'],
    ['a query of a number', encodeJson(FrameType.query, 7, 1), 'INVALID_NAME'],
    ['a query of an unknown type', encodeJson(FrameType.query, { type: 'x', group: 'g1' }, 1), 'MALFORMED'],
    ['a query about no group', encodeJson(FrameType.query, { type: 'peers', group: ['g1'] }, 1), 'INVALID_NAME'],
    ['a query that names a prototype', encodeFrame(FrameType.query, 1, Buffer.from(proto)), 'MALFORMED'],
    ["a mediator's frame", encodeFrame(FrameType.deliver, 1, noise(0)), 'MALFORMED'],
    ["a mediator's credit", encodeFrame(FrameType.credit, 1, new Uint8Array(8)), 'MALFORMED'],
  ])('by %s is told why and ended, and nobody else', async (_what, bytes, code) => {
    sender.write(bytes as Uint8Array)
    await world.settle()
    expect([sender.closeCode, sender.closed, receiver.closed]).toEqual([code, code !== undefined, false])
    expect(({} as { x?: unknown }).x).toBeUndefined()
  })

  it('has what it sent before handed on, also from the same piece', async () => {
    sender.write(Buffer.concat([sendFrame(1, noise(0)), sendFrame(1, noise(1)), sendFrame(1, noise(2, 95))]))
    await world.settle()
    expect([counters(), sender.closeCode]).toEqual([[0, 1], 'MALFORMED'])
  })

  it('has what it sent before a broken header handed on', async () => {
    sender.write(Buffer.concat([sendFrame(1, noise(0)), header(2 ** 31, FrameType.send, 1)]))
    await world.settle()
    expect([counters(), sender.closeCode]).toEqual([[0], 'TOO_LARGE'])
  })

  it('has nothing handed on that it sent after', async () => {
    sender.write(Buffer.concat([header(0, 0), sendFrame(1, noise(0))]))
    sender.write(sendFrame(1, noise(1)))
    await world.settle()
    expect(counters()).toEqual([])
  })
})

it('a link that says goodbye is gone, and what it sent before is handed on', async () => {
  sender.write(Buffer.concat([sendFrame(1, noise(0)), encodeJson(FrameType.close, { code: 'CLOSED', message: '' })]))
  await world.settle()
  expect([sender.closed, sender.closeCode, counters()]).toEqual([true, undefined, [0]])
})

it('a link holds no more routes than it may', async () => {
  world = new World({ limits: { maxRoutesPerLink: 2 } })
  const link = await world.node('a')
  link.open(1, 'a').open(2, 'b').retire(1).open(3, 'c')
  await world.settle()
  expect(link.closed).toBe(false)
  link.open(4, 'd')
  await world.settle()
  expect([link.closeCode, link.closed]).toEqual(['OVERLOADED', true])
})

it('a link that opens routes faster than it may is read no further until it has made up for it', async () => {
  world = new World({ limits: { maxRouteOpensPerSecond: 100 } })
  const link = await world.node('a')
  const other = await world.node('b')
  for (let i = 1; i <= 300; i++) link.open(i, 'b')
  await world.settle()
  link.send(1, noise(0))
  await world.settle()
  expect(other.delivered).toHaveLength(0)
  await world.advance(1_500)
  expect(other.delivered).toHaveLength(0)
  await world.advance(1_500)
  expect([other.delivered.length, link.closed]).toEqual([1, false])
})

it('a defect inside ends the one link with INTERNAL, is logged, and says nothing of itself', async () => {
  const session = world.relay.presence.get('sender')!
  expect(session).toBeInstanceOf(Session)
  const { events } = (session as unknown as { parts: { events: { query(): void } } }).parts
  events.query = () => {
    throw new Error('of the inside')
  }
  sender.query(1, { type: 'peers', group: 'g1' })
  await world.settle()
  expect([sender.closeCode, sender.closed, receiver.closed]).toEqual(['INTERNAL', true, false])
  expect(sender.closeFrame!.message).not.toContain('inside')
  expect(world.log.filter(({ level }) => level === 'error')).toHaveLength(1)
})

function header(length: number, type: number, route = 0): Buffer {
  const bytes = Buffer.alloc(headerBytes)
  bytes.writeUInt32BE(length, 0)
  bytes[4] = type
  bytes.writeUInt32BE(route, 8)
  return bytes
}
