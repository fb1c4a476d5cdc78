import { Net } from '../../support/net.js'
import { rejection, turns, until } from '../../support/until.js'

let net: Net
beforeEach(() => {
  net = new Net()
})
afterEach(() => net.close())

/** Two nodes, and the bodies that `bob` was given. */
async function aliceAndBob() {
  const [alice, bob] = await Promise.all([net.join('alice'), net.join('bob')])
  const got: unknown[] = []
  bob.on('take', ({ body }) => {
    got.push(Buffer.isBuffer(body) ? Buffer.from(body) : body)
  })
  return { alice, bob, got }
}

describe('send', () => {
  it.each([
    ['an object', { sku: 'A1', n: [1, 2.5, -0.1], deep: { yes: true, no: null } }],
    ['a list', [1, 'two', [3]]],
    ['an empty object', {}],
    ['a number', 42],
    ['false', false],
    ['null', null],
    ['text', 'plain text'],
    ['empty text', ''],
    ['text of every plane', 'ÿ Ω 漢字 🜁 \u0000 e\u0301 \u2028'],
    ['nothing', undefined],
    ['names that look like objects, as text', '{"__proto__":1}'],
  ])('carries %s', async (_what, body) => {
    const { alice, got } = await aliceAndBob()
    await alice.send('bob', 'take', body)
    await until(() => got.length === 1, 'the body arrives')
    expect(got).toEqual([body])
  })

  it.each([
    ['bytes', new Uint8Array([0, 1, 254, 255])],
    ['no bytes at all', new Uint8Array(0)],
    ['a buffer', Buffer.from('abc')],
    ['an array buffer', new Uint8Array([7, 8]).buffer],
    ['a part of a larger buffer', new Uint8Array(Buffer.from('012345').buffer, 2, 3)],
  ])('carries %s, which arrive as a Buffer', async (_what, body) => {
    const { alice, got } = await aliceAndBob()
    const expected = Buffer.from(body instanceof ArrayBuffer ? new Uint8Array(body) : body)
    await alice.send('bob', 'take', body)
    await until(() => got.length === 1, 'the body arrives')
    expect(got).toEqual([expected])
  })

  it('copies bytes, so that the caller may reuse his buffer as soon as it resolves', async () => {
    const { alice, got } = await aliceAndBob()
    const bytes = Buffer.from('before')
    await alice.send('bob', 'take', bytes)
    bytes.fill('x')
    await until(() => got.length === 1, 'the body arrives')
    expect(got).toEqual([Buffer.from('before')])
  })

  it('keeps the order of 5,000 messages of different sizes', async () => {
    const { alice, got } = await aliceAndBob()
    for (let i = 0; i < 5_000; i++) await alice.send('bob', 'take', { i, fill: 'x'.repeat((i * 37) % 900) })
    await until(() => got.length === 5_000, 'everything arrives')
    expect((got as { i: number }[]).map(({ i }) => i)).toEqual(Array.from({ length: 5_000 }, (_, i) => i))
  })

  it('reaches one member of a group at any:, and every member at group:', async () => {
    const alice = await net.join('alice')
    const got: string[] = []
    for (const name of ['bob', 'carol']) (await net.join(name)).on('take', () => void got.push(name))
    await alice.send('any:g', 'take', 'x'.repeat(1_000))
    await until(() => got.length === 1, 'one of them')
    await alice.send('group:g', 'take')
    await until(() => got.length === 3, 'both of them')
    await turns()
    expect(got.slice(1).sort()).toEqual(['bob', 'carol'])
  })

  it('balances any: over the members', async () => {
    const alice = await net.join('alice')
    const got = new Map<string, number>()
    for (const name of ['bob', 'carol']) {
      ;(await net.join(name)).on('take', () => void got.set(name, (got.get(name) ?? 0) + 1))
    }
    for (let i = 0; i < 40; i++) {
      await alice.send('any:g', 'take')
      await turns(3)
    }
    await until(() => [...got.values()].reduce((a, b) => a + b, 0) === 40, 'all arrive')
    expect([...got.values()]).toEqual([20, 20])
  })

  it('carries a body of just under 1 MiB', async () => {
    const { alice, got } = await aliceAndBob()
    const body = Buffer.alloc(1024 * 1024 - 200, 7)
    await alice.send('bob', 'take', body)
    await until(() => got.length === 1, 'it arrives')
    expect(body.equals(got[0] as Buffer)).toBe(true)
  })

  it('refuses a body larger than any may be with TOO_LARGE, before anything is sent, and goes on', async () => {
    const { alice, got } = await aliceAndBob()
    const error = await rejection(alice.send('bob', 'take', Buffer.alloc(65 * 1024 * 1024), { timeout: 300 }))
    expect(error).toMatchObject({ code: 'TOO_LARGE', outcome: 'not-delivered', hop: 'client', target: 'bob' })
    await alice.send('bob', 'take', 'next')
    await until(() => got.length === 1, 'the next one')
    expect(got).toEqual(['next'])
  })

  const circle: { self?: unknown } = {}
  circle.self = circle
  it.each([
    ['a circle', circle],
    ['a BigInt', { n: 1n }],
    ['a BigInt alone', 1n],
    ['a function', () => 1],
    ['a function inside', { f() {} }],
    ['a symbol', Symbol('s')],
    ['NaN', Number.NaN],
    ['an infinite number inside', { n: [Number.POSITIVE_INFINITY] }],
    ['a toJSON that throws', { toJSON: () => JSON.parse('{') }],
    ['a toJSON that gives nothing', { toJSON: () => undefined }],
    ['a Map, of which JSON would keep nothing', new Map([['a', 1]])],
    ['a Set inside', { tags: new Set(['a']) }],
    ['a key that no receiver would take', JSON.parse('{"a":{"__proto__":1}}')],
  ])('refuses %s with UNSERIALISABLE, and goes on', async (_what, body) => {
    const { alice, got } = await aliceAndBob()
    const error = await rejection(alice.send('bob', 'take', body))
    expect(error).toMatchObject({ code: 'UNSERIALISABLE', outcome: 'not-delivered', hop: 'client' })
    expect(error.message).toMatch(/^body\S* cannot be encoded: ./)
    await alice.send('bob', 'take', 'next')
    await until(() => got.length === 1, 'the next one')
  })

  it.each([
    ['a name outside the grammar', 'Bob!', 'INVALID_NAME'],
    ['no name', '', 'INVALID_NAME'],
    ['an unknown kind of address', 'all:g', 'INVALID_NAME'],
    ['something that is no text', 7 as unknown as string, 'INVALID_NAME'],
  ])('refuses %s', async (_what, to, code) => {
    const alice = await net.join('alice')
    expect(await rejection(alice.send(to, 'take'))).toMatchObject({ code, outcome: 'not-delivered' })
  })

  it.each([
    ['no action', ''],
    ['an action over 255 bytes', 'ä'.repeat(128)],
    ['something that is no text', undefined as unknown as string],
  ])('refuses %s with INVALID_ARGUMENT', async (_what, action) => {
    const alice = await net.join('alice')
    const error = await rejection(alice.send('bob', action))
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', outcome: 'not-delivered' })
  })

  it.each([0, -1, Number.NaN, '5' as unknown as number])('refuses a timeout of %p', async (timeout) => {
    const alice = await net.join('alice')
    const error = await rejection(alice.send('bob', 'take', 1, { timeout }))
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', outcome: 'not-delivered' })
  })

  it('tells of a drop where nobody waits for the answer', async () => {
    const alice = await net.join('alice')
    const dropped: unknown[] = []
    alice.events.on('dropped', (event) => dropped.push(event))
    await alice.send('nobody', 'take')
    await until(() => dropped.length === 1, 'the hint')
    expect(dropped).toEqual([{ to: 'nobody', code: 'UNKNOWN_NODE', messages: 1 }])
  })

  it('carries meta beside the body, and refuses more than 64 KiB of it', async () => {
    const { alice, bob } = await aliceAndBob()
    const metas: unknown[] = []
    bob.on('meta', ({ meta, body }) => void metas.push(meta, body))
    await alice.send('bob', 'meta', { n: 1 }, { meta: { traceparent: '00-ab', ü: ['ö'] } })
    await alice.send('bob', 'meta', undefined, { meta: {} })
    await alice.send('bob', 'meta', 'without')
    await until(() => metas.length === 6, 'all three')
    expect(metas).toEqual([{ traceparent: '00-ab', ü: ['ö'] }, { n: 1 }, {}, undefined, {}, 'without'])
    const error = await rejection(alice.send('bob', 'meta', 1, { meta: { fill: 'x'.repeat(70_000) } }))
    expect(error).toMatchObject({ code: 'TOO_LARGE', outcome: 'not-delivered' })
  })

  it.each([
    ['a BigInt', { n: 1n }],
    ['a circle', { circle }],
  ])('refuses meta with %s with UNSERIALISABLE', async (_what, meta) => {
    const alice = await net.join('alice')
    expect(await rejection(alice.send('bob', 'take', 1, { meta }))).toMatchObject({ code: 'UNSERIALISABLE' })
  })

  it('hands a node what it sends to itself', async () => {
    const alice = await net.join('alice')
    const got: unknown[] = []
    alice.on('take', ({ body }, { from }) => void got.push(body, from))
    await alice.send('alice', 'take', 'me')
    await until(() => got.length > 0, 'it comes back')
    expect(got).toEqual(['me', 'alice'])
  })
})
