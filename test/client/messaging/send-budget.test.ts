import type { Node } from '../../../client-lib/src/node.js'
import { VirtualTime } from '../../support/clock.js'
import { Net } from '../../support/net.js'
import { rejection, turns, until } from '../../support/until.js'

const body = Buffer.alloc(10_000)
/** Room for about 100 such messages. */
const room = 1_000_000

let time: VirtualTime
let net: Net
beforeEach(() => {
  time = new VirtualTime()
  net = new Net({ time })
})
afterEach(() => net.close())

/** Sends as many as are queued at once. @returns how many that were */
async function fill(node: Node, to: string, most = 100): Promise<number> {
  let queued = 0
  for (let i = 0; i < most; i++) {
    node.send(to, 'note', body).then(
      () => queued++,
      () => {},
    )
  }
  await turns(3)
  return queued
}

/** The mediator is gone, and the nodes know. */
async function breakLinks() {
  net.kill()
  await turns()
}

/** Comes back after 50 ms. */
async function join(name: string, limits: object) {
  const node = await net.join(name, { limits: { reconnectMinMs: 50, ...limits } })
  await turns()
  return node
}

describe('what a node queues for all targets together', () => {
  it('is bounded, and shared fairly: a new target finds room beside full ones', async () => {
    const alice = await join('alice', { nodeOutletBytes: room })
    await breakLinks()
    const counts: number[] = []
    for (let i = 0; i < 16; i++) counts.push(await fill(alice, `n${i}`))
    // A ninth, an eighth of the rest: each has a little less than the one before.
    expect(counts[0]).toBe(11)
    expect(counts[15]).toBeGreaterThan(1)
    expect(counts.reduce((sum, count) => sum + count, 0)).toBeLessThan(100)
  })

  it('goes out, and makes room for what waits, when the link is back', async () => {
    const alice = await join('alice', { nodeOutletBytes: room })
    const bob = await net.join('bob')
    let seen = 0
    bob.on('note', () => void seen++)
    await alice.send('bob', 'note', body)
    await until(() => seen === 1, 'the way is open')
    await breakLinks()
    await fill(alice, 'elsewhere', 20)
    await fill(alice, 'bob', 60)
    net.start()
    await time.advance(3_000)
    await until(() => seen === 61, 'all have arrived')
  })

  it('leads to BUSY at the deadline of a send', async () => {
    const alice = await join('alice', { nodeOutletBytes: room })
    await breakLinks()
    await fill(alice, 'bob')
    const failed = rejection(alice.send('bob', 'note', body, { timeout: 200 }))
    await time.advance(200)
    expect(await failed).toMatchObject({ code: 'BUSY', outcome: 'not-delivered' })
  })

  it('bounds the bytes of sends that wait, too: the next one is BUSY at once', async () => {
    const alice = await join('alice', { nodeOutletBytes: room })
    await breakLinks()
    const queued = await fill(alice, 'bob')
    const more = Array.from({ length: 20 }, () => alice.send('bob', 'note', body, { timeout: 1_000 }))
    const refused: string[] = []
    for (const send of more) send.catch(({ code }) => refused.push(code))
    await turns()
    // 1 MB waits in all.
    expect([queued, refused]).toEqual([11, Array(20 - 10).fill('BUSY')])
    await time.advance(1_000)
  })

  it('is bounded for all nodes of the process, and given back by a node that is closed', async () => {
    const limits = { processOutletBytes: room }
    const [alice, carol] = [await join('alice', limits), await join('carol', limits)]
    await breakLinks()
    for (let i = 0; i < 10; i++) await fill(alice, `n${i}`)
    expect(await fill(carol, 'bob')).toBeLessThan(5)
    await alice.close()
    expect(await fill(carol, 'dave')).toBeGreaterThan(8)
  })
})

describe('a loop of awaited sends', () => {
  it('lets the event loop run now and then', async () => {
    const alice = await join('alice', {})
    await breakLinks()
    let rounds = 0
    let over = false
    const count = (): void => {
      rounds++
      if (!over) setImmediate(count)
    }
    count()
    // Each target takes what it may without credit.
    for (let i = 0; i < 20_000; i++) await alice.send(`n${i % 40}`, 'note', i)
    over = true
    expect(rounds).toBeGreaterThan(15)
    expect(rounds).toBeLessThan(200)
  })
})
