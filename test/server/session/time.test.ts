import { encodeFrame, FrameType, headerBytes } from '@sealway/protocol'
import { noise, sendFrame } from '../../support/link'
import { World } from '../../support/relay'

let world: World
beforeEach(() => {
  world = new World()
})

describe('a quiet link', () => {
  it('is pinged after 10 s', async () => {
    const link = await world.node('a')
    await world.advance(9_750)
    expect(link.frames).toEqual([])
    await world.advance(250)
    expect(link.frames.map(({ type }) => type)).toEqual([FrameType.ping])
  })

  it('that answers lives on, with a ping every 10 s', async () => {
    const link = await world.node('a')
    let pings = 0
    for (let s = 0; s < 120; s++) {
      await world.advance(1_000)
      for (const { route, body } of link.take(FrameType.ping)) {
        pings++
        link.write(encodeFrame(FrameType.pong, route, body))
        await world.settle()
      }
    }
    expect([link.closed, pings]).toEqual([false, 12])
  })

  it('is dead after 25 s, and its name free', async () => {
    const link = await world.node('a')
    await world.advance(24_750)
    expect(link.closed).toBe(false)
    await world.advance(250)
    expect([link.closed, world.relay.presence.get('a'), world.relay.linkCount]).toEqual([true, undefined, 0])
    expect(world.registry.released).toEqual([{ name: 'a', epoch: 1 }])
  })

  it('lives by whatever it says, if only a byte of a frame', async () => {
    const link = await world.node('a')
    const bytes = sendFrame(1, noise(0))
    await world.advance(20_000)
    link.write(bytes.subarray(0, 1))
    await world.advance(8_000)
    expect(link.closed).toBe(false)
  })
})

describe('R20: a mediator whose clock is wrong', () => {
  it.each([3_600_000, -3_600_000])('keeps its links when its clock is set by %i ms', async (step) => {
    const link = await world.node('a', { token: world.token('*', { lifeMs: 12 * 3_600_000 }).token })
    world.steppedMs = step
    await world.advance(5_000)
    expect([link.closed, link.take()]).toEqual([false, []])
  })

  it('tells its time to a node whose token it refuses', async () => {
    const link = world.connect()
    link.hello({ token: 'none' })
    await world.settle()
    expect(link.closeFrame).toMatchObject({ code: 'UNAUTHORIZED', now: world.now })
  })
})

describe('a frame that trickles in', () => {
  /** Opens a frame of 100 kB, then sends so many bytes a second. @returns seconds until the link was cut */
  async function trickle(bytesPerSecond: number, seconds: number): Promise<number | undefined> {
    const link = await world.node('a')
    const frame = sendFrame(1, noise(0, 100_000))
    link.open(1, 'a').write(frame.subarray(0, headerBytes))
    for (let s = 0, at = headerBytes; s < seconds; s++, at += bytesPerSecond) {
      link.write(frame.subarray(at, at + bytesPerSecond))
      await world.advance(1_000)
      if (link.closed) return s + 1
    }
    return undefined
  }

  it('at a byte a second is cut after 10 s', async () => {
    expect(await trickle(1, 20)).toBe(11)
  })

  it('below 1 KiB/s is cut, at 1 KiB/s not', async () => {
    expect(await trickle(900, 20)).toBe(11)
    world = new World()
    expect(await trickle(1_200, 60)).toBeUndefined()
  })

  it('does not hold a frame against a link that came later', async () => {
    const link = await world.node('a')
    link.open(1, 'a').write(sendFrame(1, noise(0)).subarray(0, 50))
    await world.advance(9_000)
    link.write(sendFrame(1, noise(0)).subarray(50))
    await world.advance(9_000)
    link.write(sendFrame(1, noise(1)).subarray(0, 50))
    await world.advance(9_000)
    expect(link.closed).toBe(false)
  })
})

describe('a link that does not read', () => {
  const stuff = async (bytes: number) => {
    const slow = await world.node('slow', {}, { highWaterBytes: 1_024 })
    const sender = await world.node('sender')
    slow.connection.pause()
    sender.open(1, 'slow').send(1, noise(0, bytes), noise(1, bytes))
    await world.settle()
    return { slow, sender }
  }

  it('is closed when its oldest frame has waited for over 10 s, and its sender has its credit back', async () => {
    const { slow, sender } = await stuff(300_000)
    // It says something now and then, so that it is not found dead.
    slow.write(encodeFrame(FrameType.pong))
    await world.advance(10_000)
    expect(world.relay.linkCount).toBe(2)
    await world.advance(250)
    expect([world.relay.linkCount, world.relay.presence.get('slow'), sender.closed]).toEqual([1, undefined, false])
    expect(sender.credits).toEqual([{ route: 1, bytes: 2 * (300_000 + headerBytes), frames: 2 }])
    expect(sender.statuses.at(-1)).toEqual({ route: 1, online: false, incarnation: 0 })
    expect(world.relay.counters.of('LOST').frames).toBe(2)
    expect(world.relay.budget.usedBytes).toBe(0)
  })

  it('and reads in time is not', async () => {
    const { slow } = await stuff(300_000)
    await world.advance(9_000)
    slow.connection.resume()
    await world.settle()
    await world.advance(5_000)
    expect([slow.closed, slow.delivered.length]).toEqual([false, 2])
    expect(world.relay.budget.usedBytes).toBe(0)
  })

  it('and floods it with pings is cut, long before it costs much', async () => {
    world = new World({ limits: { outboxBytes: 64 * 1024 } })
    const flood = await world.node('flood', {}, { highWaterBytes: 1_024 })
    const other = await world.node('other')
    flood.connection.pause()
    const pings = Buffer.concat(Array(1_000).fill(encodeFrame(FrameType.ping, 0, new Uint8Array(64))))
    let sent = 0
    while (world.relay.linkCount === 2 && sent < 100) {
      flood.write(pings)
      sent++
      await world.settle()
    }
    // 64 KiB of outbox, 1 MiB of slack.
    expect(sent * pings.length).toBeLessThan(1.2 * 1024 * 1024)
    expect([world.relay.linkCount, other.closed, world.relay.budget.usedBytes]).toEqual([1, false, 0])
  })
})

describe('a token that expires', () => {
  it('stops its link from sending, but not from answering, for 30 s; then it ends', async () => {
    const { token } = world.token('brief', { lifeMs: 5_000 })
    const brief = await world.node('brief', { token })
    const asker = await world.node('asker')
    const other = await world.node('other')
    asker.open(1, 'brief').send(1, noise(0))
    brief.open(1, 'asker').open(2, 'other').open(3, 'group:g1').open(4, 'any:g1')
    await world.settle()
    await world.advance(5_000)
    brief.send(1, noise(1)).send(2, noise(2)).send(3, noise(3))
    await world.settle()
    expect([asker.delivered.length, other.delivered.length]).toEqual([1, 0])
    expect(brief.rejects.map(({ route, code }) => [route, code])).toEqual([
      [2, 'TOKEN_EXPIRED'],
      [3, 'TOKEN_EXPIRED'],
    ])
    for (let s = 0; s < 29; s++) {
      for (const link of [brief, asker, other]) link.write(encodeFrame(FrameType.pong))
      await world.advance(1_000)
    }
    brief.send(1, noise(4))
    await world.settle()
    expect([asker.delivered.length, brief.closed]).toEqual([2, false])
    await world.advance(1_000)
    expect([brief.closeCode, brief.closed]).toEqual(['TOKEN_EXPIRED', true])
  })

  it('that lets its link answer one node does not let it answer who never asked', async () => {
    const { token } = world.token('brief', { lifeMs: 5_000 })
    const brief = await world.node('brief', { token })
    const asker = await world.node('asker')
    await world.node('other')
    asker.open(1, 'brief')
    brief.open(1, 'asker').open(2, 'other')
    await world.advance(5_000)
    brief.send(1, noise(0)).send(2, noise(0))
    await world.settle()
    // A route that was only opened has said nothing yet.
    expect(brief.rejectCodes).toEqual(['TOKEN_EXPIRED', 'TOKEN_EXPIRED'])
  })
})
