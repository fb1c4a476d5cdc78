import { ByName } from '../../support/http-by-name'

let world: ByName
afterEach(() => world.close())

const websocketKey = 'dGhlIHNhbXBsZSBub25jZQ=='
const websocket = [`Sec-WebSocket-Key: ${websocketKey}`, 'Sec-WebSocket-Version: 13']

/** A client that asks to switch, without a token, or with one. */
function ask(target: string, protocol: string, ...more: string[]) {
  const client = world.raw()
  client.send(
    ...[`GET ${target} HTTP/1.1`, 'Host: x', 'Connection: Upgrade, HTTP2-Settings', `Upgrade: ${protocol}`],
    ...['HTTP2-Settings: AAMAAABkAAQAAP__', ...more, '', ''],
  )
  return client
}
const bearer = () => `Authorization: Bearer ${world.bearer}`

describe('a public route and a request for another protocol', () => {
  it('hands a request for h2c on as a plain request, without what belongs to the switch', async () => {
    world = await ByName.start()
    const node = await world.node({ http: { public: ['GET /health'] } })
    const client = ask('/one/g/n/health', 'h2c')
    const exchange = await node.exchange(0)
    expect(['upgrade', 'connection', 'http2-settings'].map((name) => exchange.header(name))).toEqual([
      undefined,
      undefined,
      undefined,
    ])
    exchange.respond(200, [], 'well')
    await client.until('answer', () => client.statuses.length === 1)
    // What follows is read by nobody: the connection ends.
    client.send('PRI * HTTP/2.0', '', 'SM', '', '')
    await client.untilClosed()
    expect([client.statuses, node.exchanges.length]).toEqual([[200], 1])
  })

  it.each([
    ['h2c', 'h2c'],
    ['H2C in capitals', 'H2C'],
    ['several protocols', 'websocket, h2c'],
  ])('never answers 101 to %s, also with a token', async (_, protocol) => {
    world = await ByName.start()
    const node = await world.node({ http: { public: [], upgrades: ['websocket'] } })
    const client = ask('/one/g/n/', protocol, bearer(), ...websocket)
    const exchange = await node.exchange(0)
    exchange.respond(101, ['Upgrade', protocol], '', false)
    await client.until('answer', () => client.statuses.length === 1)
    expect(client.statuses).toEqual([502])
  })

  it('wants a token for a switch, unless a route is declared as UPGRADE', async () => {
    world = await ByName.start()
    const node = await world.node({ http: { public: ['GET /live', '/any/*', 'UPGRADE /open'] } })
    for (const path of ['/live', '/any/live', '/open/more']) {
      const client = ask(`/one/g/n${path}`, 'websocket', ...websocket)
      await client.until('answer', () => client.statuses.length === 1)
      expect([path, client.statuses]).toEqual([path, [401]])
    }
    const open = ask('/one/g/n/open', 'websocket', ...websocket)
    const exchange = await node.exchange(0)
    exchange.respond(101, ['Upgrade', 'websocket'], '', false)
    await open.until('switch', () => open.statuses.length === 1)
    expect(open.statuses).toEqual([101])
    const plain = world.raw()
    plain.send('GET /one/g/n/open HTTP/1.1', 'Host: x', '', '')
    await plain.until('answer', () => plain.statuses.length === 1)
    expect(plain.statuses).toEqual([401])
  })

  it.each([
    ['a protocol that the node did not declare', 'chat', [], /does not switch to chat/],
    ['a WebSocket without a key', 'websocket', ['Sec-WebSocket-Version: 13'], /Sec-WebSocket-Key/],
    ['a key of 15 bytes', 'websocket', ['Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j', websocket[1]!], /Sec-WebSocket-Key/],
    ['two keys', 'websocket', [...websocket, websocket[0]!], /Sec-WebSocket-Key/],
    ['version 8', 'websocket', [websocket[0]!, 'Sec-WebSocket-Version: 8'], /Sec-WebSocket-Version/],
  ] as const)('refuses %s with 400, and the node hears nothing', async (_, protocol, more, why) => {
    world = await ByName.start()
    const node = await world.node({ http: { public: [], upgrades: ['websocket'] } })
    const client = ask('/one/g/n/', protocol, bearer(), ...more)
    await client.untilClosed()
    expect([client.statuses, node.exchanges.length]).toEqual([[400], 0])
    expect(client.text).toMatch(why)
  })

  it('takes a 101 with another protocol than was asked for as a bad answer', async () => {
    world = await ByName.start()
    const node = await world.node({ http: { public: [], upgrades: ['websocket', 'chat'] } })
    const client = ask('/one/g/n/', 'websocket', bearer(), ...websocket)
    const exchange = await node.exchange(0)
    exchange.respond(101, ['Upgrade', 'h2c'], '', false)
    await client.untilClosed()
    expect(client.statuses).toEqual([502])
  })
})
