import { connect } from '@sealway/client'
import { io } from 'socket.io-client'
import { ByName } from '../../support/http-by-name'
import { eventually } from '../../support/until'

let world: ByName
afterEach(() => world.close())
const start = async (...options: Parameters<typeof ByName.start>) => {
  world = await ByName.start(...options)
  return world
}

const ask = (target: string, ...more: string[]) => {
  const client = world.raw()
  client.send(
    `GET ${target} HTTP/1.1`,
    'Host: x',
    'Connection: keep-alive, Upgrade',
    'Upgrade: chat/2',
    ...more,
    '',
    '',
  )
  return client
}
const withToken = (target: string, ...more: string[]) => ask(target, `Authorization: Bearer ${world.bearer}`, ...more)

describe('a switch of protocols', () => {
  it.each(['/one/g/n/chat?x', '/any/g/chat?x'])(
    'of %s: the bytes of both sides, until both have ended',
    async (target) => {
      const n = await (await start()).node()
      const client = withToken(target, 'X-Own: 1')
      const exchange = await n.exchange(0)
      expect(exchange.head.target).toBe('/chat?x')
      expect([exchange.header('upgrade'), exchange.header('connection')]).toEqual(['chat/2', 'Upgrade'])
      expect(exchange.header('authorization')).toBeUndefined()
      // Some of it comes before the node has said yes.
      client.send('early ')
      exchange.respond(101, ['Sec-WebSocket-Accept', 'abc'], 'hello ', false)
      const text = await client.until('switch', (all) => all.endsWith('hello ') && all)
      expect(text).toMatch(/^HTTP\/1\.1 101 Switching Protocols\r\n/)
      expect(text).toMatch(/\r\nConnection: Upgrade\r\n/)
      expect(text).toMatch(/\r\nUpgrade: chat\/2\r\n/)
      expect(text).toMatch(/\r\nSec-WebSocket-Accept: abc\r\n/)
      client.send('late')
      await exchange.until('both', ({ body }) => body.toString() === 'early late')
      exchange.data('bye')
      await client.until('bye', (all) => all.endsWith('bye'))
      client.socket.end()
      await exchange.until('end', ({ ended }) => ended)
      exchange.data('after', true)
      await client.untilClosed()
      expect(client.text.endsWith('byeafter')).toBe(true)
      await eventually(() => world.started.mediator.proxy.inFlight().requests === 0, 'it is over')
      expect(exchange.resetCode).toBeUndefined()
      expect(world.started.mediator.proxy.outcomes.snapshot()).toEqual({ ANSWERED: 1 })
    },
  )

  it('by host name, whatever its path', async () => {
    const n = await (await start({ config: { httpDomain: 'nodes.test' } })).node()
    const client = world.raw()
    const auth = `Authorization: Bearer ${world.bearer}`
    client.send('GET /link HTTP/1.1', 'Host: n.g.nodes.test', 'Connection: Upgrade', 'Upgrade: chat', auth, '', '')
    const exchange = await n.exchange(0)
    expect(exchange.head.target).toBe('/link')
    exchange.respond(101, ['Upgrade', 'Chat'], '', false)
    await client.until('switch', (text) => text.includes('Upgrade: Chat'))
  })

  it('in both directions only as fast as it is taken', async () => {
    const n = await (await start()).node({ grants: false })
    const client = withToken('/one/g/n/')
    const exchange = await n.exchange(0)
    exchange.respond(101, [], '', false)
    await client.until('switch', () => client.statuses.length > 0)
    const size = 8 * 1024 * 1024
    client.socket.write(Buffer.alloc(size, 'u'))
    await exchange.until('a window', ({ body }) => body.length === 256 * 1024)
    exchange.grant(size)
    await exchange.until('all', ({ body }) => body.length === size)
    let sent = 0
    const piece = Buffer.alloc(32 * 1024)
    while (sent < size) {
      await n.until('a window', () => exchange.window >= piece.length)
      exchange.data(piece)
      sent += piece.length
    }
    await client.until('all', (text) => text.length >= size)
    await eventually(() => world.started.mediator.relay.budget.usedBytes === 0, 'nothing is held')
  })

  it('that the app refuses is an answer, and the end of the connection', async () => {
    const n = await (await start()).node({
      onRequest: (exchange) => exchange.respond(426, ['Content-Length', '2'], 'no'),
    })
    const client = withToken('/one/g/n/')
    await client.untilClosed()
    expect(client.statuses).toEqual([426])
    expect(client.text).toMatch(/\r\nConnection: close\r\n/i)
    expect(client.text.endsWith('no')).toBe(true)
    expect(n.exchanges).toHaveLength(1)
  })

  it('that is broken off ends the connection', async () => {
    const n = await (await start()).node()
    const client = withToken('/one/g/n/')
    const exchange = await n.exchange(0)
    exchange.respond(101, [], '', false)
    await client.until('switch', () => client.statuses.length > 0)
    exchange.reset('BUSY')
    await client.untilClosed()
    expect(world.started.mediator.proxy.outcomes.snapshot()).toEqual({ BUSY: 1 })
  })

  it.each([
    [[], 401, 'UNAUTHORIZED'],
    [['Authorization: Bearer x'], 401, 'UNAUTHORIZED'],
    [['bearer'], 404, 'UNKNOWN_NODE'],
  ] as [string[], number, string][])('with %j is refused: %d %s', async (headers, status, code) => {
    await start()
    await world.node()
    const client = headers[0] === 'bearer' ? withToken('/one/g/nobody/') : ask('/one/g/nobody/', ...headers)
    await client.untilClosed()
    expect([client.statuses[0], /"code":"(\w+)"/.exec(client.text)?.[1]]).toEqual([status, code])
  })

  it('of many, or with another method, is refused', async () => {
    const n = await (await start()).node()
    const many = withToken('/many/g/')
    await many.untilClosed()
    const post = world.raw()
    post.send('POST /one/g/n/ HTTP/1.1', 'Host: x', 'Connection: Upgrade', 'Upgrade: x', '', '')
    await post.untilClosed()
    expect([many.statuses, post.statuses]).toEqual([[400], [401]])
    expect(n.exchanges).toEqual([])
  })

  it('of links and of socket.io stays as it is', async () => {
    await start()
    const node = await connect(world.url, { name: 'a', groups: ['g'], token: world.token('register:a@g'), keys: key })
    await node.close()
    const socket = io(world.url, { transports: ['websocket'] })
    await new Promise<void>((resolve) => socket.on('connect', resolve))
    socket.close()
    const other = world.raw()
    other.send('GET /elsewhere HTTP/1.1', 'Host: x', 'Connection: Upgrade', 'Upgrade: x', '', '')
    await other.untilClosed()
    expect(other.statuses).toEqual([426])
  })
})

const key = `mk1_${Buffer.alloc(32, 1).toString('base64url')}`
