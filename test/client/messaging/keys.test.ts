import type { Node } from '../../../client-lib/src/node.js'
import { VirtualTime } from '../../support/clock.js'
import { Net } from '../../support/net.js'
import { rejection, turns, until } from '../../support/until.js'

let net: Net
let time: VirtualTime
beforeEach(() => {
  time = new VirtualTime()
  net = new Net({ time })
})
afterEach(() => net.close())

describe('a wrong payload key', () => {
  it('is told to the caller with UNKNOWN_KEY, not delivered, and no handler runs', async () => {
    const [alice, bob] = await Promise.all([net.join('alice', { keys: net.newKey() }), net.join('bob')])
    const handled = jest.fn()
    bob.on('*', handled)
    const refused: unknown[] = []
    bob.events.on('refused', (event) => refused.push(event))
    const error = await rejection(alice.call('bob', 'ask', 'secret', { timeout: 5_000 }))
    expect(error).toMatchObject({ code: 'UNKNOWN_KEY', outcome: 'not-delivered', hop: 'receiver', target: 'bob' })
    expect(error.message).toBe('call ask to bob: bob refused: bob does not hold the key this was sealed with')
    expect(refused).toEqual([{ from: 'alice', code: 'UNKNOWN_KEY' }])
    expect(handled).not.toHaveBeenCalled()
  })

  it('is told for the second call too, within a second', async () => {
    const [alice, bob] = await Promise.all([net.join('alice', { keys: net.newKey() }), net.join('bob')])
    bob.on('ask', () => 1)
    // Virtual time stands still, so none of these can time out.
    for (let i = 0; i < 20; i++) expect((await rejection(alice.call('bob', 'ask', i))).code).toBe('UNKNOWN_KEY')
  })

  it('is told at the end of the second to whoever asks so often that hints are held back', async () => {
    const [alice, bob] = await Promise.all([net.join('alice', { keys: net.newKey() }), net.join('bob')])
    bob.on('ask', () => 1)
    const failed: Promise<{ code: string }>[] = []
    for (let i = 0; i < 100; i++) {
      failed.push(rejection(alice.call('bob', 'ask', i, { timeout: 60_000 })))
      await turns(8)
    }
    await time.advance(1_100)
    expect(new Set((await Promise.all(failed)).map(({ code }) => code))).toEqual(new Set(['UNKNOWN_KEY']))
    // 100 frames, 32 hints, and the one at the end.
    expect(net.relay!.counters.of('DELIVERED').frames).toBe(133)
  })

  it('is told to a sender by an event', async () => {
    const [alice] = await Promise.all([net.join('alice', { keys: net.newKey() }), net.join('bob')])
    const dropped: unknown[] = []
    alice.events.on('dropped', (event) => dropped.push(event))
    await alice.send('bob', 'n', 1)
    await until(() => dropped.length > 0, 'the hint')
    expect(dropped).toEqual([{ to: 'bob', code: 'UNKNOWN_KEY' }])
  })

  it('leaves no gap among what the receiver sends itself', async () => {
    const own = net.newKey()
    const keys = { default: [own, net.key] }
    const [alice, bob] = await Promise.all([net.join('alice', { keys }), net.join('bob')])
    const gaps: unknown[] = []
    alice.events.on('gap', (event) => gaps.push(event))
    alice.on('n', ({ body }) => body)
    await bob.send('alice', 'n', 1)
    await turns()
    await rejection(alice.call('bob', 'ask', 'secret', { timeout: 5_000 }))
    await bob.send('alice', 'n', 2)
    await turns()
    expect(gaps).toEqual([])
  })

  it('is nothing that the mediator notices', async () => {
    const [alice] = await Promise.all([net.join('alice', { keys: net.newKey() }), net.join('bob')])
    await rejection(alice.call('bob', 'ask', 'secret', { timeout: 5_000 }))
    await turns()
    // The call, and the word that it does not open: both are frames like any other.
    expect(net.relay!.counters.snapshot()).toEqual({ DELIVERED: { frames: 2, bytes: expect.any(Number) } })
    expect(
      net
        .relay!.live()
        .map(({ name }) => name)
        .sort(),
    ).toEqual(['alice', 'bob'])
    expect(net.dialled).toBe(2)
  })

  it('does not end the link of a node that holds no key for the scope it is asked in', async () => {
    const groupOnly = { groups: { g: net.newKey() } }
    const bob = await net.join('bob', { keys: groupOnly })
    const alice = await net.join('alice')
    bob.on('ask', () => 1)
    // Virtual time stands still: bob, who can seal nothing that alice opens, still makes himself heard.
    expect(await rejection(alice.call('bob', 'ask', 1))).toMatchObject({
      code: 'UNKNOWN_KEY',
      outcome: 'not-delivered',
      hop: 'receiver',
    })
    expect(await rejection(alice.sendAcked('bob', 'ask', 1))).toMatchObject({
      code: 'UNKNOWN_KEY',
      outcome: 'not-delivered',
    })
    expect(bob.connected).toBe(true)
    expect(net.dialled).toBe(2)
    expect(await rejection(bob.send('alice', 'x'))).toMatchObject({
      code: 'NO_KEY',
      outcome: 'not-delivered',
      hop: 'client',
    })
  })
})

describe('a key that only some members of a group hold', () => {
  const asking = async (vaultOfBob: string | undefined) => {
    const vault = net.newKey()
    const of = (key: string | undefined) => ({ default: net.key, groups: key ? { vault: key } : {} })
    const alice = await net.join('alice', { groups: ['vault'], keys: of(vault) })
    const bob = await net.join('bob', { groups: ['vault'], keys: of(vaultOfBob) })
    const handled = jest.fn(() => 'bob')
    bob.on('ask', handled)
    return { alice, bob, handled, vault, of }
  }
  const unknownKey = { code: 'UNKNOWN_KEY', outcome: 'not-delivered', hop: 'receiver' }

  it('fails a call to any of them at once where its taker is one of the others', async () => {
    const { alice, handled } = await asking(net.newKey())
    // Virtual time stands still, so none of these can time out.
    for (let i = 0; i < 20; i++) expect(await rejection(alice.call('any:vault', 'ask', i))).toMatchObject(unknownKey)
    expect(handled).not.toHaveBeenCalled()
  })

  it('fails it also where the taker holds the default key only', async () => {
    const { alice } = await asking(undefined)
    expect(await rejection(alice.call('any:vault', 'ask'))).toMatchObject(unknownKey)
  })

  it('fails many that left at once, though not each of them is told of', async () => {
    const { alice } = await asking(net.newKey())
    const failed = await Promise.all(
      Array.from({ length: 200 }, (_, i) => rejection(alice.call('any:vault', 'ask', i))),
    )
    for (const error of failed) expect(error).toMatchObject(unknownKey)
  })

  it('leaves alone what another member of the group was handed', async () => {
    const { alice, vault, of } = await asking(net.newKey())
    const carol = await net.join('carol', { groups: ['vault'], keys: of(vault) })
    let answer: (value: string) => void = () => {}
    carol.on('ask', () => new Promise<string>((resolve) => (answer = resolve)))
    const ends: unknown[] = []
    const asked = Array.from({ length: 4 }, async (_, i) => {
      await turns(2 * i)
      return alice.call('any:vault', 'ask', i).then(
        (value) => ends.push(value),
        ({ code }) => ends.push(code),
      )
    })
    await until(() => ends.length === 2, 'bob has refused two')
    expect(ends).toEqual(['UNKNOWN_KEY', 'UNKNOWN_KEY'])
    carol.replace('ask', () => 'carol')
    answer('carol')
    await until(() => ends.length >= 3, 'carol has answered')
    expect(ends[2]).toBe('carol')
    void asked
  })

  it('fails a stream to any of them, and a body that is one', async () => {
    const { alice } = await asking(net.newKey())
    expect(await rejection(alice.stream('any:vault', 'ask').next())).toMatchObject(unknownKey)
    const large = Buffer.alloc(3 * 1024 * 1024)
    expect(await rejection(alice.call('any:vault', 'ask', large))).toMatchObject(unknownKey)
  })

  it('is named in the report of a broadcast', async () => {
    const { alice } = await asking(net.newKey())
    const { ok, failed, missing } = await alice.broadcast('vault', 'ask', 1, { want: 'acks' })
    expect({ ok, missing }).toEqual({ ok: [], missing: [] })
    expect(failed).toMatchObject([{ name: 'bob', error: unknownKey }])
  })
})

describe('the keys of a group', () => {
  it('open what is sent to it, and the default ones do not', async () => {
    const vault = net.newKey()
    const keys = { default: net.key, groups: { vault } }
    const [alice, bob] = await Promise.all([
      net.join('alice', { groups: ['vault', 'g'], keys }),
      net.join('bob', { groups: ['vault', 'g'], keys }),
    ])
    const scopes: string[] = []
    bob.on('n', ({ body }, { to }) => void scopes.push(`${body} ${to}`))
    await alice.send('any:vault', 'n', 1)
    await alice.send('group:vault', 'n', 2)
    await alice.send('group:g', 'n', 3)
    await alice.send('bob', 'n', 4)
    await until(() => scopes.length === 4, 'all arrive')
    expect(scopes.sort()).toEqual(['1 any:vault', '2 group:vault', '3 group:g', '4 bob'])
  })

  it('seal the answer to what came under them', async () => {
    const vault = net.newKey()
    const keys = { groups: { vault } }
    const [alice, bob] = await Promise.all([
      net.join('alice', { groups: ['vault'], keys }),
      net.join('bob', { groups: ['vault'], keys }),
    ])
    bob.on('ask', ({ body }) => body)
    expect(await alice.call('any:vault', 'ask', 7)).toBe(7)
    expect(await alice.broadcast('vault', 'ask', 8, { want: 'replies' })).toMatchObject({
      replies: new Map([['bob', 8]]),
    })
  })

  it('keep out who has the default key only', async () => {
    const vault = net.newKey()
    const alice = await net.join('alice', { groups: ['vault'] })
    const bob = await net.join('bob', { groups: ['vault'], keys: { default: net.key, groups: { vault } } })
    const handled = jest.fn()
    bob.on('*', handled)
    const refused: unknown[] = []
    bob.events.on('refused', (event) => refused.push(event))
    await alice.send('any:vault', 'n', 1)
    await until(() => refused.length > 0, 'it is refused')
    expect(refused).toEqual([{ from: 'alice', code: 'UNKNOWN_KEY' }])
    expect(handled).not.toHaveBeenCalled()
  })
})

describe('a rotation of keys in three phases under traffic', () => {
  it('fails no message', async () => {
    const next = net.newKey()
    const nodes = new Map<string, Node>()
    for (const name of ['alice', 'bob', 'carol']) nodes.set(name, await net.join(name))
    const [alice, bob, carol] = [...nodes.values()] as [Node, Node, Node]
    const problems: unknown[] = []
    let handled = 0
    let sent = 0
    for (const node of nodes.values()) {
      node.on('n', ({ body }) => {
        handled++
        return body
      })
      node.events.on('refused', (event) => problems.push(event))
      node.events.on('dropped', (event) => problems.push(event))
      node.events.on('gap', (event) => problems.push(event))
    }
    let going = true
    const traffic = async (from: Node, to: string) => {
      while (going) {
        await from.send(to, 'n', 'x'.repeat(200))
        const body = sent
        sent += 2
        expect(await from.call(to, 'n', body)).toBe(body)
        const { ok } = await from.broadcast('g', 'n', 1, { want: 'acks' })
        expect(ok).toHaveLength(2)
        sent += 2
      }
    }
    const running = [traffic(alice, 'bob'), traffic(bob, 'carol'), traffic(carol, 'any:g')]
    const phase = async (keys: string[]) => {
      for (const node of nodes.values()) {
        await turns(15)
        node.updateKeys({ default: keys })
        await turns(15)
      }
    }
    await phase([net.key, next])
    await phase([next, net.key])
    await phase([next])
    await turns(50)
    going = false
    await Promise.all(running)
    await until(() => handled === sent, 'all are handled')
    expect(problems).toEqual([])
    expect(sent).toBeGreaterThan(50)
  })

  it('leaves the old keys where the new ones are no keys', async () => {
    const [alice, bob] = await Promise.all([net.join('alice'), net.join('bob')])
    bob.on('ask', () => 1)
    const bad = 'mk1_not-a-key'
    let message = ''
    try {
      alice.updateKeys({ default: bad })
    } catch (error) {
      expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' })
      message = (error as Error).message
    }
    expect(message).toMatch(/key 1 of "default" is not a payload key/)
    expect(message).not.toContain(bad)
    expect(await alice.call('bob', 'ask')).toBe(1)
  })

  it('refuses an old key once it was taken away, for a flow that began with it too', async () => {
    const [alice, bob] = await Promise.all([net.join('alice'), net.join('bob')])
    bob.on('ask', () => 1)
    expect(await alice.call('bob', 'ask')).toBe(1)
    bob.updateKeys({ default: net.newKey() })
    expect((await rejection(alice.call('bob', 'ask', 1, { timeout: 5_000 }))).code).toBe('UNKNOWN_KEY')
  })

  it('says so where the new key seals before everybody holds it', async () => {
    const [alice, bob] = await Promise.all([net.join('alice'), net.join('bob')])
    bob.on('ask', () => 1)
    expect(await alice.call('bob', 'ask')).toBe(1)
    alice.updateKeys({ default: [net.newKey(), net.key] })
    const error = await rejection(alice.call('bob', 'ask', 1, { timeout: 5_000 }))
    expect(error).toMatchObject({ code: 'UNKNOWN_KEY', outcome: 'not-delivered', hop: 'receiver' })
  })
})
