import { FrameType, headerBytes } from '@sealway/protocol'
import { noise, type RawLink } from '../../support/link'
import { World } from '../../support/relay'

const body = (bytes: number) => noise(0, bytes - headerBytes)
/** A window small enough to look at: 64 KiB and 100 frames; a quarter of each comes back at a time. */
const limits = {
  routeWindowBytes: 64 * 1024,
  routeWindowFrames: 100,
  maxFrameBytes: 32 * 1024,
  outboxBytes: 256 * 1024,
  outboxFrames: 400,
}

let world: World
let sender: RawLink
let receiver: RawLink
beforeEach(async () => {
  world = new World({ limits })
  sender = await world.node('sender')
  receiver = await world.node('receiver', {}, { highWaterBytes: 1_024 })
  sender.open(1, 'receiver')
  await world.settle()
  sender.take()
})

describe('credit', () => {
  it('comes back in bytes when a quarter of the window was written', async () => {
    sender.send(1, body(8 * 1024), body(8 * 1024 - 1))
    await world.settle()
    expect(sender.credits).toEqual([])
    sender.send(1, body(200))
    await world.settle()
    expect(sender.credits).toEqual([{ route: 1, bytes: 16 * 1024 + 199, frames: 3 }])
  })

  it('comes back in frames when a quarter of those was written', async () => {
    sender.send(1, ...Array.from({ length: 24 }, () => body(108)))
    await world.settle()
    expect(sender.credits).toEqual([])
    sender.send(1, body(108))
    await world.settle()
    expect(sender.credits).toEqual([{ route: 1, bytes: 25 * 108, frames: 25 }])
  })

  it('does not come back while the receiver does not read, and all of it when it does', async () => {
    receiver.connection.pause()
    for (let i = 0; i < 8; i++) sender.send(1, body(8 * 1024))
    await world.settle()
    expect(sender.credits).toEqual([])
    receiver.connection.resume()
    await world.settle()
    expect(sender.credits.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(64 * 1024)
    expect(receiver.delivered.length).toBe(8)
  })

  it('is of one route: another that does not move does not hold it', async () => {
    await world.node('other')
    receiver.connection.pause()
    sender.send(1, body(32 * 1024), body(32 * 1024))
    sender.open(2, 'other').send(2, body(16 * 1024))
    await world.settle()
    expect(sender.credits.map(({ route }) => route)).toEqual([2])
  })

  it('is not sent for a route that was given up', async () => {
    receiver.connection.pause()
    sender.send(1, body(32 * 1024))
    await world.settle()
    sender.retire(1)
    await world.settle()
    receiver.connection.resume()
    await world.settle()
    expect([sender.credits, receiver.delivered.length, sender.closed]).toEqual([[], 1, false])
  })

  it('comes back for what was refused', async () => {
    sender.open(2, 'nobody').send(2, body(16 * 1024))
    await world.settle()
    expect(sender.credits).toEqual([{ route: 2, bytes: 16 * 1024, frames: 1 }])
  })

  it('comes back for what was lost with its receiver', async () => {
    receiver.connection.pause()
    for (let i = 0; i < 4; i++) sender.send(1, body(8 * 1024))
    await world.settle()
    world.relay.disconnect('receiver', 'REMOVED', 'gone')
    await world.settle()
    expect(sender.credits.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(32 * 1024)
  })
})

describe('a sender that ignores its window', () => {
  it('is refused BUSY above the window and a frame, and loses nothing of what was taken', async () => {
    receiver.connection.pause()
    for (let i = 0; i < 12; i++) sender.send(1, body(16 * 1024))
    await world.settle()
    // 64 KiB of window and 32 KiB of one largest frame: six of 16 KiB.
    expect(sender.rejectCodes).toEqual(Array(6).fill('BUSY'))
    receiver.connection.resume()
    await world.settle()
    expect([receiver.delivered.length, sender.closed]).toEqual([6, false])
  })

  it('is refused by its frames too', async () => {
    receiver.connection.pause()
    for (let i = 0; i < 30; i++) sender.send(1, ...Array.from({ length: 10 }, () => body(108)))
    await world.settle()
    expect(sender.rejectCodes).toEqual(Array(100).fill('BUSY'))
  })

  it('touches nobody else: another sender still has its share of the same queue', async () => {
    const other = await world.node('other')
    receiver.connection.pause()
    for (let i = 0; i < 50; i++) sender.send(1, body(16 * 1024))
    other.open(1, 'receiver').send(1, body(32 * 1024), body(32 * 1024))
    await world.settle()
    expect([other.rejectCodes, other.closed]).toEqual([[], false])
    receiver.connection.resume()
    await world.settle()
    const from = new Map(receiver.announces.map(({ route, from }) => [route, from]))
    const bytes = new Map<string, number>()
    for (const { type, route, body } of receiver.frames) {
      if (type !== FrameType.deliver) continue
      bytes.set(from.get(route)!, (bytes.get(from.get(route)!) ?? 0) + body.length + headerBytes)
    }
    expect(Object.fromEntries(bytes)).toEqual({ sender: 96 * 1024, other: 64 * 1024 })
  })
})

it('a queue that many senders fill is bounded in bytes and frames: above it everybody is BUSY', async () => {
  receiver.connection.pause()
  const senders = await Promise.all(Array.from({ length: 8 }, (_, i) => world.node(`s${i}`)))
  for (const link of senders) link.open(1, 'receiver').send(1, body(32 * 1024), body(32 * 1024))
  await world.settle()
  const { outbox } = world.relay.presence.get('receiver')!
  expect(outbox.bytes).toBeLessThanOrEqual(limits.outboxBytes + 8 * 200)
  expect(senders.flatMap((link) => link.rejectCodes).every((code) => code === 'BUSY')).toBe(true)
  const refused = senders.reduce((sum, link) => sum + link.rejects.length, 0)
  receiver.connection.resume()
  await world.settle()
  expect([receiver.delivered.length + refused, refused > 0]).toEqual([16, true])
  expect(world.relay.budget.usedBytes).toBe(0)
})
