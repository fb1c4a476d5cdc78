import { Net } from '../../support/net.js'
import { rejection, turns, until } from '../../support/until.js'

let net: Net
beforeEach(() => {
  net = new Net()
})
afterEach(() => net.close())

const pair = () => Promise.all([net.join('alice'), net.join('bob')])

describe('call', () => {
  it.each([
    ['an object', { price: 3 }],
    ['text', 'ok'],
    ['nothing', undefined],
    ['null', null],
    ['bytes', Buffer.from([1, 2])],
  ])('resolves with what the handler returned: %s', async (_what, answer) => {
    const [alice, bob] = await pair()
    bob.on('ask', () => answer)
    bob.on('ask later', async () => answer)
    expect(await alice.call('bob', 'ask')).toEqual(answer)
    expect(await alice.call('bob', 'ask later')).toEqual(answer)
  })

  it('tells the handler who asked, where to, and until when', async () => {
    const [alice, bob] = await pair()
    bob.on('ask', (command, { from, to, key, deadline, signal }) => ({
      from,
      to,
      sameKey: key === command.key,
      action: command.action,
      left: deadline! - Date.now(),
      aborted: signal.aborted,
    }))
    const answer = await alice.call<{ left: number }>('bob', 'ask', undefined, { timeout: 5_000 })
    expect(answer).toMatchObject({ from: 'alice', to: 'bob', sameKey: true, action: 'ask', aborted: false })
    expect(answer.left).toBeGreaterThan(0)
    expect(answer.left).toBeLessThanOrEqual(5_000)
    expect(await alice.call('any:g', 'ask')).toMatchObject({ from: 'alice', to: 'any:g' })
  })

  it('rejects with what ctx.fail says', async () => {
    const [alice, bob] = await pair()
    bob.on('ask', (_command, ctx) => {
      throw ctx.fail('OUT_OF_STOCK', { sku: 'A1' })
    })
    bob.on('ask later', async (_command, ctx) => Promise.reject(ctx.fail('LATER')))
    const crashed = jest.fn()
    bob.events.on('handlerError', crashed)
    expect(await rejection(alice.call('bob', 'ask'))).toMatchObject({
      code: 'APPLICATION_ERROR',
      data: { code: 'OUT_OF_STOCK', data: { sku: 'A1' } },
      outcome: 'unknown',
      hop: 'receiver',
      target: 'bob',
    })
    expect(await rejection(alice.call('bob', 'ask later'))).toMatchObject({ data: { code: 'LATER' } })
    expect(crashed).not.toHaveBeenCalled()
  })

  const cyclic = new Error('with a cause')
  cyclic.cause = cyclic
  it.each<[string, unknown, RegExp]>([
    ['an error', new Error('boom'), /crashed: boom$/],
    ['a text', 'just text', /crashed: just text$/],
    ['nothing', undefined, /crashed: undefined$/],
    ['an error whose cause is itself', cyclic, /crashed: with a cause$/],
    ['an object without a text form', Object.create(null), /crashed/],
    ['an error whose message is no text', Object.assign(new Error('x'), { message: { n: 1n } }), /crashed/],
  ])('rejects with EXCEPTION where the handler throws %s, and tells the callee', async (_what, thrown, text) => {
    const [alice, bob] = await pair()
    const crashed: unknown[] = []
    bob.events.on('handlerError', ({ error, action, from }) => crashed.push([error, action, from]))
    bob.on('now', () => {
      throw thrown
    })
    bob.on('later', () => Promise.reject(thrown))
    for (const action of ['now', 'later']) {
      const error = await rejection(alice.call('bob', action, undefined, { timeout: 2_000 }))
      expect(error).toMatchObject({ code: 'EXCEPTION', outcome: 'unknown', hop: 'receiver' })
      expect(error.message).toMatch(text)
    }
    expect(crashed).toEqual([
      [thrown, 'now', 'alice'],
      [thrown, 'later', 'alice'],
    ])
    expect(bob.connected).toBe(true)
  })

  it('sends back the message of a crash and never its stack', async () => {
    const [alice, bob] = await pair()
    bob.on('ask', () => {
      throw new Error('boom')
    })
    const error = await rejection(alice.call('bob', 'ask'))
    expect(JSON.stringify({ ...error, message: error.message })).not.toMatch(/\.ts|node_modules| at /)
  })

  it('cuts the message of a crash that would not fit a frame', async () => {
    const [alice, bob] = await pair()
    bob.on('ask', () => {
      throw new Error('x'.repeat(2 * 1024 * 1024))
    })
    const error = await rejection(alice.call('bob', 'ask', undefined, { timeout: 2_000 }))
    expect(error.code).toBe('EXCEPTION')
    expect(error.message.length).toBeLessThan(5_000)
    expect(bob.connected).toBe(true)
  })

  it.each<[string, unknown]>([
    ['a BigInt', { n: 1n }],
    ['a function', () => 1],
    ['larger than any body may be', Buffer.alloc(65 * 1024 * 1024)],
  ])('rejects with EXCEPTION where the answer is %s', async (_what, answer) => {
    const [alice, bob] = await pair()
    bob.on('ask', () => answer)
    bob.on('fail', (_command, ctx) => {
      throw ctx.fail('CODE', answer)
    })
    bob.on('fail later', async (_command, ctx) => {
      throw ctx.fail('CODE', answer)
    })
    for (const action of typeof answer === 'object' && Buffer.isBuffer(answer)
      ? ['ask']
      : ['ask', 'fail', 'fail later']) {
      const error = await rejection(alice.call('bob', action, undefined, { timeout: 60_000 }))
      expect(error).toMatchObject({ code: 'EXCEPTION', outcome: 'unknown' })
    }
    expect(bob.connected).toBe(true)
    bob.on('after', () => 'fine')
    expect(await alice.call('bob', 'after')).toBe('fine')
  })

  it('rejects with NO_HANDLER at once, not delivered, naming the action', async () => {
    const [alice] = await pair()
    const error = await rejection(alice.call('bob', 'unheard-of'))
    expect(error).toMatchObject({ code: 'NO_HANDLER', outcome: 'not-delivered', hop: 'receiver', target: 'bob' })
    expect(error.message).toContain('unheard-of')
  })

  it('gives to * what has no handler of its own', async () => {
    const [alice, bob] = await pair()
    bob.on('*', ({ action }) => `star ${action}`).on('own', () => 'own')
    expect(await alice.call('bob', 'own')).toBe('own')
    expect(await alice.call('bob', 'other')).toBe('star other')
  })

  it('lets a handler be replaced, and refuses a second one for the same action', async () => {
    const [alice, bob] = await pair()
    bob.on('ask', () => 1)
    expect(() => bob.on('ask', () => 2)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    expect(await alice.call('bob', 'ask')).toBe(1)
    expect(bob.off('ask')).toBe(true)
    expect(bob.off('ask')).toBe(false)
    expect((await rejection(alice.call('bob', 'ask'))).code).toBe('NO_HANDLER')
    bob.on('ask', () => 2)
    expect(await alice.call('bob', 'ask')).toBe(2)
  })

  it.each<[string, string, unknown]>([
    ['no action', '', () => 1],
    ['an action over 255 characters', 'x'.repeat(256), () => 1],
    ['an action that is no text', 5 as never, () => 1],
    ['a handler that is no function', 'ask', 'text'],
  ])('refuses to register %s', async (_what, action, handler) => {
    const alice = await net.join('alice')
    expect(() => alice.on(action, handler as never)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })

  it('refuses a call to a whole group, and says what to use', async () => {
    const alice = await net.join('alice')
    const error = await rejection(alice.call('group:g', 'ask'))
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', outcome: 'not-delivered' })
    expect(error.message).toContain('broadcast')
  })

  it('works from inside a handler', async () => {
    const [alice, bob] = await pair()
    const carol = await net.join('carol')
    carol.on('price', () => 3)
    bob.on('quote', async () => ({ price: await bob.call('carol', 'price') }))
    expect(await alice.call('bob', 'quote')).toEqual({ price: 3 })
  })

  it('calls back the caller from inside the handler', async () => {
    const [alice, bob] = await pair()
    alice.on('name', () => 'Alice')
    bob.on('hello', async (_command, { from }) => `hello ${await bob.call(from, 'name')}`)
    expect(await alice.call('bob', 'hello')).toBe('hello Alice')
  })

  it('tells 1,000 calls in flight apart, answered in any order', async () => {
    const [alice, bob] = await pair()
    const open: (() => void)[] = []
    bob.on('ask', ({ body }) => new Promise((resolve) => open.push(() => resolve(body))))
    const calls = Array.from({ length: 1_000 }, (_, i) => alice.call('bob', 'ask', i))
    await until(() => open.length === 1_000, 'all are running')
    for (const answer of open.reverse()) answer()
    expect(await Promise.all(calls)).toEqual(Array.from({ length: 1_000 }, (_, i) => i))
  })

  it('works at once in a fresh group of two, from both sides', async () => {
    const [alice, bob] = await pair()
    alice.on('ask', () => 'alice')
    bob.on('ask', () => 'bob')
    expect(await Promise.all([alice.call('bob', 'ask'), bob.call('alice', 'ask')])).toEqual(['bob', 'alice'])
  })

  it("uses a codec of the user's own for bodies and answers", async () => {
    const codec = {
      encode: (body: unknown) => Buffer.from(JSON.stringify(body, (_k, v) => (typeof v === 'bigint' ? `${v}n` : v))),
      decode: (bytes: Uint8Array) =>
        JSON.parse(Buffer.from(bytes).toString(), (_k, v) =>
          typeof v === 'string' && /^\d+n$/.test(v) ? BigInt(v.slice(0, -1)) : v,
        ),
    }
    const [alice, bob] = await Promise.all([net.join('alice', { codec }), net.join('bob', { codec })])
    bob.on('double', ({ body }) => ({ n: (body as { n: bigint }).n * 2n }))
    expect(await alice.call('bob', 'double', { n: 21n })).toEqual({ n: 42n })
    expect(await rejection(alice.call('bob', 'unheard-of'))).toMatchObject({ code: 'NO_HANDLER' })
    bob.on('fail', (_command, ctx) => {
      throw ctx.fail('NO', { why: 'not' })
    })
    expect(await rejection(alice.call('bob', 'fail'))).toMatchObject({ data: { code: 'NO', data: { why: 'not' } } })
  })

  it('says so where only one side has the codec', async () => {
    const codec = { encode: () => Buffer.from('?'), decode: () => 'decoded' }
    const [alice, bob] = await Promise.all([net.join('alice', { codec }), net.join('bob')])
    bob.on('ask', ({ body }) => body)
    expect(await rejection(alice.call('bob', 'ask', 1))).toMatchObject({ code: 'EXCEPTION' })
    bob.on('plain', () => ({ n: 1 }))
    expect(await alice.call('bob', 'plain')).toEqual({ n: 1 })
    alice.on('custom', () => 'x')
    expect(await rejection(bob.call('alice', 'custom'))).toMatchObject({ code: 'MALFORMED', hop: 'receiver' })
  })

  it.each([
    ['UNKNOWN_NODE', 'nobody'],
    ['UNKNOWN_GROUP', 'any:nowhere'],
  ])('rejects with %s, not delivered', async (code, to) => {
    const alice = await net.join('alice', {
      token: net.token('alice', ['register:alice@g', 'send:nowhere/*', 'send:g/*']),
    })
    expect(await rejection(alice.call(to, 'ask'))).toMatchObject({
      code,
      outcome: 'not-delivered',
      hop: 'mediator',
      target: to,
    })
  })

  it('rejects with OFFLINE, not delivered, where the target has left', async () => {
    const [alice, bob] = await pair()
    bob.on('ask', () => 1)
    await alice.call('bob', 'ask')
    await bob.close()
    await turns()
    const error = await rejection(alice.call('bob', 'ask'))
    expect(error).toMatchObject({ code: 'OFFLINE', outcome: 'not-delivered', hop: 'mediator', retry: 'later' })
  })

  it('rejects with FORBIDDEN where the two share no group', async () => {
    const [alice, dave] = await Promise.all([net.join('alice'), net.join('dave', { groups: ['h'] })])
    dave.on('ask', () => 1)
    expect(await rejection(alice.call('dave', 'ask'))).toMatchObject({ code: 'FORBIDDEN', outcome: 'not-delivered' })
    expect(await rejection(alice.call('any:h', 'ask'))).toMatchObject({ code: 'FORBIDDEN', outcome: 'not-delivered' })
  })

  it('rejects with BUSY where more calls are in flight than allowed', async () => {
    const alice = await net.join('alice', { limits: { maxPendingCalls: 2 } })
    const bob = await net.join('bob')
    bob.on('ask', () => new Promise(() => {}))
    const open = [alice.call('bob', 'ask'), alice.call('bob', 'ask')].map(rejection)
    expect(await rejection(alice.call('bob', 'ask'))).toMatchObject({ code: 'BUSY', outcome: 'not-delivered' })
    await alice.close()
    for (const error of await Promise.all(open)) expect(error.code).toBe('CLOSED')
  })

  it('answers after the handler that asked for the answer has long returned to other work', async () => {
    const [alice, bob] = await pair()
    let answer: ((value: string) => void) | undefined
    bob.on('slow', () => new Promise<string>((resolve) => (answer = resolve)))
    bob.on('quick', () => 'quick')
    const slow = alice.call('bob', 'slow')
    expect(await alice.call('bob', 'quick')).toBe('quick')
    answer!('slow')
    expect(await slow).toBe('slow')
    await turns(1)
  })
})
