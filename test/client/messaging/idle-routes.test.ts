import type { Node } from '../../../client-lib/src/node.js'
import { VirtualTime } from '../../support/clock.js'
import { Net } from '../../support/net.js'
import { rejection, turns, until } from '../../support/until.js'

/** Routes that a node holds open, counted in its own state. */
const routes = (node: Node): number =>
  (node as unknown as { messenger: { outlets: { size: number } } }).messenger.outlets.size

let net: Net
let time: VirtualTime
let alice: Node
let bob: Node
beforeEach(async () => {
  time = new VirtualTime()
  // The mediator reads no further from a node that opens more in a second, which is not what is tested here.
  net = new Net({ time, limits: { maxRouteOpensPerSecond: 1_000_000 } })
  ;[alice, bob] = [await net.join('alice', { limits: { maxRoutesPerLink: 1_024 } }), await net.join('bob')]
  bob.on('echo', ({ body }) => body)
})
afterEach(() => net.close())

const sweeps = async () => {
  for (let i = 0; i < 4; i++) await time.advance(10_000)
}

describe('routes to names that are addressed once', () => {
  it('are bounded while they are many, and given up when they are idle; each loss is told by its name', async () => {
    const told = new Set<string>()
    alice.events.on('dropped', ({ to }) => void told.add(to))
    let most = 0
    for (let i = 0; i < 1_200; i++) {
      await alice.send(`nobody-${i}`, 'x', 'y')
      most = Math.max(most, routes(alice))
    }
    await until(() => told.size === 1_200, 'all are told')
    expect(most).toBeGreaterThan(500)
    expect(most).toBeLessThan(600)
    expect(alice.connected).toBe(true)
    await sweeps()
    expect(routes(alice)).toBeLessThanOrEqual(1)
    expect(await alice.call('bob', 'echo', 'still there')).toBe('still there')
  })

  it('are bounded too where all are addressed in one turn', async () => {
    const settled = await Promise.allSettled(Array.from({ length: 1_500 }, (_, i) => alice.send(`nobody-${i}`, 'x')))
    expect(settled.filter(({ status }) => status === 'rejected')).toEqual([])
    expect(routes(alice)).toBeLessThan(900)
    await turns()
    expect(alice.connected).toBe(true)
  })

  it('are opened anew when they are addressed again', async () => {
    for (let i = 0; i < 300; i++) await alice.send(`late-${i}`, 'x')
    await sweeps()
    expect(routes(alice)).toBe(0)
    const late = await net.join('late-7')
    late.on('echo', ({ body }) => body)
    expect(await alice.call('late-7', 'echo', 1)).toBe(1)
  })
})

describe('a route that is needed', () => {
  const pushOut = async () => {
    for (let i = 0; i < 1_200; i++) await alice.send(`nobody-${i}`, 'x')
    await turns()
  }

  it('is kept to a node that is connected, so that its sender stays known there', async () => {
    bob.on('login', (_command, { link }) => void link.set('user', 'u1'))
    bob.on('who', (_command, { link }) => link.get('user'))
    await alice.call('bob', 'login')
    for (let i = 0; i < 300; i++) await alice.send(`nobody-${i}`, 'x')
    await sweeps()
    expect(routes(alice)).toBe(1)
    expect(await alice.call('bob', 'who')).toBe('u1')
  })

  it('is kept while a call waits for one of a group, and tells when that one leaves', async () => {
    bob.on('never', () => new Promise(() => {}))
    const failed = rejection(alice.call('any:g', 'never'))
    await turns()
    await pushOut()
    await bob.close()
    await time.advance(3_000)
    expect(await failed).toMatchObject({ code: 'PEER_GONE' })
  })

  it('is kept while a stream is open, which goes on', async () => {
    bob.on('items', async function* () {
      for (let i = 0; ; i++) yield i
    })
    const items = alice.stream('bob', 'items')
    expect((await items.next()).value).toBe(0)
    await pushOut()
    expect((await items.next()).value).toBe(1)
    await items.return()
  })

  it('is not given up: where nearly all that a link may hold are in use, the next is refused with BUSY', async () => {
    await turns()
    net.wire('alice').hold('down')
    const calls = Array.from({ length: 993 }, (_, i) => alice.call(`nobody-${i}`, 'x').catch(() => {}))
    expect(await rejection(alice.call('nobody-993', 'x'))).toMatchObject({ code: 'BUSY', outcome: 'not-delivered' })
    net.wire('alice').release('down')
    await Promise.all(calls)
    expect(alice.connected).toBe(true)
  })
})

describe('a node that many short-lived nodes call', () => {
  it('keeps no route to those that have left', async () => {
    for (let i = 0; i < 270; i++) {
      const caller = await net.join(`c-${i}`)
      expect(await caller.call('bob', 'echo', i)).toBe(i)
      await caller.close()
    }
    await sweeps()
    expect(routes(bob)).toBeLessThan(5)
  })
})
