import type { Handled } from '../../../../client-lib/src/messaging/hooks.js'
import type { Node } from '../../../../client-lib/src/node.js'
import { stats } from '../../../../client-lib/src/plugins/stats.js'
import { VirtualTime } from '../../../support/clock.js'
import { Net } from '../../../support/net.js'
import { rejection, until } from '../../../support/until.js'

let net: Net
let time: VirtualTime
let alice: Node
let bob: Node
let handled: Handled[]
beforeEach(async () => {
  time = new VirtualTime()
  net = new Net({ time })
  ;[alice, bob] = await Promise.all([net.join('alice'), net.join('bob')])
  handled = []
  bob.after((_command, _ctx, what) => void handled.push(what))
})
afterEach(() => net.close())

const told = () => until(() => handled.length > 0, 'the hook is told')

describe('a hook after the handler of a stream', () => {
  it('is told at its end, with the time until then', async () => {
    bob.on('items', async function* () {
      yield 1
      await time.advance(700)
      yield 2
    })
    const stream = alice.stream('bob', 'items')
    expect((await stream.next()).value).toBe(1)
    expect(handled).toEqual([])
    expect((await stream.next()).value).toBe(2)
    expect((await stream.next()).done).toBe(true)
    await told()
    expect(handled).toMatchObject([{ type: 'answered', durationMs: 700 }])
  })

  it('is told how it failed: an expected error, or a crash', async () => {
    const boom = new Error('boom')
    bob.on('fail', async function* (_command, ctx) {
      yield 1
      throw ctx.fail('NO_MORE')
    })
    bob.on('crash', async function* () {
      yield 1
      throw boom
    })
    await rejection(alice.stream('bob', 'fail').result())
    await rejection(alice.stream('bob', 'crash').result())
    expect(handled).toMatchObject([
      { type: 'failed', error: { code: 'NO_MORE' } },
      { type: 'crashed', error: boom },
    ])
  })

  it('is told that its reader stopped', async () => {
    bob.on('items', async function* () {
      for (let i = 0; ; i++) yield i
    })
    for await (const item of alice.stream('bob', 'items')) if (item === 3) break
    await told()
    expect(handled).toMatchObject([{ type: 'broken', error: { code: 'ABORTED' } }])
  })

  it('is told that the way broke', async () => {
    bob.on('items', async function* (_command, ctx) {
      yield 1
      await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve))
    })
    const stream = alice.stream('bob', 'items')
    await stream.next()
    net.cut('alice')
    await rejection(stream.next())
    await told()
    expect(handled).toMatchObject([{ type: 'broken', error: { code: 'STREAM_LOST' } }])
  })

  it('is told once, also of one that nobody wants before it begins', async () => {
    let begin: () => void = () => {}
    const begun = new Promise<void>((resolve) => {
      begin = resolve
    })
    let running = false
    bob.on('items', async () => {
      running = true
      await begun
      return (async function* () {
        yield 1
      })()
    })
    const stream = alice.stream('bob', 'items')
    const next = stream.next()
    await until(() => running, 'the handler runs')
    stream.cancel()
    await next
    await time.advance(10)
    begin()
    await told()
    expect(handled).toMatchObject([{ type: 'broken', error: { code: 'ABORTED' } }])
  })

  it('is told of a handler that only takes input as of any other', async () => {
    bob.on('sum', async (_command, ctx) => {
      let sum = 0
      for await (const n of ctx.input) sum += n as number
      return sum
    })
    expect(await alice.stream('bob', 'sum', undefined, { input: [1, 2, 3] }).result()).toBe(6)
    expect(handled).toMatchObject([{ type: 'answered', result: 6 }])
  })

  it('counts in the statistics of the node', async () => {
    const plugin = stats()
    bob.use(plugin)
    bob.on('items', async function* ({ body }) {
      for (let i = 0; i < (body as number); i++) yield i
    })
    await alice.stream('bob', 'items', 2).result()
    for await (const _item of alice.stream('bob', 'items', 1_000_000)) break
    await until(() => handled.length === 2, 'both are over')
    expect(plugin.read().byAction).toMatchObject([{ action: 'items', count: 2, answered: 1, broken: 1 }])
  })
})
