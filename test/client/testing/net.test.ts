import { type Faults, type TestNet, type TestNode, testNet } from '@sealway/client/testing'
import { FrameType } from '@sealway/protocol'
import { rejection } from '../../support/until'

let net: TestNet
beforeEach(() => {
  net = testNet({ seed: 7 })
})
afterEach(() => net.close())

const pair = async (): Promise<{ a: TestNode; b: TestNode }> => {
  const a = await net.connect('a')
  const b = await net.connect('b')
  b.on('echo', ({ body }) => body)
  return { a, b }
}
const elapsed = async (work: () => Promise<unknown>): Promise<number> => {
  const start = net.clock.now()
  await work()
  return net.clock.now() - start
}
const bodies = (name: string): unknown[] => net.history.runs({ node: name }).map(({ body }) => body)

describe('nodes', () => {
  it('talk without any time going by', async () => {
    const { a } = await pair()
    const ms = await elapsed(async () => expect(await a.call('b', 'echo', { n: 1 })).toEqual({ n: 1 }))
    expect(ms).toBe(0)
  })

  it('are sealed as always: nothing of a body is on the way', async () => {
    const { a } = await pair()
    const seen: Buffer[] = []
    net.intercept((frame) => {
      seen.push(Buffer.from(frame))
      return [frame]
    })
    await a.call('b', 'echo', 'a secret')
    expect(seen.length).toBeGreaterThan(1)
    expect(seen.some((frame) => frame.includes('a secret'))).toBe(false)
  })

  it('are in the groups that they name', async () => {
    const a = await net.connect('a', { groups: ['orders', 'all'] })
    await net.connect('b', { groups: ['orders'] })
    expect((await a.peers('orders')).map(({ name }) => name)).toEqual(['a', 'b'])
    expect((await a.peers('all')).map(({ name }) => name)).toEqual(['a'])
  })

  it('may send within their groups, and where they are let', async () => {
    const a = await net.connect('a', { groups: ['orders'] })
    const let1 = await net.connect('c', { groups: ['orders'], mayReach: ['billing'] })
    const b = await net.connect('b', { groups: ['billing'] })
    b.on('charge', () => 'paid')
    expect(await rejection(a.call('b', 'charge'))).toMatchObject({ code: 'FORBIDDEN', outcome: 'not-delivered' })
    expect(await let1.call('b', 'charge')).toBe('paid')
    expect(await let1.call('any:billing', 'charge')).toBe('paid')
  })

  it('are refused with a token that is not theirs', async () => {
    expect((await rejection(net.connect('a', { token: 'x.y.z' }))).code).toBe('UNAUTHORIZED')
  })

  it('are refused a name that lives, and get it when its process has crashed', async () => {
    await net.connect('a')
    expect((await rejection(net.connect('a'))).code).toBe('NAME_IN_USE')
    const fresh = testNet()
    await fresh.connect('a')
    fresh.crash('a')
    expect((await fresh.connect('a')).connected).toBe(true)
    await fresh.close()
  })

  it('renew their tokens over hours', async () => {
    const { a } = await pair()
    for (let hour = 0; hour < 3; hour++) await net.advance(3_600_000)
    expect(await a.call('b', 'echo', 1)).toBe(1)
    expect(net.history.events.filter(({ type }) => type === 'disconnected')).toEqual([])
  })

  it('are told the policies of the mediator', async () => {
    const { a } = await pair()
    net.setPolicies([{ target: 'b', timeout: 50 }])
    await net.settle()
    expect(a.policies.central).toEqual([{ target: 'b', timeout: 50 }])
    expect(() => net.setPolicies([{ target: 'b', timeout: -1 }])).toThrow(/timeout/)
  })

  it('know their actions', async () => {
    interface Actions {
      double: { body: number; reply: number }
    }
    const service = await net.connect<Actions>('service')
    service.on('double', ({ body }) => body * 2)
    const caller = await net.connect<Actions>('caller')
    const answer: number = await caller.call('service', 'double', 21)
    expect(answer).toBe(42)
  })
})

describe('a stub', () => {
  it('stands in for a service, by name and as any of its group, for everybody', async () => {
    const a = await net.connect('a', { groups: ['orders'] })
    await net.stub('billing', { charge: { paid: true }, price: ({ body }: { body: unknown }) => ({ of: body }) })
    expect(await a.call('billing', 'charge')).toEqual({ paid: true })
    expect(await a.call('any:billing', 'price', 'A1')).toEqual({ of: 'A1' })
    expect(net.history.runs({ node: 'billing' }).map(({ action, from }) => [action, from])).toEqual([
      ['charge', 'a'],
      ['price', 'a'],
    ])
  })

  it('may refuse, take its time, and be in other groups', async () => {
    const a = await net.connect('a')
    const stub = await net.stub(
      'billing-1',
      {
        charge: async (_: unknown, context: { fail(code: string): Error }) => {
          await stub.sleep(200)
          throw context.fail('NO_MONEY')
        },
      },
      { groups: ['billing', 'test'] },
    )
    const error = await rejection(net.until(a.call('any:billing', 'charge')))
    expect(error).toMatchObject({ code: 'APPLICATION_ERROR', data: { code: 'NO_MONEY' }, afterMs: 200 })
  })

  it('has no other actions', async () => {
    const a = await net.connect('a')
    await net.stub('billing', {})
    expect((await rejection(a.call('billing', 'charge'))).code).toBe('NO_HANDLER')
  })
})

describe('time', () => {
  it('moves deadlines, retries and heartbeats', async () => {
    const { a, b } = await pair()
    b.on('never', () => new Promise(() => {}))
    const ms = await elapsed(async () => {
      expect(await rejection(net.until(a.call('b', 'never', 1, { timeout: 1_500 })))).toMatchObject({ code: 'TIMEOUT' })
    })
    expect(ms).toBe(1_500)
  })

  it('begins where it is told', () => {
    expect(testNet({ startAt: 5 }).clock.now()).toBe(5)
  })
})

describe('faults', () => {
  it('a delay is that of one way on one link, so a call takes four of them', async () => {
    const { a } = await pair()
    await a.call('b', 'echo')
    net.faults({ delay: 25 })
    expect(await elapsed(() => net.until(a.call('b', 'echo')))).toBe(100)
  })

  it('a delay from and to keeps the order', async () => {
    const { a, b } = await pair()
    b.on('n', () => {})
    net.faults({ delay: [1, 80] })
    for (let n = 0; n < 50; n++) {
      await a.send('b', 'n', n)
      await net.advance(3)
    }
    await net.advance(500)
    expect(bodies('b')).toEqual(Array.from({ length: 50 }, (_, n) => n))
  })

  it('what is dropped is missed', async () => {
    const { a, b } = await pair()
    b.on('n', () => {})
    await a.send('b', 'n', 0)
    await net.settle()
    net.faults({ drop: 1 })
    await a.send('b', 'n', 1)
    await net.settle()
    net.faults({})
    await a.send('b', 'n', 2)
    await net.settle()
    expect(bodies('b')).toEqual([0, 2])
    expect(net.history.events.filter(({ type }) => type === 'gap')).toMatchObject([
      { node: 'b', from: 'a', missing: 1 },
    ])
  })

  it('what comes twice is handled once', async () => {
    const { a, b } = await pair()
    b.on('n', () => {})
    net.faults({ duplicate: 1, spread: 20 })
    await a.send('b', 'n', 1)
    await net.advance(50)
    expect(bodies('b')).toEqual([1])
    expect(net.history.events).toContainEqual(
      expect.objectContaining({ type: 'refused', node: 'b', code: 'DUPLICATE' }),
    )
  })

  it('what is overtaken comes too late', async () => {
    const { a, b } = await pair()
    b.on('n', () => {})
    net.faults({ reorder: 1 })
    await a.send('b', 'n', 1)
    await net.settle()
    net.faults({})
    await a.send('b', 'n', 2)
    await net.advance(100)
    expect(bodies('b')).toEqual([2])
    expect(net.history.events).toContainEqual(expect.objectContaining({ type: 'refused', node: 'b', code: 'LATE' }))
  })

  it('a link that breaks comes back', async () => {
    const { a } = await pair()
    net.faults({ disconnect: 1 })
    expect(await rejection(net.until(a.call('b', 'echo')))).toMatchObject({ code: 'LINK_LOST', outcome: 'unknown' })
    net.faults({})
    expect(await net.until(a.call('b', 'echo', 1))).toBe(1)
  })

  it.each([
    [{ drop: 2 }, /drop must be 0 to 1/],
    [{ delay: -1 }, /delay/],
    [{ delay: [1, Number.NaN] as const }, /delay/],
    [{ dorp: 0.1 }, /there is no fault dorp/],
  ])('that cannot be are an error: %j', (faults, message) => {
    expect(() => net.faults(faults as Faults)).toThrow(message)
  })
})

describe('a partition', () => {
  it('of two lets nothing pass between them, and nobody is told', async () => {
    const { a, b } = await pair()
    const c = await net.connect('c')
    c.on('echo', ({ body }) => body)
    net.partition('a', 'b')
    expect(await rejection(net.until(a.call('b', 'echo', 1, { timeout: 100 })))).toMatchObject({ code: 'TIMEOUT' })
    expect(await rejection(net.until(b.call('a', 'echo', 1, { timeout: 100 })))).toMatchObject({ code: 'TIMEOUT' })
    expect(await a.call('c', 'echo', 1)).toBe(1)
    net.heal()
    expect(await a.call('b', 'echo', 1)).toBe(1)
  })

  it('of one holds everything back, and lets it arrive where it heals in time', async () => {
    const { a } = await pair()
    net.partition('a')
    const answer = a.call('b', 'echo', 1)
    await net.advance(5_000)
    expect(bodies('b')).toEqual([])
    net.heal()
    expect(await answer).toBe(1)
    expect(a.connected).toBe(true)
  })

  it('of one shows in its heartbeats, and it comes back when it is over', async () => {
    const { a, b } = await pair()
    net.partition('a')
    await net.advance(26_000)
    expect(a.connected).toBe(false)
    expect(await rejection(net.until(b.call('a', 'echo')))).toMatchObject({ code: 'OFFLINE' })
    net.heal()
    expect(await net.until(a.call('b', 'echo', 1))).toBe(1)
  })
})

it('a node that reads slowly is waited for, and ended after 10 s', async () => {
  const { a, b } = await pair()
  b.on('n', () => {})
  net.slow('b')
  for (let n = 0; n < 20; n++) await a.send('b', 'n', 'x'.repeat(20_000))
  await net.advance(5_000)
  expect(bodies('b')).toHaveLength(0)
  net.heal()
  await net.settle()
  expect(bodies('b')).toHaveLength(20)
  net.slow('b', 1_000)
  for (let n = 0; n < 20; n++) await a.send('b', 'n', 'x'.repeat(20_000))
  await net.advance(60_000)
  expect(net.history.events).toContainEqual(expect.objectContaining({ type: 'disconnected', node: 'b' }))
})

it('a node that was disconnected comes back by itself', async () => {
  const { a, b } = await pair()
  net.disconnect('b')
  await net.settle()
  expect([a.connected, b.connected]).toEqual([true, false])
  await net.advance(2_000)
  expect(await a.call('b', 'echo', 1)).toBe(1)
})

describe('a process that crashes', () => {
  it('never learns what it waited for, and does nothing more', async () => {
    const { a, b } = await pair()
    b.on('slow', async () => {
      await b.sleep(100)
      return 'too late'
    })
    let settled = false
    const end = (): void => {
      settled = true
    }
    const ghost = b.call('a', 'nothing')
    ghost.then(end, end)
    const call = a.call('b', 'slow')
    net.crash('b')
    // It had not reached the mediator yet, which says so.
    expect(await rejection(net.until(call))).toMatchObject({ code: 'OFFLINE', outcome: 'not-delivered' })
    await net.advance(60_000)
    expect(settled).toBe(false)
    expect(net.history.operations({ node: 'b' })[0]!.end).toMatchObject({ type: 'unknown', error: undefined })
    expect(net.history.events.filter(({ type, node }) => type === 'ran' && node === 'b')).toEqual([])
  })

  it('leaves its name to the next one', async () => {
    const { a } = await pair()
    net.crash('b')
    const next = await net.connect('b')
    next.on('echo', () => 'the next')
    expect(await a.call('b', 'echo')).toBe('the next')
    expect(net.history.runs().at(-1)).toMatchObject({ process: 'b#2' })
  })
})

describe('a mediator that restarts', () => {
  it('without a word: links break, and an acked message gets through', async () => {
    const { a } = await pair()
    const acked = a.sendAcked('b', 'echo', 1)
    net.restartMediator({ downMs: 500 })
    const receipt = await net.until(acked)
    expect(receipt).toMatchObject({ by: 'b', status: 'processed' })
    expect(receipt.afterMs).toBeGreaterThanOrEqual(500)
    expect(bodies('b')).toEqual([1])
  })

  it('in order: what is under way is answered first', async () => {
    const { a, b } = await pair()
    b.on('slow', async () => {
      await b.sleep(300)
      return 'done'
    })
    const call = a.call('b', 'slow')
    await net.settle()
    net.restartMediator({ graceful: true })
    expect(await net.until(call)).toBe('done')
    // Each comes back when it was told to, within 5 s.
    await net.advance(6_000)
    expect(await a.call('b', 'echo', 1)).toBe(1)
    expect(net.history.events.filter(({ type }) => type === 'disconnected')).toMatchObject([
      { code: 'DRAINING' },
      { code: 'DRAINING' },
    ])
  })

  it('knows who was ever there', async () => {
    const { a } = await pair()
    net.crash('b')
    net.restartMediator()
    await net.advance(1_000)
    expect((await rejection(net.until(a.call('b', 'echo')))).code).toBe('OFFLINE')
    expect((await rejection(net.until(a.call('c', 'echo')))).code).toBe('UNKNOWN_NODE')
  })

  it('is not there while it is down', async () => {
    net.stopMediator()
    const connecting = net.connect('a', { timeout: 700 })
    expect((await rejection(connecting)).code).toBe('NOT_CONNECTED')
    net.startMediator()
    expect((await net.connect('a')).connected).toBe(true)
  })
})

it('a hostile way can be played', async () => {
  const { a } = await pair()
  net.intercept((frame, direction, node) => {
    if (frame[4] !== FrameType.deliver || direction !== 'down' || node !== 'b') return [frame]
    const changed = new Uint8Array(frame)
    changed[frame.length - 1]! ^= 1
    return [changed]
  })
  expect(await rejection(net.until(a.call('b', 'echo', 1, { timeout: 100 })))).toMatchObject({ code: 'TIMEOUT' })
  expect(net.history.events).toContainEqual(expect.objectContaining({ type: 'refused', code: 'CANNOT_OPEN' }))
  net.intercept(undefined)
  expect(await a.call('b', 'echo', 1)).toBe(1)
})

describe('the history', () => {
  it('has each call with its end, and each handler that ran', async () => {
    const { a, b } = await pair()
    b.on('refuse', (_, context) => {
      throw context.fail('NO', { why: 1 })
    })
    await a.send('b', 'echo', 'fire')
    await a.call('b', 'echo', 'ask')
    await rejection(a.call('b', 'refuse'))
    await rejection(a.call('b', 'nothing'))
    await a.broadcast('test', 'echo', 'all', { want: 'acks' })
    await net.settle()
    const ends = net.history.operations({ node: 'a' }).map(({ verb, action, end }) => [verb, action, end!.type])
    expect(ends).toEqual([
      ['send', 'echo', 'ok'],
      ['call', 'echo', 'ok'],
      ['call', 'refuse', 'unknown'],
      ['call', 'nothing', 'fail'],
      ['broadcast', 'echo', 'ok'],
    ])
    const handled = net.history.events.flatMap((event) => (event.type === 'ran' ? [[event.action, event.outcome]] : []))
    expect(handled).toEqual([
      ['echo', 'answered'],
      ['echo', 'answered'],
      ['refuse', 'failed'],
      ['nothing', 'refused'],
      ['echo', 'answered'],
    ])
    expect(String(net.history)).toMatch(/call.*ask/)
  })

  it('has streams and events, too', async () => {
    const { a, b } = await pair()
    b.on('count', function* () {
      yield* [1, 2, 3]
    })
    b.subscribe('orders.*', () => {})
    const items: unknown[] = []
    for await (const item of a.stream('b', 'count')) items.push(item)
    for await (const _ of a.stream('b', 'count')) break
    const report = await net.until(a.publish('orders.created', 1, { want: 'acks' }))
    expect([items, report.ok]).toEqual([[1, 2, 3], ['b']])
    const ends = net.history
      .operations({ node: 'a' })
      .map(({ verb, end }) => [verb, (end as { result?: unknown }).result])
    expect(ends.slice(0, 2)).toEqual([
      ['stream', { items: 3 }],
      ['stream', { items: 1, left: true }],
    ])
    expect(ends[2]![0]).toBe('publish')
  })

  it('is the same for the same seed, and another for another', async () => {
    const play = async (seed: number): Promise<string> => {
      const other = testNet({ seed })
      const a = await other.connect('a')
      const b = await other.connect('b')
      b.on('n', ({ body }) => body)
      other.faults({ drop: 0.1, duplicate: 0.1, reorder: 0.1, delay: [1, 30], disconnect: 0.02 })
      for (let n = 0; n < 30; n++) {
        a.call('b', 'n', n, { timeout: 300 }).catch(() => {})
        await other.advance(10)
      }
      await other.advance(1_000)
      await other.close()
      return String(other.history)
    }
    expect(await play(5)).toBe(await play(5))
    expect(await play(5)).not.toBe(await play(6))
  })
})

it('what cannot be is an error', () => {
  for (const act of [() => net.crash('nobody'), () => net.slow('nobody'), () => net.disconnect('nobody')]) {
    expect(act).toThrow(/nobody/)
  }
})

it('ends with everything closed, and nothing left to do', async () => {
  const { a, b } = await pair()
  await net.close()
  expect([await a.closed, await b.closed]).toEqual([undefined, undefined])
  expect((await rejection(a.call('b', 'echo'))).code).toBe('CLOSED')
})
