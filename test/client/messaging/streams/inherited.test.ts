import type { Context } from '../../../../client-lib/src/messaging/delivery.js'
import type { Node } from '../../../../client-lib/src/node.js'
import { VirtualTime } from '../../../support/clock.js'
import { Net } from '../../../support/net.js'
import { rejection, turns, until } from '../../../support/until.js'

let net: Net
let time: VirtualTime
let alice: Node
let bob: Node
let carol: Node
let dave: Node
/** Of the calls that `dave` never answers. */
let asked: Context[]
beforeEach(async () => {
  time = new VirtualTime()
  net = new Net({ time })
  ;[alice, bob, carol, dave] = [
    await net.join('alice'),
    await net.join('bob'),
    await net.join('carol'),
    await net.join('dave'),
  ]
  asked = []
  dave.on('never', (_command, ctx) => {
    asked.push(ctx)
    return new Promise(() => {})
  })
  dave.on('echo', ({ body }) => body)
})
afterEach(() => net.close())

/** `alice` calls `bob`, who reads a stream of `carol` for her. */
const throughBob = (open: () => AsyncIterable<unknown>) => {
  bob.on('read', async () => {
    const items: unknown[] = []
    for await (const item of open()) items.push(item)
    return items
  })
  return alice.call('bob', 'read', undefined, { timeout: 5_000 })
}

describe('a stream that a handler reads for its caller', () => {
  it('tells the other end how long that one waits, in each item of a generator too', async () => {
    const start = time.now
    const seen: unknown[] = []
    carol.on('items', async function* (_command, ctx) {
      for (const n of [1, 2, 3]) {
        seen.push([ctx.deadline, ctx.remaining])
        time.now += 100
        yield await carol.call('dave', 'echo', n)
      }
    })
    expect(await throughBob(() => bob.stream('carol', 'items'))).toEqual([1, 2, 3])
    const deadline = start + 5_000
    expect(seen).toEqual([
      [deadline, 5_000],
      [deadline, 4_900],
      [deadline, 4_800],
    ])
  })

  it('gives what its generator asks of others no more time than is left', async () => {
    const start = time.now
    carol.on('items', async function* () {
      yield 1
      yield await carol.call('dave', 'never')
    })
    const failed = rejection(throughBob(() => bob.stream('carol', 'items')))
    await until(() => asked.length === 1, 'dave is asked')
    expect(asked[0]!.deadline).toBe(start + 5_000)
    await time.advance(5_001)
    expect((await failed).code).toBe('TIMEOUT')
    await until(() => asked[0]!.signal.aborted, 'dave is told')
  })

  it('ends when that one waits no longer, at both ends', async () => {
    let context: Context | undefined
    let closed = false
    carol.on('items', async function* (_command, ctx) {
      context = ctx
      try {
        yield 1
        await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve))
      } finally {
        closed = true
      }
    })
    let broken: unknown
    bob.on('read', async () => {
      try {
        for await (const _item of bob.stream('carol', 'items'));
      } catch (error) {
        broken = error
        throw error
      }
    })
    const failed = rejection(alice.call('bob', 'read', undefined, { timeout: 5_000 }))
    await until(() => context !== undefined, 'carol gives')
    await time.advance(5_001)
    expect((await failed).code).toBe('TIMEOUT')
    await until(() => closed, 'the generator is closed')
    expect(broken).toMatchObject({ code: 'TIMEOUT', outcome: 'unknown', target: 'carol' })
    expect(context!.signal.reason).toMatchObject({ code: 'TIMEOUT' })
  })

  it('is not opened for one that waits no longer', async () => {
    let opened: Promise<unknown> | undefined
    bob.on('read', async (_command, ctx) => {
      await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve))
      opened = (async () => bob.stream('carol', 'items').next())()
      opened.catch(() => {})
    })
    const failed = rejection(alice.call('bob', 'read', undefined, { timeout: 100 }))
    await turns()
    await time.advance(101)
    await failed
    await until(() => opened !== undefined, 'bob tries')
    expect(await rejection(opened!)).toMatchObject({ code: 'TIMEOUT', outcome: 'not-delivered', target: 'alice' })
  })

  it('takes as long as it takes where nobody waits for it', async () => {
    carol.on('items', async function* (_command, ctx) {
      yield [ctx.deadline ?? 'none', ctx.remaining ?? 'none']
      await turns()
      time.now += 600_000
      yield await carol.call('dave', 'echo', 'later')
    })
    const items: unknown[] = []
    for await (const item of bob.stream('carol', 'items')) items.push(item)
    expect(items).toEqual([['none', 'none'], 'later'])
  })
})

describe('what a handler goes on with after its answer', () => {
  it('is done for nobody, and inherits no deadline', async () => {
    const start = time.now
    let go: () => void = () => {}
    const answered = new Promise<void>((resolve) => {
      go = resolve
    })
    let rest: Promise<unknown> | undefined
    bob.on('begin', async () => {
      rest = answered.then(() => bob.call('dave', 'never')).catch(() => {})
      return 'begun'
    })
    expect(await alice.call('bob', 'begin', undefined, { timeout: 5_000 })).toBe('begun')
    time.now += 6_000
    go()
    await until(() => asked.length === 1, 'dave is asked')
    expect(asked[0]!.deadline).toBe(start + 6_000 + 30_000)
    void rest
  })
})
