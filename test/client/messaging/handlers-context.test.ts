import type { Context } from '../../../client-lib/src/messaging/delivery.js'
import type { LinkContext } from '../../../client-lib/src/messaging/sender.js'
import type { Node } from '../../../client-lib/src/node.js'
import { VirtualTime } from '../../support/clock.js'
import { Net } from '../../support/net.js'
import { rejection, turns, until } from '../../support/until.js'

let net: Net
let alice: Node
let bob: Node
beforeEach(async () => {
  net = new Net()
  ;[alice, bob] = await Promise.all([net.join('alice'), net.join('bob')])
})
afterEach(() => net.close())

const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
const baggage = 'userId=alice,serverNode=DF%2028'

describe('the context of a message', () => {
  it('says when it was sealed and opened, on what, and how long its sender waits', async () => {
    const time = new VirtualTime()
    const later = new Net({ time })
    try {
      const [carol, dave] = await Promise.all([later.join('carol'), later.join('dave')])
      dave.on('ask', (_command, { sentAt, receivedAt, deadline, remaining, transport, groups, to }) => {
        time.now += 400
        return { sentAt, receivedAt, deadline, remaining, transport, groups, to }
      })
      const direct = await carol.call('dave', 'ask', 1, { timeout: 5_000 })
      expect(direct).toEqual({
        sentAt: 1_700_000_000_000,
        receivedAt: 1_700_000_000_000,
        deadline: 1_700_000_005_000,
        remaining: 5_000,
        transport: 'memory',
        groups: [],
        to: 'dave',
      })
      const any = await carol.call('any:g', 'ask', 1, { timeout: 5_000 })
      expect(any).toMatchObject({ to: 'any:g', groups: ['g'], sentAt: 1_700_000_000_400 })
    } finally {
      await later.close()
    }
  })

  it('has no end where nobody waits, and what remains goes down to 0', async () => {
    const time = new VirtualTime()
    const later = new Net({ time })
    try {
      const [carol, dave] = await Promise.all([later.join('carol'), later.join('dave')])
      const got: unknown[] = []
      dave.on('note', (_command, { deadline, remaining }) => void got.push([deadline, remaining]))
      await carol.send('dave', 'note')
      dave.on('ask', (_command, ctx) => {
        const before = ctx.remaining
        time.now += 6_000
        got.push([before, ctx.remaining])
      })
      await carol.call('dave', 'ask', 1, { timeout: 5_000 }).catch(() => {})
      expect(got).toEqual([
        [undefined, undefined],
        [5_000, 0],
      ])
    } finally {
      await later.close()
    }
  })
})

describe('the key of a message', () => {
  it('is the same at no two, whatever the verb, the frame or the size', async () => {
    const carol = await net.join('carol')
    const keys: string[] = []
    for (const node of [bob, carol]) node.on('n', ({ key }) => void keys.push(key))
    const large = Buffer.alloc(2 * 1024 * 1024)
    await Promise.all([
      ...Array.from({ length: 100 }, (_, i) => alice.send('bob', 'n', i)),
      ...Array.from({ length: 100 }, (_, i) => alice.send('any:g', 'n', i)),
      alice.send('bob', 'n', large),
      alice.send('bob', 'n', large),
      alice.sendAcked('bob', 'n'),
      alice.call('bob', 'n'),
      alice.publish('n.happened', 1),
      carol.send('bob', 'n'),
      carol.sendAcked('bob', 'n'),
    ])
    await until(() => keys.length === 206, 'all have come')
    expect(new Set(keys).size).toBe(206)
    expect(keys.filter((key) => key.startsWith('alice/'))).toHaveLength(204)
  })
})

describe('the groups of a sender', () => {
  const groups = (_command: unknown, ctx: Context) => ctx.senderGroups()

  it('are what it says itself, whatever the message was addressed to', async () => {
    const carol = await net.join('carol', { groups: ['orders', 'g'] })
    bob.on('groups', groups)
    for (const to of ['bob', 'any:g']) {
      if (to === 'any:g') await alice.close()
      expect(await carol.call(to, 'groups')).toEqual(['orders', 'g'])
    }
    const { replies } = await carol.broadcast('g', 'groups', undefined, { want: 'replies' })
    expect(replies).toEqual(new Map([['bob', ['orders', 'g']]]))
  })

  it('are asked once for each link, and not before somebody wants to know', async () => {
    bob.on('groups', groups)
    bob.on('echo', ({ body }) => body)
    const delivered = () => net.relay!.counters.of('DELIVERED').frames
    await alice.call('bob', 'echo')
    const before = delivered()
    await alice.call('bob', 'echo')
    const plain = delivered() - before
    await alice.call('bob', 'groups')
    const first = delivered() - before - plain
    await alice.call('bob', 'groups')
    expect([plain, first, delivered() - before - plain - first]).toEqual([2, 4, 2])
  })

  it('are those of the process that sent it, and of no later one', async () => {
    let ask: () => Promise<readonly string[]> = async () => []
    bob.on('take', (_command, ctx) => {
      ask = () => ctx.senderGroups()
    })
    await alice.call('bob', 'take')
    await alice.close()
    await net.join('alice', { groups: ['elsewhere'] })
    expect(await rejection(ask())).toMatchObject({ code: 'PEER_GONE', outcome: 'not-delivered', target: 'alice' })
  })

  it('are no action that a user could take', () => {
    expect(() => bob.on('$groups', () => [])).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    expect(bob.actions).toEqual([])
  })
})

describe('what travels beside the body', () => {
  it('is the meta of the user, and the trace, with every verb', async () => {
    const got: unknown[] = []
    bob.on('*', ({ meta }, ctx) => void got.push([meta, ctx.traceparent, ctx.baggage]))
    const options = { meta: { user: 7, tags: ['a', 'ä'] }, traceparent, baggage }
    await alice.send('bob', 'x', 1, options)
    await alice.sendAcked('bob', 'x', 1, options)
    await alice.call('bob', 'x', 1, options)
    await alice.broadcast('g', 'x', 1, { ...options, want: 'acks' })
    await alice.gather('g', 'x', 1, options)
    expect(got).toEqual(Array(5).fill([{ user: 7, tags: ['a', 'ä'], traceparent, baggage }, traceparent, baggage]))
  })

  it('is empty, and cannot be changed, where nothing was put there', async () => {
    bob.on('ask', ({ meta }, ctx) => [
      meta,
      Object.isFrozen(meta),
      ctx.traceparent === undefined,
      ctx.baggage === undefined,
    ])
    expect(await alice.call('bob', 'ask')).toEqual([{}, true, true, true])
    expect(await alice.call('bob', 'ask', 1, { meta: {} })).toEqual([{}, false, true, true])
  })

  it.each([
    ['of another form', 'not-a-traceparent'],
    ['with an id of zeros', '00-00000000000000000000000000000000-b7ad6b7169203331-01'],
    ['with a span of zeros', '00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01'],
    ['of version ff', 'ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
    ['in capitals', traceparent.toUpperCase()],
  ])('a traceparent %s is refused at its sender, and ignored at the receiver', async (_what, wrong) => {
    expect(await rejection(alice.call('bob', 'ask', 1, { traceparent: wrong }))).toMatchObject({
      code: 'INVALID_ARGUMENT',
      outcome: 'not-delivered',
    })
    bob.on('ask', (_command, ctx) => ctx.traceparent ?? 'none')
    // The fields of the trace are fields of the meta, so whoever builds the meta by hand can send anything.
    expect(await alice.call('bob', 'ask', 1, { meta: { traceparent: wrong } })).toBe('none')
    expect(await alice.call('bob', 'ask', 1, { meta: { traceparent } })).toBe(traceparent)
  })

  it.each<[string, unknown]>([
    ['meta that is a list', { meta: [] }],
    ['meta that is text', { meta: 'text' }],
    ['meta that is null', { meta: null }],
    ['baggage with a line break', { baggage: 'a=1\r\nx: y' }],
    ['baggage of 8,193 characters', { baggage: 'a'.repeat(8_193) }],
  ])('%s is INVALID_ARGUMENT', async (_what, options) => {
    expect(await rejection(alice.call('bob', 'ask', 1, options as object))).toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  it('that is refused leaves no timer behind', async () => {
    const time = new VirtualTime()
    const other = new Net({ time })
    try {
      const carol = await other.join('carol')
      await carol.call('dave', 'ask').catch(() => {})
      await time.advance(60_000)
      const before = time.pending
      const verbs = [
        carol.call('dave', 'ask', 1, { baggage: '' }),
        carol.call('dave', ''),
        carol.sendAcked('dave', 'ask', 1, { meta: [] as never }),
        carol.broadcast('g', 'x'.repeat(256)),
        carol.gather('g', 'ask', 1, { traceparent: '' }),
        carol.send('dave', 'ask', 1, { baggage: '' }),
      ]
      for (const verb of verbs) expect((await rejection(verb)).code).toBe('INVALID_ARGUMENT')
      // The one timer of all deadlines of a length, and the tick that looks for what must be sent again, find nothing.
      await time.advance(60_000)
      expect(time.pending).toBe(before)
    } finally {
      await other.close()
    }
  })

  it('over 64 KiB is TOO_LARGE, and what JSON cannot say UNSERIALISABLE', async () => {
    const meta = { text: 'x'.repeat(65_536) }
    expect(await rejection(alice.send('bob', 'x', 1, { meta }))).toMatchObject({ code: 'TOO_LARGE' })
    expect(await rejection(alice.send('bob', 'x', 1, { meta: { n: 1n } }))).toMatchObject({ code: 'UNSERIALISABLE' })
  })
})

describe('ctx.link', () => {
  const counting = (node: Node) => {
    const links: LinkContext[] = []
    node.on('*', (_command, { link }: Context) => {
      if (!links.includes(link)) links.push(link)
      link.set('count', ((link.get('count') as number) ?? 0) + 1)
      return link.get('count')
    })
    return links
  }

  it('is kept for its sender over actions, verbs and addresses', async () => {
    const links = counting(bob)
    expect(await alice.call('bob', 'a')).toBe(1)
    expect(await alice.call('any:g', 'b')).toBe(2)
    await alice.broadcast('g', 'c', 1, { want: 'acks' })
    expect(await alice.call('bob', 'a')).toBe(4)
    expect([links.length, links[0]!.from, links[0]!.ended]).toEqual([1, 'alice', false])
  })

  it('is not shared with another sender', async () => {
    const links = counting(bob)
    const carol = await net.join('carol')
    await alice.call('bob', 'a')
    expect([await carol.call('bob', 'a'), links.length]).toEqual([1, 2])
  })

  it('is emptied when its sender disconnects, and the next link has a new one', async () => {
    const links = counting(bob)
    await alice.call('bob', 'a')
    net.cut('alice')
    await until(() => links[0]!.ended, 'bob hears of it')
    expect(links[0]!.size).toBe(0)
    await until(() => alice.connected, 'alice is back')
    expect(await alice.call('bob', 'a')).toBe(1)
    expect(links[1]!.ended).toBe(false)
  })

  it('is emptied when another process takes the name', async () => {
    const links = counting(bob)
    await alice.call('bob', 'a')
    await alice.close()
    const next = await net.join('alice')
    expect(await next.call('bob', 'a')).toBe(1)
    expect(links.map(({ ended }) => ended)).toEqual([true, false])
  })

  it("is emptied when this node's own link breaks: it cannot know who left meanwhile", async () => {
    const links = counting(bob)
    await alice.call('bob', 'a')
    net.cut('bob')
    await until(() => links[0]!.ended, 'it is emptied')
    await until(() => bob.connected, 'bob is back')
    expect(await alice.call('bob', 'a')).toBe(1)
  })

  it('of a link that is gone keeps nothing that anybody sees, however late it is asked for', async () => {
    let finish = (): void => {}
    let seen: LinkContext | undefined
    let started = false
    bob.on('note', async (_command, ctx) => {
      await new Promise<void>((resolve) => {
        finish = resolve
        started = true
      })
      seen = ctx.link
      seen.set('late', true)
    })
    bob.on('read', (_command, { link }) => [...link.keys()])
    await alice.send('bob', 'note')
    await until(() => started, 'it runs')
    net.cut('alice')
    await until(() => alice.connected, 'alice is back')
    await turns()
    expect(await alice.call('bob', 'read')).toEqual([])
    finish()
    await until(() => seen !== undefined, 'the handler goes on')
    expect(seen!.ended).toBe(true)
    expect(await alice.call('bob', 'read')).toEqual([])
  })
})

describe('an answer to a question that nobody asked', () => {
  it('is counted and dropped', async () => {
    const refused: unknown[] = []
    alice.events.on('refused', (event) => refused.push(event))
    let finish = (): void => {}
    let started = false
    bob.on(
      'ask',
      () =>
        new Promise<void>((resolve) => {
          finish = resolve
          started = true
        }),
    )
    const call = rejection(alice.call('bob', 'ask', 1, { timeout: 20 }))
    await until(() => started, 'it runs')
    expect(await call).toMatchObject({ code: 'TIMEOUT', outcome: 'unknown' })
    finish()
    await until(() => refused.length > 0, 'the late answer is counted')
    expect(refused).toEqual([{ from: 'bob', code: 'LATE' }])
  })
})
