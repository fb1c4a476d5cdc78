import { encodeFrame, FrameType, headerBytes } from '@sealway/protocol'
import { laggingAfterMs } from '../../../server/src/session/outbox'
import { noise, type RawLink } from '../../support/link'
import { World } from '../../support/relay'

const KiB = 1024
const limits = {
  budgetBytes: 1_000 * KiB,
  outboxBytes: 600 * KiB,
  routeWindowBytes: 600 * KiB,
  maxFrameBytes: 100 * KiB,
}

let world: World
let sender: RawLink
let stuck: RawLink[]
beforeEach(async () => {
  world = new World({ limits })
  sender = await world.node('sender')
  stuck = []
  for (const name of ['stuck1', 'stuck2']) {
    const link = await world.node(name, {}, { highWaterBytes: KiB })
    link.connection.pause()
    stuck.push(link)
  }
  sender.open(1, 'stuck1').open(2, 'stuck2').open(3, 'group:g1')
  await world.settle()
})

/** Fills a queue with so many KiB. What waits lies in blocks of 72 KiB, and the last of them is charged whole. */
async function fill(route: number, kib: number): Promise<void> {
  for (let left = kib; left > 0; left -= 50) sender.send(route, noise(0, Math.min(50, left) * KiB - headerBytes))
  await world.settle()
  world.now += 1
  world.relay.tick()
  await world.settle()
}

const names = () => [...world.relay.presence.all()].map((session) => session.member!.name).sort()

it('below 80 % of the memory for queues nothing is different', async () => {
  await fill(1, 500)
  await fill(2, 215)
  expect(world.relay.overloadStep).toBe('none')
  await world.node('late')
})

describe('from 80 % on', () => {
  beforeEach(async () => {
    await fill(1, 500)
    await fill(2, 310)
  })

  it('no new link is taken, and it is told when to come back; those that are there go on', async () => {
    expect(world.relay.overloadStep).toBe('no-new-links')
    const late = world.connect()
    sender.open(4, 'sender').send(4, noise(1))
    await world.settle()
    expect([late.closeCode, late.closed, late.closeFrame!.reconnectInMs]).toEqual(['OVERLOADED', true, 2_500])
    expect([sender.delivered.length, sender.rejectCodes]).toEqual([1, []])
  })

  it('broadcasts still go out', async () => {
    sender.send(3, noise(1))
    await world.settle()
    expect(sender.rejectCodes).toEqual([])
  })

  it('ends with the memory', async () => {
    stuck[0]!.connection.resume()
    await world.settle()
    await world.advance(250)
    expect(world.relay.overloadStep).toBe('none')
    await world.node('late')
  })

  it('is logged once', async () => {
    for (const link of stuck) link.write(encodeFrame(FrameType.pong))
    await world.advance(2_000)
    expect(world.warnings()).toEqual(['overload ladder'])
  })
})

describe('from 90 % on', () => {
  beforeEach(async () => {
    await fill(1, 500)
    await fill(2, 410)
  })

  it('broadcasts are refused OVERLOADED, and what goes to one is not', async () => {
    expect(world.relay.overloadStep).toBe('shed-broadcasts')
    sender.send(3, noise(1)).open(4, 'sender').send(4, noise(2))
    await world.settle()
    expect([sender.rejects.map(({ route, code }) => [route, code]), sender.delivered.length]).toEqual([
      [[3, 'OVERLOADED']],
      1,
    ])
  })
})

describe('from 95 % on', () => {
  it('of those who lag the link with the longest queue is closed, one at a time, and no other', async () => {
    await fill(1, 500)
    // Blocks of 4, 16 and 72 KiB: 960 KiB in all.
    await fill(2, 10)
    await fill(2, 435)
    expect(names()).toEqual(['sender', 'stuck1', 'stuck2'])
    await world.advance(laggingAfterMs + 500)
    expect(names()).toEqual(['sender', 'stuck2'])
    expect(world.log.find(({ message }) => message === 'node left')!.fields).toMatchObject({
      node: 'stuck1',
      code: 'SLOW',
    })
    await world.advance(250)
    expect([world.relay.overloadStep, names()]).toEqual(['none', ['sender', 'stuck2']])
  })

  it('one that has much waiting at the moment is not, however much it is', async () => {
    await fill(1, 10)
    await fill(1, 435)
    await world.advance(laggingAfterMs + 250)
    await fill(2, 500)
    expect(world.relay.overloadStep).toBe('close-heaviest')
    await world.advance(500)
    expect(names()).toEqual(['sender', 'stuck2'])
    expect(world.relay.overloadStep).toBe('none')
  })

  it('nobody is taken for late because the mediator stood still itself', async () => {
    await fill(1, 500)
    await fill(2, 10)
    await fill(2, 435)
    world.now += 5_000
    world.relay.tick()
    expect(world.relay.overloadStep).toBe('close-heaviest')
    // What they have read meanwhile is heard of in the same turn, behind the tick.
    for (const link of stuck) link.connection.resume()
    await world.settle()
    await world.advance(250)
    expect(names()).toEqual(['sender', 'stuck1', 'stuck2'])
  })
})

it('the memory is never overrun by messages: at 100 % they are BUSY', async () => {
  for (let i = 0; i < 30; i++) sender.send(1, noise(i, 50 * KiB - headerBytes))
  for (let i = 0; i < 30; i++) sender.send(2, noise(i, 50 * KiB - headerBytes))
  await world.settle()
  expect(world.relay.budget.usedBytes).toBeLessThanOrEqual(limits.budgetBytes + 2 * KiB)
  expect(new Set(sender.rejectCodes)).toEqual(new Set(['BUSY']))
})
