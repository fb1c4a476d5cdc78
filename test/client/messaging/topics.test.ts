import type { SealwayError } from '@sealway/protocol'
import fc from 'fast-check'
import { checkEvent, compilePattern } from '../../../client-lib/src/messaging/topics/pattern.js'
import type { Node } from '../../../client-lib/src/node.js'
import { VirtualTime } from '../../support/clock.js'
import { Net } from '../../support/net.js'
import { rejection, turns, until } from '../../support/until.js'

describe('a pattern', () => {
  it.each([
    ['orders.created', 'orders.created', true],
    ['orders.created', 'orders.createdX', false],
    ['orders.*', 'orders.created', true],
    ['orders.*', 'orders', false],
    ['orders.*', 'orders.created.eu', false],
    ['*.created', 'orders.created', true],
    ['orders.*.eu', 'orders.created.eu', true],
    ['orders.>', 'orders.created', true],
    ['orders.>', 'orders.created.eu', true],
    ['orders.>', 'orders', false],
    ['>', 'orders', true],
    ['*', 'orders', true],
    ['*', 'orders.created', false],
    ['orders.*.>', 'orders.created', false],
  ])('%s takes %s: %p', (pattern, event, taken) => expect(compilePattern(pattern)(event)).toBe(taken))

  it.each(['', '.', 'a.', '.a', 'a..b', 'a.>.b', 'a*', 'a b', '$x', 'x'.repeat(256), 5, undefined])(
    'is refused as %p',
    (pattern) => expect(() => compilePattern(pattern)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' })),
  )

  it('of an event itself takes that event and nothing else', () => {
    const token = fc.stringMatching(/^[a-z0-9]{1,6}$/)
    const event = fc.array(token, { minLength: 1, maxLength: 5 }).map((tokens) => tokens.join('.'))
    fc.assert(
      fc.property(event, event, (one, other) => {
        expect(compilePattern(one)(other)).toBe(one === other)
        expect(compilePattern('>')(other)).toBe(true)
      }),
    )
  })
})

it.each(['', 'a.*', '>', 'a..b', '$x', 'a b', 'x'.repeat(256), 5, null])('an event is not named %p', (event) => {
  expect(() => checkEvent(event)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
})

describe('publish and subscribe', () => {
  let net: Net
  let alice: Node
  let bob: Node
  let carol: Node
  let got: string[]
  beforeEach(async () => {
    net = new Net()
    ;[alice, bob, carol] = await Promise.all([net.join('alice'), net.join('bob'), net.join('carol')])
    got = []
  })
  afterEach(() => net.close())

  const note =
    (who: string) =>
    ({ action, body }: { action: string; body: unknown }) =>
      void got.push(`${who} ${action} ${body}`)

  it('hands an event to everybody who subscribed, the publisher too, and to nobody else', async () => {
    alice.subscribe('orders.created', note('alice'))
    bob.subscribe('orders.*', note('bob'))
    carol.subscribe('bills.>', note('carol'))
    const report = await alice.publish('orders.created', 1, { want: 'acks' })
    expect([...report.ok].sort()).toEqual(['alice', 'bob'])
    expect(report).toMatchObject({ failed: [], missing: [] })
    expect(got.sort()).toEqual(['alice orders.created 1', 'bob orders.created 1'])
  })

  it('hands it to one node of each consumer name, in turn', async () => {
    for (const [who, node] of [
      ['bob', bob],
      ['carol', carol],
    ] as const) {
      node.subscribe('orders.*', note(`${who} bills`), { consumer: 'billing' })
      node.subscribe('orders.*', note(`${who} ships`), { consumer: 'shipping' })
    }
    for (let i = 0; i < 10; i++) await alice.publish('orders.created', i, { want: 'acks' })
    const times = (text: string) => got.filter((line) => line.startsWith(text)).length
    expect([times('bob bills') + times('carol bills'), times('bob ships') + times('carol ships')]).toEqual([10, 10])
    expect([times('bob bills'), times('carol bills')]).toEqual([5, 5])
  })

  it('counts the publisher among the consumers', async () => {
    alice.subscribe('orders.created', note('alice'), { consumer: 'billing' })
    await alice.publish('orders.created', 1, { want: 'acks' })
    expect(got).toEqual(['alice orders.created 1'])
  })

  it('learns of consumers that come and go', async () => {
    await alice.publish('orders.created', 0)
    const stop = bob.subscribe('orders.created', note('bob'), { consumer: 'billing' })
    await turns()
    await alice.publish('orders.created', 1, { want: 'acks' })
    const dave = await net.join('dave')
    dave.subscribe('orders.created', note('dave'), { consumer: 'billing' })
    await turns()
    stop()
    await turns()
    await alice.publish('orders.created', 2, { want: 'acks' })
    await dave.close()
    await turns()
    await alice.publish('orders.created', 3, { want: 'acks' })
    expect(got).toEqual(['bob orders.created 1', 'dave orders.created 2'])
  })

  it('ends with its function, after one event with once, and leaves out what the filter refuses', async () => {
    const stop = bob.subscribe('a.b', note('bob'))
    carol.subscribe('a.b', note('once'), { once: true })
    carol.subscribe('a.b', note('even'), { filter: ({ body }) => (body as number) % 2 === 0 })
    for (let i = 1; i <= 2; i++) await alice.publish('a.b', i, { want: 'acks' })
    stop()
    await alice.publish('a.b', 3, { want: 'acks' })
    expect(got.sort()).toEqual(['bob a.b 1', 'bob a.b 2', 'even a.b 2', 'once a.b 1'])
  })

  it('gives an async iterable, which break ends', async () => {
    const events = bob.subscribe<number>('a.*')
    await alice.publish('a.b', 1)
    await alice.publish('a.c', 2)
    const seen: unknown[] = []
    for await (const { event, from, body, missed } of events) {
      seen.push([event, from, body, missed])
      if (seen.length === 2) break
    }
    expect(seen).toEqual([
      ['a.b', 'alice', 1, 0],
      ['a.c', 'alice', 2, 0],
    ])
    expect((await alice.publish('a.b', 3, { want: 'acks' })).ok).toEqual([])
  })

  it('reports who crashed, and the others have it all the same', async () => {
    bob.subscribe('a.b', () => {
      throw new Error('boom')
    })
    carol.subscribe('a.b', note('carol'))
    const report = await alice.publish('a.b', 1, { want: 'acks' })
    expect(report.ok).toEqual(['carol'])
    expect(report.failed.map(({ name, error }) => [name, error.code])).toEqual([['bob', 'EXCEPTION']])
  })

  it('is none of the business of a wildcard handler', async () => {
    bob.on('*', note('wildcard'))
    await alice.publish('a.b', 1, { want: 'acks' })
    alice.send('bob', 'direct', 2)
    await until(() => got.length === 1, 'the direct one')
    expect(got).toEqual(['wildcard direct 2'])
  })

  it('says no where the group, the consumer or the handler is wrong', async () => {
    expect(() => bob.subscribe('a', note('x'), { in: 'elsewhere' })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    )
    expect(() => bob.subscribe('a', note('x'), { consumer: 'Not A Name' })).toThrow(
      expect.objectContaining({ code: 'INVALID_NAME' }),
    )
    expect(() => bob.on('$event', () => {})).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    expect(await rejection(alice.publish('a.*', 1))).toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})

describe('a publisher that only reaches the group', () => {
  it('learns of consumers that subscribe after its first event', async () => {
    const time = new VirtualTime()
    const net = new Net({ time })
    const got: string[] = []
    try {
      const [bob, carol] = [await net.join('bob'), await net.join('carol')]
      const shop = await net.join('shop', { groups: [], reaches: ['g'] })
      bob.subscribe('orders.*', () => void got.push('bob'), { consumer: 'audit' })
      await shop.publish('orders.created', undefined, { want: 'acks' })
      carol.subscribe('orders.*', () => void got.push('carol'), { consumer: 'mail' })
      await time.advance(2_000)
      const { ok } = await shop.publish('orders.created', undefined, { want: 'acks' })
      expect([[...ok].sort(), got]).toEqual([
        ['bob', 'carol'],
        ['bob', 'bob', 'carol'],
      ])
    } finally {
      await net.close()
    }
  })
})

describe('what a handler asks of others', () => {
  it('waits no longer than its own caller, and stops with it', async () => {
    const time = new VirtualTime()
    const net = new Net({ time })
    try {
      const [alice, bob, carol] = [await net.join('alice'), await net.join('bob'), await net.join('carol')]
      let inner: Promise<SealwayError> | undefined
      bob.on('outer', () => {
        const asked = bob.call('carol', 'inner')
        inner = rejection(asked)
        return asked
      })
      let deadline: number | undefined
      let aborted = false
      carol.on('inner', (_command, ctx) => {
        deadline = ctx.deadline
        return new Promise((resolve) =>
          ctx.signal.addEventListener('abort', () => {
            aborted = true
            resolve(undefined)
          }),
        )
      })
      const start = time.now
      const outer = rejection(alice.call('bob', 'outer', undefined, { timeout: 100 }))
      await until(() => deadline !== undefined, 'the inner call')
      expect(deadline! - start).toBeLessThanOrEqual(100)
      await time.advance(101)
      expect(await outer).toMatchObject({ code: 'TIMEOUT', target: 'bob' })
      expect(await inner).toMatchObject({ code: 'TIMEOUT', target: 'carol' })
      expect(aborted).toBe(true)
    } finally {
      await net.close()
    }
  })
})
