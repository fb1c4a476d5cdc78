import type { Node } from '@sealway/client'
import { sealway } from '@sealway/client/fastify'
import fastify, { type FastifyInstance } from 'fastify'
import { Net } from '../../support/net.js'
import { rejection, until } from '../../support/until.js'

let net: Net
let app: FastifyInstance
let asker: Node

beforeEach(async () => {
  net = new Net()
  asker = await net.join('asker')
  app = fastify()
})
afterEach(async () => {
  await app.close()
  await net.close()
})

/** The plugin with a node that this test lends it. */
async function withNode(options: { readonly expose?: false } = {}): Promise<Node> {
  const node = await net.join('web-1')
  await app.register(sealway, { node, ...options })
  return node
}

describe('the plugin for Fastify', () => {
  it('serves the routes by the name of its node, those too that come after it', async () => {
    await withNode()
    app.get('/after', async ({ sealway }) => ({ from: sealway?.from, sealed: sealway?.sealed }))
    await app.ready()
    const answer = await asker.fetch('http://web-1/after')
    expect([answer.status, await answer.json()]).toEqual([200, { from: 'asker', sealed: true }])
    const here = await app.inject('/after')
    expect(here.json()).toEqual({})
  })

  it('gives the node to the app, its plugins and its handlers', async () => {
    const node = await withNode()
    app.sealway.on('add', ({ body }) => (body as number) + 1)
    app.register(async (inner) => {
      inner.get('/name', async (request) => [inner.sealway.name, request.server.sealway === node])
    })
    expect((await app.inject('/name')).json()).toEqual(['web-1', true])
    expect(await asker.call('web-1', 'add', 41)).toBe(42)
  })

  it('exposes nothing where it is told so', async () => {
    const node = await withNode({ expose: false })
    await app.ready()
    expect(node.connected).toBe(true)
    expect((await rejection(asker.fetch('http://web-1/'))).code).toBe('NO_HTTP')
  })

  it('finishes what is under way when the app closes, and leaves a shared node connected', async () => {
    const node = await withNode()
    const running: (() => void)[] = []
    app.get('/slow', () => new Promise((resolve) => running.push(() => resolve('done'))))
    await app.ready()
    const slow = asker.fetch('http://web-1/slow')
    await until(() => running.length === 1, 'the handler runs')
    const closed = app.close()
    running[0]?.()
    expect(await (await slow).text()).toBe('done')
    await closed
    expect(node.connected).toBe(true)
    expect((await rejection(asker.fetch('http://web-1/slow'))).code).toBe('NO_HTTP')
  })

  it('is used once in an app', async () => {
    const node = await withNode()
    await expect(async () => {
      await app.register(sealway, { node })
      await app.ready()
    }).rejects.toThrow(/already/)
  })

  it('says by name why it does not start', async () => {
    app.register(sealway, { name: 'web-1', groups: [], token: 'none', keys: net.newKey() })
    expect(await rejection(Promise.resolve(app.ready()))).toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})
