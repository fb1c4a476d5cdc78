import { FrameType, headerBytes } from '@sealway/protocol'
import { laggingAfterMs } from '../../../server/src/session/outbox'
import { counterOf, noise, type RawLink } from '../../support/link'
import { World } from '../../support/relay'

const KiB = 1024
const limits = {
  routeWindowBytes: 64 * KiB,
  routeWindowFrames: 1_000,
  maxFrameBytes: 32 * KiB,
  outboxBytes: 256 * KiB,
  outboxFrames: 4_000,
}

let world: World
let sender: RawLink
let members: RawLink[]
beforeEach(async () => {
  world = new World({ limits })
  sender = await world.node('sender')
  members = [await world.node('m1'), await world.node('m2')]
  sender.open(1, 'group:g1')
  await world.settle()
})

const counters = (link: RawLink) => link.delivered.map(counterOf)
/** Sends frames of 16 KiB as credit allows, as a well-behaved node does. @returns how many left */
async function offer(frames: number): Promise<number> {
  let window = limits.routeWindowBytes
  let sent = 0
  for (let turn = 0; turn < 4 * frames && sent < frames; turn++) {
    for (const { bytes } of sender.credits) window += bytes
    sender.take(FrameType.credit)
    if (window > 0) {
      sender.send(1, noise(sent++, 16 * KiB - headerBytes))
      window -= 16 * KiB
    }
    await world.settle()
  }
  return sent
}

describe('a broadcast', () => {
  it('is the same bytes for every member, and nothing for its sender', async () => {
    sender.send(1, noise(0), noise(1, 3_000), noise(2))
    await world.settle()
    expect(members[0]!.frames).toEqual(members[1]!.frames)
    expect(members.map(counters)).toEqual([
      [0, 1, 2],
      [0, 1, 2],
    ])
    expect(sender.delivered).toEqual([])
  })

  it('goes to who is there when it is sent: not to who comes later, not to who left', async () => {
    members[0]!.connection.destroy()
    await world.settle()
    sender.send(1, noise(0))
    await world.settle()
    const later = await world.node('m3')
    expect([counters(members[0]!), counters(members[1]!), counters(later)]).toEqual([[], [0], []])
  })

  it('costs its window once, however many get it', async () => {
    sender.send(1, noise(0, 16 * KiB - headerBytes))
    await world.settle()
    expect(sender.credits).toEqual([{ route: 1, bytes: 16 * KiB, frames: 1 }])
  })

  it('costs no window where there is nobody else', async () => {
    for (const link of members) link.connection.destroy()
    await world.settle()
    sender.send(1, noise(0, 16 * KiB - headerBytes))
    await world.settle()
    expect([sender.credits, sender.rejectCodes]).toEqual([[{ route: 1, bytes: 16 * KiB, frames: 1 }], []])
  })
})

describe('a member that does not read', () => {
  let slow: RawLink
  beforeEach(async () => {
    slow = await world.node('slow', {}, { highWaterBytes: KiB })
    slow.connection.pause()
  })

  it('delays the others no longer than a second', async () => {
    expect(await offer(20)).toBeLessThan(20)
    expect(members.map((link) => link.delivered.length)).toEqual([4, 4])
    await world.advance(laggingAfterMs + 250)
    const more = await offer(100)
    expect(more).toBe(100)
    expect(members.map((link) => link.delivered.length)).toEqual([104, 104])
    expect(sender.rejectCodes).toEqual([])
  })

  it('has no more than a quarter of its queue taken for it, and the rest is counted', async () => {
    await offer(4)
    await world.advance(laggingAfterMs + 250)
    await offer(100)
    const { outbox } = world.relay.presence.get('slow')!
    expect(outbox.bytes).toBeLessThanOrEqual(64 * KiB + 16 * KiB + 200)
    expect(outbox.frames).toBe(world.relay.counters.of('DELIVERED').frames - 2 * 104)
    expect(world.relay.counters.of('BUSY').frames).toBe(104 - outbox.frames)
  })

  it('leaves room for what is sent to it alone', async () => {
    await offer(4)
    await world.advance(laggingAfterMs + 250)
    await offer(100)
    const friend = await world.node('friend')
    friend.open(1, 'slow').send(1, noise(0, 16 * KiB), noise(1, 16 * KiB))
    await world.settle()
    expect(friend.rejectCodes).toEqual([])
  })

  it('gets what was queued for it, in order, when it reads again; what it missed is a gap', async () => {
    await offer(4)
    await world.advance(laggingAfterMs + 250)
    await offer(100)
    const queued = world.relay.presence.get('slow')!.outbox.frames
    slow.connection.resume()
    await world.settle()
    expect(slow.delivered.length).toBe(queued)
    // The second hundred begins its count anew.
    expect(counters(slow)).toEqual([0, 1, 2, 3, ...Array.from({ length: queued - 4 }, (_, i) => i)])
    await offer(1)
    expect(slow.delivered.length).toBe(queued + 1)
    expect(slow.closed).toBe(false)
  })

  it('is not named among those who got it where its queue was full', async () => {
    await offer(4)
    await world.advance(laggingAfterMs + 250)
    await offer(100)
    sender.write(Buffer.from([...frameWanting(noise(0))]))
    await world.settle()
    expect(sender.accepted).toEqual([{ route: 1, names: ['m1', 'm2'] }])
  })

  it('is cut after 10 s, and holds nothing then', async () => {
    await offer(4)
    await world.advance(10_250)
    expect([...world.relay.presence.all()].map((session) => session.member!.name).sort()).toEqual([
      'm1',
      'm2',
      'sender',
    ])
    expect(world.relay.budget.usedBytes).toBe(0)
  })
})

function frameWanting(body: Buffer): Buffer {
  const frame = Buffer.alloc(headerBytes + body.length)
  frame.writeUInt32BE(body.length, 0)
  frame[4] = FrameType.send
  frame[5] = 1
  frame.writeUInt32BE(1, 8)
  body.copy(frame, headerBytes)
  return frame
}
