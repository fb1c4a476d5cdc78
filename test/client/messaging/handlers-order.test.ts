import type { Node } from '../../../client-lib/src/node.js'
import { Net } from '../../support/net.js'
import { rejection, turns, until } from '../../support/until.js'

let net: Net
let alice: Node
let bob: Node
/** What has begun and ended at bob, in order; handlers end when the test says so. */
let steps: string[]
let finish: Map<string, () => void>

beforeEach(async () => {
  steps = []
  finish = new Map()
  net = new Net()
  ;[alice, bob] = await Promise.all([net.join('alice'), net.join('bob')])
})
afterEach(() => net.close())

/** A handler that returns a promise and waits to be finished. */
const held = async ({ body }: { body: unknown }) => {
  steps.push(`begin ${body}`)
  await new Promise<void>((resolve) => finish.set(String(body), resolve))
  steps.push(`end ${body}`)
  return body
}

const end = async (...names: unknown[]) => {
  for (const name of names) {
    await until(() => finish.has(String(name)), `${name} begins`)
    finish.get(String(name))!()
    await turns(3)
  }
}

describe('what nobody waits for', () => {
  it('is handled one after the other, in the order of its sender, over all actions', async () => {
    bob.on('created', held)
    bob.on('updated', held)
    await alice.send('bob', 'created', 1)
    await alice.send('bob', 'updated', 2)
    await alice.broadcast('g', 'created', 3)
    await turns()
    expect(steps).toEqual(['begin 1'])
    await end(1, 2, 3)
    expect(steps).toEqual(['begin 1', 'end 1', 'begin 2', 'end 2', 'begin 3', 'end 3'])
  })

  it('does not wait for what others sent', async () => {
    const carol = await net.join('carol')
    bob.on('note', held)
    await alice.send('bob', 'note', 'of alice')
    await carol.send('bob', 'note', 'of carol')
    await until(() => steps.length === 2, 'both begin')
    await end('of alice', 'of carol')
  })

  it('keeps its place behind a handler that returns no promise, too', async () => {
    bob.on('slow', held)
    bob.on('quick', ({ body }) => void steps.push(`quick ${body}`))
    await alice.send('bob', 'quick', 0)
    await alice.send('bob', 'slow', 1)
    await alice.send('bob', 'quick', 2)
    await alice.send('bob', 'quick', 3)
    await turns()
    expect(steps).toEqual(['quick 0', 'begin 1'])
    await end(1)
    expect(steps).toEqual(['quick 0', 'begin 1', 'end 1', 'quick 2', 'quick 3'])
  })

  it('goes on behind one that crashed', async () => {
    bob.on('note', async ({ body }) => {
      steps.push(`${body}`)
      await null
      throw new Error('boom')
    })
    for (const n of [1, 2, 3]) await alice.send('bob', 'note', n)
    await until(() => steps.length === 3, 'all three')
    expect(steps).toEqual(['1', '2', '3'])
  })

  it('keeps the order of 10,000 messages whose handlers take turns', async () => {
    const got: unknown[] = []
    bob.on('note', async ({ body }) => {
      await null
      if ((body as number) % 7 === 0) await Promise.resolve()
      got.push(body)
    })
    for (let i = 0; i < 10_000; i++) await alice.send('bob', 'note', i)
    await until(() => got.length === 10_000, 'everything is handled')
    expect(got).toEqual(Array.from({ length: 10_000 }, (_, i) => i))
  })
})

describe('what somebody waits for', () => {
  it('is begun in order and handled at once: calls, acknowledged sends, broadcasts that want answers', async () => {
    bob.on('ask', held)
    const answers = [
      alice.call('bob', 'ask', 1),
      alice.sendAcked('bob', 'ask', 2),
      alice.broadcast('g', 'ask', 3, { want: 'acks' }),
      alice.call('any:g', 'ask', 4),
    ]
    await until(() => steps.length === 4, 'all begin')
    expect(steps.filter((step) => /[12]/.test(step))).toEqual(['begin 1', 'begin 2'])
    await end(4, 3, 2, 1)
    expect(await answers[0]).toBe(1)
    await Promise.all(answers)
  })

  it('does not wait for a fire that is being handled', async () => {
    bob.on('note', held)
    bob.on('ask', () => 'answer')
    await alice.send('bob', 'note', 1)
    await until(() => steps.length === 1, 'the note begins')
    expect(await alice.call('bob', 'ask')).toBe('answer')
    await end(1)
  })

  it('may be asked back by the handler of a fire without waiting for ever', async () => {
    alice.on('price', () => 3)
    bob.on('order', async (_command, { from }) => void steps.push(`${await bob.call(from, 'price')}`))
    await alice.send('bob', 'order')
    await until(() => steps.length === 1, 'the order is handled')
    expect(steps).toEqual(['3'])
  })
})

describe('concurrency', () => {
  it('1 makes calls of one sender wait for one another, and not those of another', async () => {
    const carol = await net.join('carol')
    bob.on('charge', { concurrency: 1 }, held)
    const calls = [1, 2, 3].map((n) => alice.call('bob', 'charge', n))
    const other = carol.call('bob', 'charge', 'c')
    await until(() => steps.length === 2, 'one of each')
    expect(steps.sort()).toEqual(['begin 1', 'begin c'])
    steps = []
    await end(1, 2, 3)
    expect(steps).toEqual(['end 1', 'begin 2', 'end 2', 'begin 3', 'end 3'])
    await end('c')
    expect(await Promise.all([...calls, other])).toEqual([1, 2, 3, 'c'])
  })

  it('3 lets three run, and begins the next in order when one is done', async () => {
    bob.on('note', { concurrency: 3 }, held)
    for (const n of [1, 2, 3, 4, 5]) await alice.send('bob', 'note', n)
    await turns()
    expect(steps).toEqual(['begin 1', 'begin 2', 'begin 3'])
    await end(2)
    expect(steps.slice(3)).toEqual(['end 2', 'begin 4'])
    await end(1, 3, 4, 5)
    expect(steps).toHaveLength(10)
  })

  it('Infinity takes an action out of all order', async () => {
    bob.on('note', { concurrency: Number.POSITIVE_INFINITY }, held)
    for (const n of [1, 2, 3]) await alice.send('bob', 'note', n)
    await until(() => steps.length === 3, 'all begin')
    await end(1, 2, 3)
  })

  it('of one action does not hold up another', async () => {
    bob.on('slow', { concurrency: 1 }, held)
    bob.on('note', ({ body }) => void steps.push(`note ${body}`))
    await alice.send('bob', 'slow', 1)
    await alice.send('bob', 'slow', 2)
    await alice.send('bob', 'note', 3)
    await until(() => steps.length === 2, 'the note')
    expect(steps).toEqual(['begin 1', 'note 3'])
    await end(1, 2)
  })

  it('of * counts over all actions that it takes', async () => {
    bob.on('*', { concurrency: 1 }, held)
    await alice.send('bob', 'a', 1)
    await alice.send('bob', 'b', 2)
    await turns()
    expect(steps).toEqual(['begin 1'])
    await end(1, 2)
  })
})

describe('while messages wait for their turn', () => {
  it('a new handler takes them over, still one after the other', async () => {
    bob.on('note', held)
    for (const n of [1, 2, 3]) await alice.send('bob', 'note', n)
    await turns()
    bob.replace('note', ({ body }) => void steps.push(`new ${body}`))
    await turns()
    expect(steps).toEqual(['begin 1'])
    await end(1)
    expect(steps).toEqual(['begin 1', 'end 1', 'new 2', 'new 3'])
  })

  it('a handler that is taken off leaves them as refused, and said to be so', async () => {
    const refused: unknown[] = []
    bob.events.on('refused', (event) => refused.push(event))
    bob.on('charge', { concurrency: 1 }, held)
    const calls = [alice.call('bob', 'charge', 1), rejection(alice.call('bob', 'charge', 2))] as const
    await until(() => steps.length === 1, 'the first begins')
    await turns()
    bob.off('charge')
    await end(1)
    expect(await calls[0]).toBe(1)
    expect(await calls[1]).toMatchObject({ code: 'NO_HANDLER', outcome: 'not-delivered' })
    expect(refused).toEqual([{ from: 'alice', code: 'NO_HANDLER' }])
  })

  it('one that was withdrawn is not handled', async () => {
    bob.on('charge', { concurrency: 1 }, held)
    const controller = new AbortController()
    const first = alice.call('bob', 'charge', 1)
    const second = rejection(alice.call('bob', 'charge', 2, { signal: controller.signal }))
    const third = alice.call('bob', 'charge', 3)
    await until(() => steps.length === 1, 'the first begins')
    await turns()
    controller.abort()
    expect(await second).toMatchObject({ code: 'ABORTED' })
    await turns()
    await end(1, 3)
    expect(await Promise.all([first, third])).toEqual([1, 3])
    expect(steps).toEqual(['begin 1', 'end 1', 'begin 3', 'end 3'])
  })

  it('those of a sender that disconnects are not handled, where it waited for an answer', async () => {
    bob.on('charge', { concurrency: 1 }, held)
    const calls = [1, 2].map((n) => rejection(alice.call('bob', 'charge', n)))
    await until(() => steps.length === 1, 'the first begins')
    await turns()
    await alice.close()
    await Promise.all(calls)
    await turns()
    await end(1)
    expect(steps).toEqual(['begin 1', 'end 1'])
  })

  it('a drain waits for them', async () => {
    bob.on('note', held)
    for (const n of [1, 2]) await alice.send('bob', 'note', n)
    await until(() => steps.length === 1, 'the first begins')
    let drained = false
    const drain = bob.drain().then(() => {
      drained = true
    })
    await end(1)
    await turns()
    expect([drained, steps]).toEqual([false, ['begin 1', 'end 1', 'begin 2']])
    await end(2)
    await drain
  })
})

describe('the queue of what waits', () => {
  it('is bounded per sender: what is more is BUSY, not delivered, and said to the caller', async () => {
    bob.on('charge', { concurrency: 1 }, held)
    const refused: unknown[] = []
    bob.events.on('refused', (event) => refused.push(event))
    const first = alice.call('bob', 'charge', 0)
    await until(() => steps.length === 1, 'the first begins')
    const outcomes = new Map<string, number>()
    const count = (outcome: string) => void outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    const calls = Array.from({ length: 16_384 + 3 }, (_, i) =>
      alice.call('bob', 'charge', i + 1).then(
        () => count('answered'),
        ({ code, outcome }) => count(`${code} ${outcome}`),
      ),
    )
    await until(() => (outcomes.get('BUSY not-delivered') ?? 0) === 3, 'three are refused')
    expect(refused).toEqual(Array(3).fill({ from: 'alice', code: 'BUSY' }))
    bob.replace('charge', { concurrency: 1 }, ({ body }) => body)
    await end(0)
    await Promise.all([first, ...calls])
    expect(Object.fromEntries(outcomes)).toEqual({ 'BUSY not-delivered': 3, answered: 16_384 })
  })

  it('is bounded in bytes: 64 MiB wait, not more', async () => {
    bob.on('charge', { concurrency: 1 }, held)
    const first = alice.call('bob', 'charge', 0)
    await until(() => steps.length === 1, 'the first begins')
    const body = Buffer.alloc(1_000_000)
    const codes: string[] = []
    const calls: Promise<unknown>[] = []
    for (let i = 0; i < 70; i++) {
      calls.push(alice.call('bob', 'charge', body).catch(({ code }) => codes.push(code)))
      await turns(2)
    }
    await until(() => codes.length === 3, 'three are refused')
    await turns()
    expect(codes).toEqual(['BUSY', 'BUSY', 'BUSY'])
    bob.replace('charge', () => 'done')
    await end(0)
    await Promise.all([first, ...calls])
    expect(codes).toHaveLength(3)
  })
})

describe('at most so many handlers', () => {
  it('run at once in one node; the others wait, in order, and take nobody else down', async () => {
    const small = await net.join('small', { limits: { maxRunningHandlers: 2 } })
    small.on('ask', held)
    small.on('quick', () => 'quick')
    const calls = [1, 2, 3, 4].map((n) => alice.call('small', 'ask', n))
    const quick = alice.call('small', 'quick')
    await until(() => steps.length === 2, 'two begin')
    await turns()
    expect(steps).toEqual(['begin 1', 'begin 2'])
    await end(2)
    expect(steps).toEqual(['begin 1', 'begin 2', 'end 2', 'begin 3'])
    await end(1, 3, 4)
    expect(await Promise.all([...calls, quick])).toEqual([1, 2, 3, 4, 'quick'])
  })

  it('keep the order of a sender whose messages wait for room as well as for one another', async () => {
    const small = await net.join('small', { limits: { maxRunningHandlers: 1 } })
    small.on('ask', held)
    small.on('note', held)
    const call = alice.call('small', 'ask', 'a')
    await until(() => steps.length === 1, 'the call begins')
    for (const n of [1, 2, 3]) await alice.send('small', 'note', n)
    await turns()
    expect(steps).toEqual(['begin a'])
    await end('a', 1, 2, 3)
    expect(await call).toBe('a')
    expect(steps).toEqual(['begin a', 'end a', ...[1, 2, 3].flatMap((n) => [`begin ${n}`, `end ${n}`])])
  })
})
