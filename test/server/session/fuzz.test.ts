import {
  type Connection,
  type ConnectionEvents,
  encodeJson,
  encodeOpen,
  FrameReader,
  FrameType,
  limits,
} from '@sealway/protocol'
import { countOf } from '../../support/full-run'
import { malformedAfterHello, malformedBeforeHello, type Random, seeded } from '../../support/malformed'
import { World } from '../../support/relay'

/** A connection that the test pushes into, and that remembers how it ended. */
class Stub implements Connection {
  readonly transport = 'memory'
  readonly remoteAddress = 'memory'
  events!: ConnectionEvents
  code: string | undefined
  over = false
  private readonly reader = new FrameReader(limits.hardMaxFrameBytes)
  start(events: ConnectionEvents): void {
    this.events = events
  }
  write(parts: readonly Uint8Array[]): boolean {
    for (const part of parts) {
      this.reader.push(part, (bytes, at, end) => {
        if (bytes[at + 4] !== FrameType.close) return
        this.code = (JSON.parse(Buffer.from(bytes.subarray(at + 12, end)).toString()) as { code: string }).code
      })
    }
    return true
  }
  pause(): void {}
  resume(): void {}
  end(): void {
    this.destroy()
  }
  destroy(): void {
    if (this.over) return
    this.over = true
    this.events.close()
  }
}

const refusals = new Set([
  'MALFORMED',
  'TOO_LARGE',
  'INVALID_NAME',
  'UNAUTHORIZED',
  'UNSUPPORTED_VERSION',
  'UNKNOWN_ROUTE',
  'OVERLOADED',
])

let world: World
beforeEach(() => {
  world = new World({ limits: { maxUnauthenticated: 1_000_000 } })
})

/** Whole, in two pieces, or byte by byte. */
function feed(stub: Stub, bytes: Buffer, random: Random): void {
  switch (random.below(3)) {
    case 0:
      stub.events.data(bytes)
      return
    case 1: {
      const cut = random.below(bytes.length + 1)
      stub.events.data(Buffer.from(bytes.subarray(0, cut)))
      stub.events.data(Buffer.from(bytes.subarray(cut)))
      return
    }
    default:
      for (const byte of bytes.subarray(0, 300)) stub.events.data(Buffer.from([byte]))
      stub.events.data(Buffer.from(bytes.subarray(300)))
  }
}

/** How each of the links ended, by code; those that only wait for more bytes are ended here. */
async function outcomes(links: Stub[]): Promise<Map<string, number>> {
  await world.settle()
  const codes = new Map<string, number>()
  for (const link of links) {
    const code = link.over ? (link.code ?? 'ended') : 'waits'
    codes.set(code, (codes.get(code) ?? 0) + 1)
    link.destroy()
  }
  await world.settle()
  return codes
}

const rounds = countOf(500, 50)

it('links whose first bytes are malformed each end with a code of the table, and leave nothing', async () => {
  const random = seeded(20_240_601)
  for (let round = 0; round < rounds; round++) {
    const links = Array.from({ length: 100 }, () => {
      const stub = new Stub()
      world.relay.accept(stub)
      feed(stub, malformedBeforeHello(random), random)
      return stub
    })
    for (const code of (await outcomes(links)).keys()) if (code !== 'waits') expect(refusals).toContain(code)
  }
  expect(world.log.filter(({ level }) => level === 'error')).toEqual([])
  expect([world.relay.linkCount, world.relay.presence.count, world.relay.budget.usedBytes]).toEqual([0, 0, 0])
})

it('links that send something malformed after their welcome end with a code of the table, and touch nobody else', async () => {
  const random = seeded(20_240_602)
  const bystander = await world.node('bystander')
  const { token } = world.token()
  const hello = { versions: [1], groups: ['g1'], instance: '0'.repeat(32), token }
  for (let round = 0; round < rounds; round++) {
    const links = Array.from({ length: 100 }, () => {
      const stub = new Stub()
      world.relay.accept(stub)
      stub.events.data(Buffer.from(encodeJson(FrameType.hello, hello)))
      return stub
    })
    await world.settle()
    for (const link of links) {
      link.events.data(Buffer.from(encodeOpen(1, 'bystander', 'default')))
      feed(link, malformedAfterHello(random), random)
    }
    for (const code of (await outcomes(links)).keys()) if (code !== 'waits') expect(refusals).toContain(code)
  }
  expect(world.log.filter(({ level }) => level === 'error')).toEqual([])
  expect([world.relay.linkCount, world.relay.presence.count, world.relay.budget.usedBytes]).toEqual([1, 1, 0])
  expect([bystander.closed, bystander.frames]).toEqual([false, []])
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
})
