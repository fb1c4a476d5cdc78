import { headerBytes } from '@sealway/protocol'
import { laggingAfterMs } from '../../../server/src/session/outbox'
import { counterOf, noise, type RawLink } from '../../support/link'
import { World } from '../../support/relay'

let world: World
let sender: RawLink
beforeEach(async () => {
  world = new World()
  const { token } = world.token('sender', { scopes: ['register:sender@senders', 'send:workers/*'] })
  sender = await world.node('sender', { groups: ['senders'], token })
  sender.open(1, 'any:workers')
  await world.settle()
})

const workers = (count: number): Promise<RawLink[]> =>
  Promise.all(Array.from({ length: count }, (_, i) => world.node(`w${i}`, { groups: ['workers'] })))

const bytesOf = (link: RawLink) => link.delivered.reduce((sum, body) => sum + headerBytes + body.length, 0)

/** Sizes that repeat, so that turns alone would be unfair: every fourth frame is twenty times as long. */
async function sendMany(frames: number): Promise<void> {
  for (let i = 0; i < frames; i += 100) {
    sender.send(1, ...Array.from({ length: 100 }, (_, j) => noise(i + j, (i + j) % 4 === 0 ? 2_000 : 100)))
    await world.settle()
  }
}

describe('frames to any member of a group', () => {
  it('are spread by bytes, within 5 %, over 10,000 frames', async () => {
    const links = await workers(4)
    await sendMany(10_000)
    const bytes = links.map(bytesOf)
    const fair = bytes.reduce((sum, each) => sum + each, 0) / links.length
    for (const each of bytes) expect(Math.abs(each - fair) / fair).toBeLessThan(0.05)
    expect(links.flatMap((link) => link.delivered.map(counterOf)).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 10_000 }, (_, i) => i),
    )
    expect(sender.rejectCodes).toEqual([])
  })

  it('pass over a member that does not read, and come back to it when it does', async () => {
    const links = await workers(3)
    const stuck = await world.node('stuck', { groups: ['workers'] }, { highWaterBytes: 1_024 })
    stuck.connection.pause()
    await sendMany(400)
    await world.advance(laggingAfterMs + 250)
    for (const link of links) link.take()
    await sendMany(1_000)
    expect(links.reduce((sum, link) => sum + link.delivered.length, 0)).toBe(1_000)
    expect(sender.rejectCodes).toEqual([])
    stuck.connection.resume()
    await world.settle()
    stuck.take()
    await sendMany(100)
    expect(stuck.delivered.length).toBeGreaterThan(0)
  })

  it('do not all go to a member that comes later', async () => {
    await workers(2)
    await sendMany(1_000)
    const late = await world.node('late', { groups: ['workers'] })
    await sendMany(900)
    expect(late.delivered.length).toBeGreaterThan(200)
    expect(late.delivered.length).toBeLessThan(400)
  })

  it('go to those who are left', async () => {
    const links = await workers(2)
    links[0]!.connection.destroy()
    await world.settle()
    await sendMany(100)
    expect([links[1]!.delivered.length, sender.rejectCodes]).toEqual([100, []])
  })

  it('are BUSY where nobody of them reads, and OFFLINE where nobody is there', async () => {
    const [only] = await workers(1)
    only!.connection.pause()
    sender.send(1, noise(0, 100_000))
    await world.settle()
    await world.advance(laggingAfterMs + 250)
    sender.send(1, noise(1))
    await world.settle()
    expect(sender.rejectCodes).toEqual(['BUSY'])
    world.relay.disconnect('w0', 'REMOVED', 'gone')
    await world.settle()
    sender.send(1, noise(2))
    await world.settle()
    expect(sender.rejectCodes).toEqual(['BUSY', 'OFFLINE'])
  })

  it('use credit for each of them, whoever gets it', async () => {
    await workers(3)
    for (let i = 0; i < 40; i++) {
      sender.send(1, noise(i, 100_000 - headerBytes))
      await world.settle()
    }
    const credited = sender.credits.reduce((sum, { bytes }) => sum + bytes, 0)
    expect(credited).toBeGreaterThan(4_000_000 - world.limits.routeWindowBytes / 4)
    expect(credited).toBeLessThanOrEqual(4_000_000)
  })
})
