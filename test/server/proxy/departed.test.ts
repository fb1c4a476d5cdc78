import { ByName, echo } from '../../support/http-by-name'
import { eventually } from '../../support/until'

let world: ByName
beforeEach(async () => {
  world = await ByName.start()
})
afterEach(() => world.close())

const stranger = { token: null }
async function leave(node: { close(): void }, name: string): Promise<void> {
  node.close()
  await eventually(() => world.started.mediator.relay.presence.get(name) === undefined, 'it has left')
  await world.started.mediator.relay.settled()
}

describe('a route that was public at a node that has left', () => {
  it('is answered 503 until the node is back, by name and by group; all others still need a token', async () => {
    const node = await world.node({ name: 'web', http: { public: ['GET /open'] }, onWhole: echo })
    expect((await world.ask('/one/g/web/open', stranger)).status).toBe(200)
    await leave(node, 'web')
    for (const path of ['/one/g/web/open', '/any/g/open', '/many/g/open']) {
      const { status, headers, body } = await world.ask(path, stranger)
      expect([path, status, JSON.parse(body.toString()).code, headers['retry-after']]).toEqual([
        ...[path, 503, 'OFFLINE', '5'],
      ])
    }
    for (const path of [
      '/one/g/web/closed',
      '/one/other/web/open',
      '/one/g/nobody/open',
      '/any/g/closed',
      '/any/h/open',
    ]) {
      expect([path, ...(await world.refusal(path, stranger))]).toEqual([path, 401, 'UNAUTHORIZED'])
    }
    expect(await world.refusal('/one/g/web/open', { ...stranger, method: 'POST' })).toEqual([401, 'UNAUTHORIZED'])
    await world.node({ name: 'web', http: { public: ['GET /open'] }, onWhole: echo })
    expect((await world.ask('/one/g/web/open', stranger)).status).toBe(200)
  })

  it('is answered 404 where the node is not registered any more', async () => {
    const node = await world.node({ name: 'web', http: { public: ['GET /open'] } })
    await leave(node, 'web')
    await world.started.mediator.registry.removeNode('web', 'operator')
    expect((await world.ask('/one/g/web/open', stranger)).status).toBe(404)
  })

  it('needs a token as soon as the node has been there without it', async () => {
    await leave(await world.node({ name: 'web', http: { public: ['GET /open'] } }), 'web')
    const back = await world.node({ name: 'web', http: null })
    expect(await world.refusal('/one/g/web/open', stranger)).toEqual([401, 'UNAUTHORIZED'])
    await leave(back, 'web')
    expect(await world.refusal('/one/g/web/open', stranger)).toEqual([401, 'UNAUTHORIZED'])
  })

  it('of a member that is there is asked of that member', async () => {
    await leave(await world.node({ name: 'web-1', http: { public: ['GET /open'] } }), 'web-1')
    await world.node({ name: 'web-2', http: { public: ['GET /open'] }, onWhole: echo })
    expect((await world.ask('/any/g/open', stranger)).status).toBe(200)
  })
})
