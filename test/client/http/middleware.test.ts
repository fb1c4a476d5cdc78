import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import express, { type Express } from 'express'
import { createServe } from '../../../client-lib/src/http/serve.js'
import type { Node } from '../../../client-lib/src/node.js'
import { Net } from '../../support/net'

let net: Net
let server: Node
let client: Node
let app: Express
let port: Server
let url: string
/** The same app, for other nodes and at a port of its own. */
beforeEach(async () => {
  net = new Net()
  server = await net.join('server')
  client = await net.join('client')
  app = express()
  server.expose(app)
  port = createServer(app).listen(0, '127.0.0.1')
  await new Promise((resolve) => port.once('listening', resolve))
  url = `http://127.0.0.1:${(port.address() as AddressInfo).port}`
})
afterEach(async () => {
  port.closeAllConnections()
  await new Promise((resolve) => port.close(resolve))
  await net.close()
})

const statusOf = async (response: Promise<Response>): Promise<number> => {
  const { status, body } = await response
  await body?.cancel()
  return status
}

describe('node.middleware', () => {
  it('tells a route who asks, and lets it answer sealed', async () => {
    app.use(server.middleware())
    app.get('/who', (req, res) => {
      const { from, group, key, signal } = req.sealway!
      res.status(201).sealed({ from, group, key, aborted: signal.aborted })
    })
    const response = await client.fetch('any:g/who')
    expect([response.status, response.headers.get('content-type')]).toEqual([201, 'application/json; charset=utf-8'])
    expect(await response.json()).toEqual({
      from: 'client',
      group: 'g',
      key: expect.stringMatching(/^client\/\d+$/),
      aborted: false,
    })
  })

  it('refuses what did not come sealed, with a code', async () => {
    app.use(server.middleware({ public: ['/health'] }))
    app.get('/who', () => expect('it').toBe('never reached'))
    const response = await fetch(`${url}/who`)
    expect(response.status).toBe(403)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(await response.json()).toMatchObject({ code: 'FORBIDDEN', status: 403, retry: 'never' })
  })

  it('lets anybody reach what is public, and nothing beside it', async () => {
    app.use(server.middleware({ public: ['GET /health', '/assets/*', 'POST /hook'] }))
    app.use('/inner', server.middleware({ public: ['/inner/a'] }))
    app.use((_req, res) => void res.end())
    const at = (path: string, method = 'GET') => statusOf(fetch(url + path, { method }))
    expect(await at('/health?deep')).toBe(200)
    expect(await at('/health', 'HEAD')).toBe(200)
    expect(await at('/health', 'POST')).toBe(403)
    expect(await at('/healthy')).toBe(403)
    expect(await at('/hook', 'POST')).toBe(200)
    expect(await at('/assets/a/b.css')).toBe(200)
    for (const path of ['/assets/%2e%2e/who', '/assets//who', '/assets/..%2fwho', '/assets/%5cwho']) {
      expect([path, await at(path)]).toEqual([path, 403])
    }
    expect(await statusOf(client.fetch('http://server/anything'))).toBe(200)
  })

  it('judges by the path as it was asked, also within a router', async () => {
    app.use('/inner', server.middleware({ public: ['/inner/a'] }), (_req, res) => void res.end())
    expect(await statusOf(fetch(`${url}/inner/a`))).toBe(200)
    expect(await statusOf(fetch(`${url}/inner/b`))).toBe(403)
  })

  it('is not fooled by headers, nor by what a program makes of them', async () => {
    app.use((req, _res, next) => {
      const told = req.headers['x-sealway']
      if (typeof told === 'string') Object.assign(req, { sealway: JSON.parse(told) as object })
      next()
    })
    app.use(server.middleware(), (_req, res) => res.sealed('secret'))
    const sealway = JSON.stringify({ sealed: true, from: 'client', group: 'g', key: '1' })
    const headers = { 'x-sealway': sealway, sealway, 'sealway-from': 'client', 'x-forwarded-for': '127.0.0.1' }
    expect(await statusOf(fetch(`${url}/`, { headers }))).toBe(403)
  })

  it('does not take for sealed what a mediator has read', async () => {
    app.use(server.middleware({ public: ['/health'] }), (_req, res) => res.sealed('secret'))
    // As the tunnel brings it: by name, and in clear.
    const asked: number[] = []
    const serve = createServe(app, { onError: () => {} })
    for (const target of ['/who', '/health']) {
      serve({
        head: { method: 'GET', target, headers: ['host', 'server'] },
        asker: { sealed: false, from: undefined, group: 'g', key: undefined },
        signal: new AbortController().signal,
        start: (reader) => reader.end([]),
        consumed() {},
        inform() {},
        respond: ({ status }) => {
          asked.push(status)
          return true
        },
        write: () => true,
        end() {},
        reset() {},
      })
    }
    // The second is public, but what it answers is not for all.
    expect(asked).toEqual([403, 403])
  })

  it('answers sealed nothing to whom it is not sealed', async () => {
    app.use(server.middleware({ public: ['/*'] }), (_req, res) => res.sealed({ secret: 1 }))
    const response = await fetch(url)
    expect([response.status, await response.text()]).toEqual([403, expect.not.stringContaining('secret')])
    expect(await (await client.fetch('http://server/')).json()).toEqual({ secret: 1 })
  })

  it('refuses public routes that are none, when it is made', () => {
    for (const route of ['health', 'get /x', '/ü', '']) {
      expect(() => server.middleware({ public: [route] })).toThrow(/^public: /)
    }
  })
})
