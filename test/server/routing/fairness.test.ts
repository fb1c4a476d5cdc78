import { headerBytes } from '@sealway/protocol'
import { quantumBytes } from '../../../server/src/session/turn'
import { counterOf, noise, type RawLink } from '../../support/link'
import { World } from '../../support/relay'

const KiB = 1024
const backlog = 30

let world: World
let flooder: RawLink
let quiet: RawLink
let receiver: RawLink
let members: RawLink[]
beforeEach(async () => {
  world = new World()
  const from = { highWaterBytes: 64 * 1024 * KiB }
  flooder = await world.node('flooder', { groups: ['crowd'] }, from)
  quiet = await world.node('quiet', { groups: ['few'] }, from)
  receiver = await world.node('receiver', { groups: ['few'] }, from)
  members = []
  for (let i = 0; i < 10; i++) members.push(await world.node(`member-${i}`, { groups: ['crowd'] }, from))
  flooder.open(1, 'group:crowd').open(2, 'member-0')
  quiet.open(1, 'receiver')
  await world.settle()
})

/** Frames of 64 KiB, each of which arrives as a chunk of its own. */
const flood = (route: number) => {
  for (let i = 0; i < backlog; i++) flooder.send(route, noise(i, 64 * KiB - headerBytes))
}
/** What of the flood was written, and what was queued, when the lone frame came to the receiver; bytes. */
const whenTheLoneFrameCame = (): Promise<{ written: number; queued: number }> =>
  receiver.until('lone frame', () => {
    if (receiver.delivered.length === 0) return undefined
    const frames = members.reduce((sum, member) => sum + member.delivered.length, 0)
    return { written: frames * 64 * KiB, queued: world.relay.budget.usedBytes }
  })

describe('a link that floods', () => {
  it('is read no further in a turn than its share, and what another sends is handed on meanwhile', async () => {
    const came = whenTheLoneFrameCame()
    flood(2)
    quiet.send(1, noise(7))
    await world.settle()
    const { written, queued } = await came
    expect(written + queued).toBeLessThan(2 * quantumBytes)
    expect(receiver.delivered.map(counterOf)).toEqual([7])
  })

  it('pays for every member of the group that it sends to', async () => {
    const came = whenTheLoneFrameCame()
    flood(1)
    quiet.send(1, noise(7))
    await world.settle()
    const { written, queued } = await came
    // One of its chunks, for ten members, is more than its share.
    expect(written + queued).toBeLessThan(members.length * 2 * 64 * KiB)
  })

  it('loses nothing by it, and its frames stay in order', async () => {
    flood(1)
    await world.settle()
    const all = Array.from({ length: backlog }, (_, index) => index)
    expect(members.map((member) => member.delivered.map(counterOf))).toEqual(members.map(() => all))
    expect(flooder.rejectCodes).toEqual([])
  })

  it('that leaves in the middle of it is forgotten, and the others go on', async () => {
    flood(1)
    flooder.connection.destroy()
    quiet.send(1, noise(7))
    await world.settle()
    expect(receiver.delivered.map(counterOf)).toEqual([7])
    expect(world.relay.linkCount).toBe(12)
  })
})
