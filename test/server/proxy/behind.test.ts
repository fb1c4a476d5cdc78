import { ByName } from '../../support/http-by-name'

describe('what comes behind a request that is not answered yet', () => {
  let world: ByName
  beforeEach(async () => {
    world = await ByName.start()
  })
  afterEach(() => world.close())

  it.each([
    ['a link', ['GET /link HTTP/1.1', 'Host: x', 'Connection: Upgrade', 'Upgrade: sealway/1', '', '']],
    ['a switch of a node', ['GET /one/g/n/ws HTTP/1.1', 'Host: x', 'Connection: Upgrade', 'Upgrade: x', '', '']],
  ])('%s is not begun, as its 101 would pass for the answer', async (_what, lines) => {
    const node = await world.node({ name: 'n', http: { public: ['/*'] } })
    const client = world.raw()
    // Node reads it, because of its Connection.
    client.send('GET /one/g/n/first HTTP/1.1', 'Host: x', 'Connection: keep-alive, x-hop', '', '')
    const first = await node.exchange(0)
    client.send(...lines)
    await client.untilClosed()
    expect(client.statuses).toEqual([])
    expect(node.exchanges.map(({ head }) => head.target)).toEqual([first.head.target])
  })
})

describe('an answer without a body that says that it has trailers', () => {
  it.each([
    ['HEAD', 200],
    ['GET', 204],
    ['GET', 304],
  ])('to %s, with %d, is handed on without saying so', async (method, status) => {
    const world = await ByName.start()
    try {
      await world.node({
        name: 'n',
        onWhole: (exchange) => exchange.respond(status, ['Trailer', 'X-Sum', 'X-Kept', '1'], ''),
      })
      for (const Connection of ['keep-alive', 'keep-alive, x-hop']) {
        const reply = await world.ask('/one/g/n/', { method, headers: { Connection } })
        expect([reply.status, reply.headers['x-kept'], reply.headers.trailer]).toEqual([status, '1', undefined])
      }
    } finally {
      await world.close()
    }
  })
})
