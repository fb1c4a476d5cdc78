import { encodeFrame, encodeJson, FrameType } from '@sealway/protocol'
import { tokenFor } from '../../support/link'
import { World } from '../../support/relay'

let world: World
beforeEach(() => {
  world = new World()
})

/** What a hello is answered with: the welcome's, or the close frame's code. */
async function answerTo(fields: object): Promise<string | undefined> {
  const link = world.connect()
  link.hello({ token: world.token().token, ...fields })
  await world.settle()
  expect(link.closed).toBe(link.welcome === undefined)
  return link.welcome ? 'welcome' : link.closeCode
}

describe('a hello', () => {
  it('is answered with the terms of the link', async () => {
    const link = world.connect()
    const { token, expiresAt } = world.token('orders-1')
    link.hello({ name: 'orders-1', groups: ['orders', 'all', 'orders'], token })
    await world.settle()
    expect(link.welcome).toEqual({
      version: 1,
      name: 'orders-1',
      groups: ['orders', 'all'],
      epoch: 1,
      mediator: '9.9.9',
      now: world.now,
      tokenExpiresAt: expiresAt,
      limits: {
        maxFrameBytes: world.limits.maxFrameBytes,
        routeWindowBytes: world.limits.routeWindowBytes,
        routeWindowFrames: world.limits.routeWindowFrames,
        pingEveryMs: 10_000,
        deadAfterMs: 25_000,
      },
    })
    expect(world.relay.links()).toEqual({ memory: 1 })
  })

  it('without a name gets one that its group begins', async () => {
    const link = world.connect()
    link.hello({ token: world.token().token, groups: ['orders'] })
    await world.settle()
    expect(link.welcome!.name).toMatch(/^orders-/)
  })

  it('may arrive one byte at a time', async () => {
    const link = world.connect()
    const hello = { versions: [1], groups: ['g1'], instance: '00'.repeat(16), token: world.token().token }
    for (const byte of encodeJson(FrameType.hello, hello)) link.write(Uint8Array.of(byte))
    await world.settle()
    expect(link.welcome).toBeDefined()
  })

  it.each([
    ['an open', encodeFrame(FrameType.open, 1)],
    ['a send', encodeFrame(FrameType.send, 1, new Uint8Array(96))],
    ['a query', encodeJson(FrameType.query, { type: 'peers', group: 'g1' })],
    ['a token', encodeFrame(FrameType.token, 0, Buffer.from('x'))],
    ["a mediator's frame", encodeJson(FrameType.welcome, {})],
    ['a retire', encodeFrame(FrameType.retire, 1)],
  ])('must be the first frame: %s is malformed', async (_what, frame) => {
    const link = world.connect()
    link.write(frame)
    await world.settle()
    expect([link.closeCode, link.closed]).toEqual(['MALFORMED', true])
  })

  it('is said once', async () => {
    const link = await world.node('a')
    link.hello({ name: 'a', token: world.token().token })
    await world.settle()
    expect([link.closeCode, link.closed]).toEqual(['MALFORMED', true])
  })

  it('is said once, also while the first is still being considered', async () => {
    world.registry.gate = () => new Promise(() => {})
    const link = world.connect()
    link.hello({ name: 'a', token: world.token().token })
    link.hello({ name: 'a', token: world.token().token })
    await world.settle()
    expect(link.closeCode).toBe('MALFORMED')
  })

  it('is followed by nothing but ping and pong before the welcome', async () => {
    world.registry.gate = () => new Promise(() => {})
    const link = world.connect()
    link.hello({ token: world.token().token })
    link.write(encodeFrame(FrameType.ping, 7, Buffer.from('hey')))
    await world.settle()
    expect(link.take()).toEqual([{ type: FrameType.pong, flags: 0, route: 7, body: Buffer.from('hey') }])
    link.open(1, 'b')
    await world.settle()
    expect(link.closeCode).toBe('MALFORMED')
  })

  it('is refused from its header on where its length is over 8 KiB, before a byte of it has come', async () => {
    const header = encodeFrame(FrameType.hello, 0, new Uint8Array(8 * 1024 + 1)).subarray(0, 12)
    const link = world.connect()
    link.write(header)
    await world.settle()
    expect([link.closeCode, link.closed]).toEqual(['TOO_LARGE', true])
  })

  it('may fill 8 KiB', async () => {
    const link = world.connect()
    const hello = { versions: [1], groups: ['g1'], instance: '00'.repeat(16), token: world.token().token, rest: '' }
    hello.rest = 'x'.repeat(8 * 1024 - JSON.stringify(hello).length)
    link.write(encodeJson(FrameType.hello, hello))
    await world.settle()
    expect(link.welcome).toBeDefined()
  })

  it('speaks for larger frames only once it was accepted', async () => {
    const link = await world.node('a')
    link.open(1, 'a').send(1, new Uint8Array(100_000))
    await world.settle()
    expect(link.delivered.map((body) => body.length)).toEqual([100_000])
  })
})

describe('what a hello says', () => {
  it.each([
    [[1], 'welcome'],
    [[9, 1, 0], 'welcome'],
    [[2], 'UNSUPPORTED_VERSION'],
    [[0, -1, 2 ** 31], 'UNSUPPORTED_VERSION'],
    [[], 'MALFORMED'],
    [['1'], 'MALFORMED'],
    [[1.5], 'MALFORMED'],
    [1, 'MALFORMED'],
    [undefined, 'MALFORMED'],
    [Array(17).fill(1), 'MALFORMED'],
  ])('versions %j: %s', async (versions, answer) => {
    expect(await answerTo({ versions })).toBe(answer)
  })

  it.each([
    ['a', 'welcome'],
    ['a'.repeat(64), 'welcome'],
    ['a'.repeat(65), 'INVALID_NAME'],
    ['A', 'INVALID_NAME'],
    ['a-', 'INVALID_NAME'],
    ['', 'INVALID_NAME'],
    ['node:a', 'INVALID_NAME'],
    ['a\n', 'INVALID_NAME'],
    ['../a', 'INVALID_NAME'],
    ['ä', 'INVALID_NAME'],
    [1, 'INVALID_NAME'],
    [{}, 'INVALID_NAME'],
    [['a'], 'INVALID_NAME'],
  ])('name %j: %s', async (name, answer) => {
    expect(await answerTo({ name })).toBe(answer)
  })

  it.each([
    [['a', 'b'], 'welcome'],
    [[], 'MALFORMED'],
    [undefined, 'MALFORMED'],
    ['a', 'MALFORMED'],
    [{ 0: 'a' }, 'MALFORMED'],
    [['A'], 'INVALID_NAME'],
    [['a', null], 'INVALID_NAME'],
    [['any:a'], 'INVALID_NAME'],
    [Array.from({ length: 64 }, (_, i) => `g${i}`), 'welcome'],
    [Array.from({ length: 65 }, (_, i) => `g${i}`), 'MALFORMED'],
  ])('groups %j: %s', async (groups, answer) => {
    expect(await answerTo({ groups })).toBe(answer)
  })

  it.each([
    ['0'.repeat(32), 'welcome'],
    ['0'.repeat(31), 'MALFORMED'],
    ['A'.repeat(32), 'MALFORMED'],
    [`${'0'.repeat(32)}\n`, 'MALFORMED'],
    [undefined, 'MALFORMED'],
    [7, 'MALFORMED'],
  ])('instance %j: %s', async (instance, answer) => {
    expect(await answerTo({ instance })).toBe(answer)
  })

  it.each([
    ['endpoints of another form', { endpoints: 'x' }],
    ['a port out of range', { endpoints: [{ name: 'e', protocol: 'http', address: 'h', port: 65_536 }] }],
    [
      'an endpoint named twice',
      { endpoints: [1, 2].map((port) => ({ name: 'e', protocol: 'http', address: 'h', port })) },
    ],
    [
      '33 endpoints',
      { endpoints: Array.from({ length: 33 }, (_, i) => ({ name: `e${i}`, protocol: 'http', address: 'h', port: 1 })) },
    ],
    ['meta over 1 KiB', { meta: { x: 'y'.repeat(1_024) } }],
    ['meta that is a list', { meta: [] }],
    ['a client of 101 characters', { client: 'c'.repeat(101) }],
  ])('with %s is malformed', async (_what, fields) => {
    expect(await answerTo(fields)).toBe('MALFORMED')
  })

  it.each([
    ['no JSON', 'hello'],
    ['JSON of another form', '[1]'],
    ['null', 'null'],
    ['nothing', ''],
    ['no UTF-8', Buffer.from([0x22, 0xff, 0x22])],
  ])('as %s is malformed', async (_what, text) => {
    const link = world.connect()
    link.write(encodeFrame(FrameType.hello, 0, Buffer.from(text as string)))
    await world.settle()
    expect([link.closeCode, link.closed]).toEqual(['MALFORMED', true])
  })
})

describe('the token of a hello', () => {
  it.each([
    ['missing', undefined],
    ['empty', ''],
    ['of another type', { a: 1 }],
    ['no token', 'abc'],
    ['over 4 KiB', 'a'.repeat(4_097)],
    ['signed with another secret', tokenFor('x'.repeat(32), 'a').token],
  ])('%s: UNAUTHORIZED', async (_what, token) => {
    expect(await answerTo({ token })).toBe('UNAUTHORIZED')
  })

  it('is refused with one text, whatever is wrong with it', async () => {
    const wrong = world.token().token.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'))
    const expired = world.token('*', { lifeMs: 1_000 }).token
    world.now += 2_000
    const texts = new Set<string>()
    for (const token of ['abc', wrong, expired]) {
      const link = world.connect()
      link.hello({ token })
      await world.settle()
      texts.add(link.closeFrame!.message)
    }
    expect([...texts]).toEqual(['the token was not accepted'])
  })

  it('of a name does not register another', async () => {
    const { token } = world.token('orders-1')
    expect(await answerTo({ name: 'orders-2', token })).toBe('FORBIDDEN')
    expect(await answerTo({ name: 'orders-1', token })).toBe('welcome')
  })

  it('with scopes registers what they say, in those groups only', async () => {
    const { token } = world.token('*', { scopes: ['register:orders-*@orders'] })
    expect(await answerTo({ name: 'orders-2', groups: ['orders'], token })).toBe('welcome')
    expect(await answerTo({ name: 'orders-3', groups: ['orders', 'other'], token })).toBe('FORBIDDEN')
    expect(await answerTo({ name: 'bills-1', groups: ['orders'], token })).toBe('FORBIDDEN')
  })

  it('that was revoked is refused', async () => {
    const { token, tokenId } = world.token()
    world.revoked.add(tokenId)
    expect(await answerTo({ token })).toBe('UNAUTHORIZED')
  })

  it('leaves nothing in the log that could be used', async () => {
    const { token } = world.token('orders-1')
    await answerTo({ name: 'orders-2', token })
    await answerTo({ name: 'orders-2', token: `${token}x` })
    expect(JSON.stringify(world.log)).not.toContain(token.split('.')[2]!.slice(0, 20))
    expect(world.log.filter(({ message }) => message === 'link refused')).toHaveLength(2)
  })
})

describe('the time for a hello', () => {
  it('is 5 s', async () => {
    const silent = world.connect()
    await world.advance(4_750)
    expect(silent.closed).toBe(false)
    await world.advance(250)
    expect([silent.closeCode, silent.closed]).toEqual(['HELLO_TIMEOUT', true])
  })

  it('does not begin anew with each byte', async () => {
    const slow = world.connect()
    const bytes = encodeJson(FrameType.hello, { token: 'x'.repeat(100) })
    for (let i = 0; i < 20; i++) {
      slow.write(bytes.subarray(i, i + 1))
      await world.advance(250)
    }
    expect([slow.closeCode, slow.closed]).toEqual(['HELLO_TIMEOUT', true])
  })

  it('holds for the database too, and what it then says is given back', async () => {
    let answer = () => {}
    world.registry.gate = () => new Promise((resolve) => (answer = resolve))
    const link = world.connect()
    link.hello({ name: 'late', token: world.token().token })
    await world.settle()
    await world.advance(5_000)
    expect([link.closeCode, link.closed]).toEqual(['STORAGE_UNAVAILABLE', true])
    expect(link.closeFrame!.message).toBe('the database did not register this node within 5000 ms')
    answer()
    await world.settle()
    expect(world.registry.released).toEqual([{ name: 'late', epoch: 1 }])
    expect(world.relay.presence.get('late')).toBeUndefined()
  })
})

it('a claim that fails is told by its code, and its link ends', async () => {
  world.registry.gate = () => Promise.reject(new Error('a defect with a secret path'))
  const link = world.connect()
  link.hello({ name: 'a', token: world.token().token })
  await world.settle()
  expect([link.closeCode, link.closed]).toEqual(['INTERNAL', true])
  expect(link.closeFrame!.message).not.toContain('secret')
})

it('a node that leaves while its claim is made leaves nothing behind', async () => {
  let answer = () => {}
  world.registry.gate = () => new Promise((resolve) => (answer = resolve))
  const link = world.connect()
  link.hello({ name: 'hasty', token: world.token().token })
  await world.settle()
  link.connection.destroy()
  await world.settle()
  answer()
  await world.settle()
  expect(world.registry.released).toEqual([{ name: 'hasty', epoch: 1 }])
  expect([world.relay.linkCount, world.relay.presence.count]).toEqual([0, 0])
})

describe('links without a hello', () => {
  const from = (remoteAddress: string) => world.connect({ transport: 'tcp', remoteAddress })

  it('keep nobody out: a new link of the same address takes the place of the oldest', async () => {
    world = new World({ limits: { maxUnauthenticatedPerAddress: 3 } })
    const held = Array.from({ length: 3 }, () => from('10.0.0.1'))
    const other = from('10.0.0.2')
    const fourth = from('10.0.0.1')
    await world.settle()
    expect([held[0]!.closeCode, held[0]!.closed]).toEqual(['OVERLOADED', true])
    expect([...held.slice(1), other, fourth].map(({ closed }) => closed)).toEqual([false, false, false, false])
    fourth.hello({ token: world.token().token })
    await world.settle()
    expect(fourth.welcome).toBeDefined()
  })

  it('stop counting when their hello has come, although the database has not answered', async () => {
    world = new World({ limits: { maxUnauthenticatedPerAddress: 3 } })
    let answer = () => {}
    const answered = new Promise<void>((resolve) => (answer = resolve))
    world.registry.gate = () => answered
    const links: ReturnType<typeof from>[] = []
    for (let i = 0; i < 50; i++) {
      const link = from('10.0.0.1')
      link.hello({ name: `n-${i}`, token: world.token().token })
      links.push(link)
      await world.settle()
    }
    answer()
    await world.settle()
    expect(links.filter(({ welcome }) => welcome)).toHaveLength(50)
  })

  it('are told to come back within a tenth of a second when few lost their place, and within a second when many did', async () => {
    world = new World({ limits: { maxUnauthenticatedPerAddress: 1 }, random: () => 1 })
    const links = Array.from({ length: 501 }, () => from('10.0.0.1'))
    await world.settle()
    const waits = links.slice(0, -1).map(({ closeFrame }) => closeFrame!.reconnectInMs!)
    expect([waits[0], waits[9], waits.at(-1)]).toEqual([104, 140, 1_000])
  })

  it('are limited together: the address that has most of them gives up a place', async () => {
    world = new World({ limits: { maxUnauthenticated: 4 } })
    const crowd = Array.from({ length: 3 }, () => from('10.0.0.9'))
    const links = [from('10.0.0.1'), from('10.0.0.2')]
    await world.settle()
    expect(crowd.map(({ closeCode }) => closeCode)).toEqual(['OVERLOADED', undefined, undefined])
    expect(links.map(({ closeCode }) => closeCode)).toEqual([undefined, undefined])
  })

  it('over a Unix socket count only together', async () => {
    world = new World({ limits: { maxUnauthenticatedPerAddress: 1 } })
    const links = [1, 2, 3].map(() => world.connect({ transport: 'ipc', remoteAddress: 'ipc' }))
    await world.settle()
    expect(links.map(({ closed }) => closed)).toEqual([false, false, false])
  })
})

it('hellos that wait for the database are bounded, and the next one is told to come back soon', async () => {
  world = new World({ limits: { maxPendingHellos: 2 } })
  let answer = () => {}
  const answered = new Promise<void>((resolve) => (answer = resolve))
  world.registry.gate = () => answered
  const links = ['a', 'b', 'c'].map((name) => {
    const link = world.connect()
    link.hello({ name, token: world.token().token })
    return link
  })
  await world.settle()
  expect(links.map(({ closeCode }) => closeCode)).toEqual([undefined, undefined, 'OVERLOADED'])
  expect(links[2]!.closeFrame!.reconnectInMs).toBe(550)
  answer()
  await world.settle()
  expect(links.map(({ welcome }) => welcome?.name)).toEqual(['a', 'b', undefined])
})
