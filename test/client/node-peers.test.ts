import type { PeerChange } from '@sealway/protocol'
import type { Node } from '../../client-lib/src/node.js'
import { VirtualTime } from '../support/clock.js'
import { Net } from '../support/net.js'
import { rejection, turns, until } from '../support/until.js'

let net: Net
let time: VirtualTime
let alice: Node
beforeEach(async () => {
  time = new VirtualTime()
  net = new Net({ time })
  alice = await net.join('alice')
})
afterEach(() => net.close())

const endpoint = { name: 'web', protocol: 'http', address: '127.0.0.1', port: 8080 }

/** Reads a watch into a list, until it ends. */
function watch(node: Node, group = 'g', signal?: AbortSignal) {
  const seen: string[] = []
  const changes: PeerChange[] = []
  const ended = (async () => {
    for await (const change of node.watchPeers(group, signal ? { signal } : {})) {
      changes.push(change)
      seen.push(`${change.type} ${change.peer.name}`)
    }
  })()
  return { seen, changes, ended }
}

describe('peers', () => {
  it('says who is connected in a group, with what they offer', async () => {
    await net.join('bob', { endpoints: [endpoint], meta: { role: 'seller' }, groups: ['g', 'h'] })
    await net.join('eve', { groups: ['h'] })
    const peers = await alice.peers('g')
    expect(peers.map(({ name }) => name).sort()).toEqual(['alice', 'bob'])
    expect(peers.find(({ name }) => name === 'bob')).toMatchObject({
      groups: ['g', 'h'],
      online: true,
      transport: 'memory',
      endpoints: [endpoint],
      meta: { role: 'seller' },
      since: expect.any(Number),
    })
    expect(await alice.getPeers('g')).toEqual(peers)
  })

  it.each([
    ['a group that the node is not in', 'h', 'FORBIDDEN'],
    ['a group outside the grammar', 'No Group', 'INVALID_NAME'],
  ])('is refused for %s', async (_what, group, code) => {
    expect((await rejection(alice.peers(group))).code).toBe(code)
    expect((await rejection(alice.watchPeers(group).next())).code).toBe(code)
    expect((await alice.peers('g')).length).toBe(1)
  })

  it('rejects with NOT_CONNECTED without a link, with LINK_LOST where it breaks, and at timeout and signal', async () => {
    net.wire('alice').hold('down')
    const [lost, late, aborted] = [
      rejection(alice.peers('g')),
      rejection(alice.peers('g', { timeout: 50 })),
      rejection(alice.peers('g', { signal: AbortSignal.abort() })),
    ]
    expect(await aborted).toMatchObject({ code: 'ABORTED', outcome: 'not-delivered' })
    await time.advance(60)
    expect(await late).toMatchObject({ code: 'TIMEOUT', outcome: 'not-delivered', hop: 'mediator' })
    net.kill()
    expect(await lost).toMatchObject({ code: 'LINK_LOST' })
    await turns()
    expect(await rejection(alice.peers('g'))).toMatchObject({ code: 'NOT_CONNECTED', outcome: 'not-delivered' })
  })
})

describe('watchPeers', () => {
  it('tells who is there, and then who comes and goes', async () => {
    await net.join('bob')
    const { seen, changes } = watch(alice)
    await until(() => seen.length === 2, 'who is there')
    expect([...seen].sort()).toEqual(['joined alice', 'joined bob'])
    const carol = await net.join('carol', { meta: { role: 'new' } })
    await until(() => seen.length === 3, 'carol comes')
    expect(changes[2]).toMatchObject({
      group: 'g',
      type: 'joined',
      peer: { name: 'carol', online: true, meta: { role: 'new' } },
    })
    await carol.close()
    await until(() => seen.length === 4, 'carol goes')
    expect(changes[3]).toMatchObject({ type: 'left', peer: { name: 'carol', online: false } })
  })

  it('is ended by break, here and at the mediator', async () => {
    const asked: string[] = []
    net.tamper = (frame, direction, node) => {
      if (node === 'alice' && direction === 'up' && frame[4] === 16)
        asked.push(Buffer.from(frame.subarray(12)).toString())
      return [frame]
    }
    for await (const change of alice.watchPeers('g')) {
      expect(change.peer.name).toBe('alice')
      break
    }
    await turns()
    expect(asked.map((text) => JSON.parse(text).type)).toEqual(['watch', 'unwatch'])
    let told = 0
    net.tamper = (frame, direction, node) => {
      if (node === 'alice' && direction === 'down' && frame[4] === 19) told++
      return [frame]
    }
    await net.join('bob')
    await turns()
    expect(told).toBe(0)
  })

  it('goes on for the others where one of two ends', async () => {
    const first = watch(alice)
    const giveUp = new AbortController()
    const second = watch(alice, 'g', giveUp.signal)
    await until(() => first.seen.length === 1 && second.seen.length === 1, 'both watch')
    giveUp.abort()
    await second.ended
    await net.join('bob')
    await until(() => first.seen.length === 2, 'the first goes on')
    expect(second.seen).toEqual(['joined alice'])
  })

  it('survives a reconnect, and tells what changed meanwhile', async () => {
    const bob = await net.join('bob')
    const { seen } = watch(alice)
    await until(() => seen.length === 2, 'who is there')
    net.cut('alice')
    await turns()
    await bob.close()
    await net.join('carol')
    await time.advance(200)
    await until(() => seen.length === 4, 'what changed')
    expect(seen.slice(2).sort()).toEqual(['joined carol', 'left bob'])
    await net.join('dave')
    await until(() => seen.length === 5, 'and goes on')
  })

  it('survives a restart of the mediator', async () => {
    await net.join('bob', { limits: { reconnectMinMs: 30 } })
    const { seen } = watch(alice)
    await until(() => seen.length === 2, 'who is there')
    net.kill()
    await turns()
    net.start()
    await time.advance(500)
    await until(() => seen.length >= 4, 'bob has gone and come')
    expect(seen.slice(2)).toEqual(['left bob', 'joined bob'])
  })

  it('ends with the node', async () => {
    const { seen, ended } = watch(alice)
    await until(() => seen.length === 1, 'it watches')
    await alice.close()
    await ended
  })

  it('ends at its signal', async () => {
    const giveUp = new AbortController()
    const { seen, ended } = watch(alice, 'g', giveUp.signal)
    await until(() => seen.length === 1, 'it watches')
    giveUp.abort()
    await ended
  })

  it('has the other name that its forerunner used', async () => {
    for await (const change of alice.monitorPeers('g')) {
      expect(change.type).toBe('joined')
      break
    }
  })

  it('keeps no more than a bounded backlog for a reader that does not read', async () => {
    const iterator = alice.watchPeers('g')
    await iterator.next()
    const wire = net.wire('alice')
    const change = Buffer.from(
      JSON.stringify({ group: 'g', type: 'joined', peer: { name: 'x', groups: ['g'], online: true, endpoints: [] } }),
    )
    const frame = Buffer.alloc(12 + change.length)
    frame.writeUInt32BE(change.length, 0)
    frame[4] = 19
    frame.set(change, 12)
    for (let i = 0; i < 30_000; i++) wire.inject('down', frame)
    await turns()
    let read = 0
    void (async () => {
      for await (const _ of iterator) read++
    })()
    await turns(100)
    expect(read).toBeLessThanOrEqual(10_000)
    expect(read).toBeGreaterThan(1_000)
  })
})
