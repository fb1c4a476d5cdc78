import type { Node } from '../../../client-lib/src/node.js'
import { VirtualTime } from '../../support/clock.js'
import { Net } from '../../support/net.js'
import { rejection, turns, until } from '../../support/until.js'

let time: VirtualTime
let net: Net
let alice: Node
/** It drains, and is kept from ending by one call whose handler waits. */
let bob: Node
let handled: unknown[]
let finish: (() => void)[]
let dropped: unknown[]

beforeEach(async () => {
  time = new VirtualTime()
  net = new Net({ time })
  handled = []
  finish = []
  dropped = []
  ;[alice, bob] = await Promise.all([net.join('alice'), net.join('bob')])
  bob.on('held', ({ body }) => {
    handled.push(body)
    return new Promise((resolve) => finish.push(() => resolve(body)))
  })
  bob.on('quick', ({ body }) => {
    handled.push(body)
    return body
  })
  alice.events.on('dropped', (event) => dropped.push(event))
})
afterEach(() => net.close())

/** A call is under way, and the drain has begun. */
async function draining() {
  const call = alice.call('bob', 'held', 'under way')
  await until(() => finish.length === 1, 'it runs')
  const drained = bob.drain()
  return { call, drained }
}

const refused = { code: 'DRAINING', outcome: 'not-delivered', hop: 'receiver' }

describe('a node that drains', () => {
  it('refuses new calls, acknowledged sends and large bodies by its name with DRAINING', async () => {
    const { call, drained } = await draining()
    expect(await rejection(alice.call('bob', 'quick', 1))).toMatchObject(refused)
    expect(await rejection(alice.sendAcked('bob', 'quick', 2))).toMatchObject(refused)
    expect(await rejection(alice.call('bob', 'quick', Buffer.alloc(2_000_000)))).toMatchObject(refused)
    expect(await rejection(alice.send('bob', 'quick', Buffer.alloc(2_000_000)))).toMatchObject({ code: 'DRAINING' })
    expect(handled).toEqual(['under way'])
    finish[0]!()
    expect(await call).toBe('under way')
    await time.advance(100)
    await drained
  })

  it('refuses new streams and sealed HTTP by its name with DRAINING', async () => {
    bob.expose((_request, response) => response.end('served'))
    await turns()
    const { drained } = await draining()
    expect(await rejection(alice.stream('bob', 'quick', 3).next())).toMatchObject({ code: 'DRAINING' })
    expect(await rejection(alice.fetch('http://bob/'))).toMatchObject({ code: 'DRAINING' })
    finish[0]!()
    await time.advance(100)
    await drained
  })

  it('refuses fires, and tells their sender how many', async () => {
    const { drained } = await draining()
    for (let i = 0; i < 7; i++) await alice.send('bob', 'quick', i)
    await turns()
    await time.advance(100)
    expect(dropped).toEqual([{ to: 'bob', code: 'DRAINING', messages: 7, by: 'bob' }])
    finish[0]!()
    await time.advance(100)
    await drained
    expect(handled).toEqual(['under way'])
  })

  it('handles what was queued before, in order', async () => {
    for (const n of [1, 2, 3]) await alice.send('bob', 'held', n)
    await until(() => finish.length === 1, 'the first runs')
    const drained = bob.drain()
    for (let i = 0; i < 3; i++) {
      await until(() => finish.length === i + 1, 'the next runs')
      finish[i]!()
    }
    await time.advance(100)
    await drained
    expect([handled, dropped]).toEqual([[1, 2, 3], []])
  })

  it('gets the answers to its own questions, also while it answers another', async () => {
    alice.on('price', () => 3)
    bob.on('order', async () => {
      await new Promise<void>((resolve) => finish.push(resolve))
      return bob.call('alice', 'price')
    })
    const call = alice.call('bob', 'order')
    await until(() => finish.length === 1, 'it runs')
    const drained = bob.drain()
    await turns()
    finish[0]!()
    expect(await call).toBe(3)
    await time.advance(100)
    await drained
  })

  it('takes a call to any of its group that was on its way when the drain began', async () => {
    net.wire('bob').hold('down')
    const asked = alice.call('any:g', 'quick', 'on its way')
    await turns()
    const drained = bob.drain()
    net.wire('bob').release('down')
    expect(await asked).toBe('on its way')
    await time.advance(100)
    await drained
  })

  it('ends soon under a steady stream of calls and sends by its name', async () => {
    const { drained } = await draining()
    let done = false
    void drained.then(() => {
      done = true
    })
    let refusals = 0
    for (let i = 0; i < 30 && !done; i++) {
      void alice.send('bob', 'held', i).catch(() => {})
      alice.call('bob', 'held', i).catch(({ code }) => (refusals += code === 'DRAINING' ? 1 : 0))
      if (i === 5) finish[0]!()
      await time.advance(10)
    }
    expect([done, handled]).toEqual([true, ['under way']])
    expect(refusals).toBeGreaterThan(3)
  })
})

describe('a node that leaves before it came to all that waits', () => {
  it('refuses the rest with DRAINING: callers and senders are told', async () => {
    bob.on('serial', { concurrency: 1 }, ({ body }) => {
      handled.push(body)
      return new Promise(() => {})
    })
    for (const n of [1, 2, 3]) await alice.send('bob', 'held', n)
    const calls = ['a', 'b'].map((body) => rejection(alice.call('bob', 'serial', body)))
    await until(() => handled.length === 2, 'the first of each run')
    await turns()
    await bob.close()
    await turns()
    expect((await Promise.all(calls)).map(({ code }) => code)).toEqual(['PEER_GONE', 'DRAINING'])
    expect(dropped).toEqual([{ to: 'bob', code: 'DRAINING', messages: 2, by: 'bob' }])
    for (const end of finish) end()
    await turns()
    expect(handled).toEqual([1, 'a'])
  })
})

describe('events, when a consumer drains', () => {
  it('go to another node of the same consumer name', async () => {
    const carol = await net.join('carol')
    const taken: string[] = []
    for (const node of [bob, carol]) {
      node.subscribe('orders.created', () => void taken.push(node.name), { consumer: 'billing' })
    }
    await alice.publish('orders.created', 0)
    const { drained } = await draining()
    await turns()
    taken.length = 0
    for (let i = 0; i < 6; i++) await alice.publish('orders.created', i)
    await until(() => taken.length === 6, 'all are taken')
    expect(new Set(taken)).toEqual(new Set(['carol']))
    finish[0]!()
    await time.advance(100)
    await drained
  })
})
