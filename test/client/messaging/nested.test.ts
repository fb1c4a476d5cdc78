import { type Context, detached, type Node } from '../../../client-lib/src/index.js'
import { Net } from '../../support/net.js'
import { rejection, turns, until } from '../../support/until.js'

const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
const otherTrace = '00-0af7651916cd43dd8448eb211c80319c-c7ad6b7169203331-01'

let net: Net
let alice: Node
let bob: Node
let carol: Node
/** What arrives at `carol` as `never`, and is not answered. */
let asked: Context[]
/** Lines of `bob`, by level. */
let lines: [string, string][]
beforeEach(async () => {
  net = new Net()
  lines = []
  const at = (level: string) => (_fields: object, text: string) => void lines.push([level, text])
  const logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  ;[alice, bob, carol] = [await net.join('alice'), await net.join('bob', { logger }), await net.join('carol')]
  asked = []
  carol.on('never', (_command, ctx) => {
    asked.push(ctx)
    return new Promise(() => {})
  })
})
afterEach(() => net.close())

describe('what a handler asks of others when its caller gives up', () => {
  const read = async (items: AsyncIterable<unknown>) => {
    for await (const _item of items);
  }
  it.each<[string, () => Promise<unknown>]>([
    ['a call', () => bob.call('carol', 'never')],
    ['a call with retries', () => bob.call('carol', 'never', 1, { retries: 3 })],
    ['an acknowledged send', () => bob.sendAcked('carol', 'never')],
    ['a gather', () => bob.gather('g', 'never')],
    ['a stream', () => read(bob.stream('carol', 'never'))],
    ['a stream without end', () => read(bob.stream('carol', 'never', 1, { timeout: 600_000 }))],
  ])('is cancelled too: %s', async (_what, ask) => {
    const errors: Promise<Error & { code?: string; cause?: unknown }>[] = []
    bob.on('quote', () => {
      const nested = ask()
      errors.push(rejection(nested))
      return nested
    })
    const controller = new AbortController()
    const call = rejection(alice.call('bob', 'quote', 1, { signal: controller.signal }))
    await until(() => asked.length === 1, 'the second hop runs')
    controller.abort()
    expect((await call).code).toBe('ABORTED')
    const error = await errors[0]!
    expect(['ABORTED', 'NOT_ENOUGH']).toContain(error.code)
    await until(() => asked[0]!.signal.aborted || _what.startsWith('an ack'), 'the second hop hears of it')
    await turns()
    if (error.code === 'ABORTED') expect(lines.filter(([level]) => level === 'error')).toEqual([])
  })

  it('is cancelled over three hops, and refused where it is asked after that', async () => {
    const late: Promise<Error & { code?: string }>[] = []
    const dave = await net.join('dave')
    dave.on('never', (_command, ctx) => {
      asked.push(ctx)
      return new Promise(() => {})
    })
    carol.on('pass', () => carol.call('dave', 'never'))
    bob.on('quote', async () => {
      await bob.call('carol', 'pass').catch(() => {})
      late.push(rejection(bob.call('carol', 'pass')))
    })
    const controller = new AbortController()
    void alice.call('bob', 'quote', 1, { signal: controller.signal }).catch(() => {})
    await until(() => asked.length === 1, 'the third hop runs')
    controller.abort()
    await until(() => asked[0]!.signal.aborted, 'the third hop hears of it')
    await until(() => late.length === 1, 'the handler goes on')
    expect(await late[0]).toMatchObject({ code: 'ABORTED', outcome: 'not-delivered', target: 'alice' })
  })

  it('is cancelled where the caller disconnects', async () => {
    bob.on('quote', () => bob.call('carol', 'never'))
    void alice.call('bob', 'quote').catch(() => {})
    await until(() => asked.length === 1, 'the second hop runs')
    await alice.close()
    await until(() => asked[0]!.signal.aborted, 'the second hop hears of it')
  })

  it('goes on where the message is kept, as its sender may be back', async () => {
    bob.on('note', () => bob.call('carol', 'never'))
    void alice.sendAcked('bob', 'note').catch(() => {})
    await until(() => asked.length === 1, 'the second hop runs')
    net.cut('alice')
    await turns(100)
    expect(asked[0]!.signal.aborted).toBe(false)
  })

  it('is cancelled where the reader of a stream stops, though nobody has a deadline', async () => {
    bob.on('items', async function* () {
      yield 1
      yield await bob.call('carol', 'never')
    })
    for await (const item of alice.stream('bob', 'items')) {
      expect(item).toBe(1)
      await until(() => asked.length === 1, 'the second hop runs')
      break
    }
    await until(() => asked[0]!.signal.aborted, 'the second hop hears of it')
  })

  it('goes on where it is detached', async () => {
    bob.on('quote', () => detached(() => bob.call('carol', 'never', 1, { timeout: 60_000 })))
    const controller = new AbortController()
    void alice.call('bob', 'quote', 1, { signal: controller.signal, timeout: 5_000 }).catch(() => {})
    await until(() => asked.length === 1, 'the second hop runs')
    controller.abort()
    await turns(100)
    expect(asked[0]!.signal.aborted).toBe(false)
    expect(asked[0]!.remaining).toBeGreaterThan(30_000)
  })
})

describe('meta and trace of a message', () => {
  let metas: object[]
  beforeEach(() => {
    metas = []
    carol.on('take', ({ meta }) => void metas.push(meta))
  })
  const take = (times: number) => until(() => metas.length === times, 'it arrives')
  const given = { meta: { user: 'u1', tenant: 't1' }, traceparent: trace, baggage: 'a=1' }
  const all = { user: 'u1', tenant: 't1', traceparent: trace, baggage: 'a=1' }

  it.each<[string, (to: Node) => Promise<unknown>]>([
    ['call', (node) => node.call('bob', 'quote', 1, given)],
    ['send', (node) => node.send('bob', 'quote', 1, given)],
    ['sendAcked', (node) => node.sendAcked('bob', 'quote', 1, given)],
    ['stream', async (node) => void (await node.stream('bob', 'quote', 1, given).next())],
  ])('flow on with what its handler sends: %s', async (_verb, ask) => {
    bob.on('quote', async () => {
      await bob.send('carol', 'take')
      await bob.call('carol', 'take')
      await bob.sendAcked('carol', 'take')
      await bob.stream('carol', 'take').next()
    })
    await ask(alice)
    await take(4)
    expect(metas.map((meta) => ({ ...meta, $left: undefined }))).toEqual([all, all, all, all])
  })

  it('give way, field by field, to what the handler says', async () => {
    bob.on('quote', async () => {
      await bob.call('carol', 'take', 1, { meta: { tenant: 't2', more: 1 }, traceparent: otherTrace })
      await bob.call('carol', 'take', 1, { meta: { user: undefined } })
      await detached(() => bob.call('carol', 'take'))
    })
    await alice.call('bob', 'quote', 1, given)
    expect(metas).toEqual([
      { ...all, tenant: 't2', more: 1, traceparent: otherTrace },
      { tenant: 't1', traceparent: trace, baggage: 'a=1' },
      {},
    ])
  })

  it('do not carry fields of the library, nor a trace that is none', async () => {
    bob.on('quote', () => bob.call('carol', 'take'))
    await alice.call('bob', 'quote', 1, { meta: { $to: 'x', traceparent: 'nonsense', ok: 1 } })
    expect(metas).toEqual([{ ok: 1 }])
  })

  it('are not on what is sent outside of handlers', async () => {
    bob.on('quote', () => {})
    await alice.call('bob', 'quote', 1, given)
    await bob.call('carol', 'take')
    expect(metas).toEqual([{}])
  })
})
