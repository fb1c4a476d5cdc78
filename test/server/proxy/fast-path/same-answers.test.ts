import { randomBytes } from 'node:crypto'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect, type Node } from '@sealway/client'
import express from 'express'
import fastify from 'fastify'
import { type Ask, ByName, echo, type Reply } from '../../../support/http-by-name'
import { tokenFor } from '../../../support/link'
import { NodesRequests } from '../../../support/nodes-requests'
import { until } from '../../../support/until'

/** The same requests twice: past Node's objects, and through them. Whoever asks must not be able to tell which. */
let world: ByName
let nodes: NodesRequests
const closing: (() => unknown)[] = []
afterEach(async () => {
  nodes.close()
  for (const close of closing.splice(0).reverse()) await close()
  await world.close()
})

async function start(options?: Parameters<typeof ByName.start>[0]): Promise<void> {
  world = await ByName.start(options)
  nodes = new NodesRequests()
}

/** Without what tells when it was. */
const timeless = ({ status, reason, rawHeaders, trailers, body, informed }: Reply) => ({
  ...{ status, reason, trailers, informed },
  headers: rawHeaders.map((text, i) =>
    /^(date|server-timing)$/i.test(rawHeaders[i - 1] ?? '') && i % 2 === 1 ? '' : text,
  ),
  body: body.toString('latin1'),
})

/** Node's client says no length of a body of DELETE and OPTIONS by itself. */
const said = ({ headers, body, ...options }: Ask, connection: string): Ask =>
  body === undefined
    ? { ...options, headers: { ...headers, Connection: connection } }
    : { ...options, body, headers: { ...headers, Connection: connection, 'Content-Length': String(body.length) } }

/** `x`, which is not there, is all that makes it Node's. */
async function bothWays(path: string, options: Ask = {}): Promise<ReturnType<typeof timeless>> {
  const asked = async (connection: string) => {
    nodes.asked.length = 0
    const reply = await world.ask(path, said(options, connection))
    return { reply: timeless(reply), byNode: nodes.asked.length > 0 }
  }
  const [fast, slow] = [await asked('keep-alive'), await asked('keep-alive, x')]
  expect([fast.byNode, slow.byNode]).toEqual([false, true])
  expect(fast.reply).toEqual(slow.reply)
  return fast.reply
}

async function join(app: Parameters<Node['expose']>[0]): Promise<void> {
  const node = await connect(world.url, {
    ...{ name: 'app', groups: ['g'], keys: `mk1_${randomBytes(32).toString('base64url')}` },
    token: () => tokenFor(world.started.jwtSecret, 'app').token,
  })
  closing.push(() => node.close())
  await node.expose(app, { public: ['/public/*'] }).ready
}

const large = Buffer.alloc(300_000, 'large ')
/** Answers of all kinds, of plain Node; what it hears is in the body of the last. */
const plain: RequestListener = (request, response) => {
  let body = Buffer.alloc(0)
  request.on('data', (chunk: Buffer) => {
    body = Buffer.concat([body, chunk])
  })
  request.on('end', () => {
    switch (request.url!.split('?')[0]) {
      case '/empty':
        return response.writeHead(204).end()
      case '/unchanged':
        return response.writeHead(304, { ETag: '"1"' }).end()
      case '/teapot':
        return response.writeHead(418, 'Short and stout', ['X-A', '1', 'x-a', '2', 'Set-Cookie', 'a=b']).end('tea')
      case '/chunks':
        response.write('one ')
        return setImmediate(() => response.end('two'))
      case '/trailers':
        response.writeHead(200, { Trailer: 'X-Sum' })
        response.write('summed')
        response.addTrailers({ 'X-Sum': '7' })
        return response.end()
      case '/hints':
        response.writeEarlyHints({ link: '</style.css>; rel=preload' })
        return response.end('hinted')
      case '/large':
        return response.end(large)
      case '/large-chunks':
        response.write(large.subarray(0, 100_000))
        return response.end(large.subarray(100_000))
      case '/latin1':
        return response.writeHead(200, { 'X-Name': 'Zo\xeb', 'Content-Length': 2 }).end('ok')
      case '/nothing':
        return response.end()
    }
    const { method, url, rawHeaders, rawTrailers } = request
    response.setHeader('Content-Type', 'application/json')
    response.end(JSON.stringify({ method, url, rawHeaders, rawTrailers, body: body.toString('latin1') }))
  })
}
const paths = [
  'empty',
  'unchanged',
  'teapot',
  'chunks',
  'hints',
  'large',
  'large-chunks',
  'latin1',
  'nothing',
  'x?q=%2F&r',
]
const plainAsks: [string, Ask][] = [
  ...paths.flatMap((path): [string, Ask][] => [
    [path, {}],
    [path, { method: 'HEAD' }],
    [path, { method: 'POST', body: 'a body' }],
  ]),
  ['trailers', {}],
  ['trailers', { method: 'DELETE' }],
  ['large', { headers: { Range: 'bytes=0-9', 'If-None-Match': '"1"' } }],
  ...['PUT', 'PATCH', 'DELETE', 'OPTIONS'].map((method): [string, Ask] => ['x', { method, body: 'some' }]),
  ...['GET', 'DELETE'].map((method): [string, Ask] => ['x', { method, headers: { 'Content-Length': '0' } }]),
  ['x', { method: 'POST', body: Buffer.alloc(40_000, '\xff\0', 'latin1') }],
  ['x', { headers: { Cookie: 'a=b; sealway_session=secret; c=d', 'X-Twice': ['1', '2'], TE: 'trailers' } }],
  ['x', { headers: { 'X-Forwarded-For': '192.0.2.1', Forwarded: 'for=x', 'X-Forwarded-Host': 'evil', Via: '1.0 y' } }],
  ['x', { headers: { 'Proxy-Authorization': 'Basic x', 'Sealway-Group': 'h', 'Keep-Alive': 'timeout=1' } }],
  ['x', { headers: { 'Accept-Encoding': 'gzip', 'User-Agent': '', Host: 'example.org:8080' } }],
  ['public/x', { token: null, headers: { Authorization: 'Basic eDp5' } }],
]

describe("an answer past Node's objects is the one that Node would have written", () => {
  it('of plain node:http, to forty-five requests, of one node and of any', async () => {
    await start()
    await join(plain)
    for (const [path, ask] of plainAsks) {
      const one = await bothWays(`/one/g/app/${path}`, ask)
      const any = await bothWays(`/any/g/${path}`, ask)
      expect(any.status).toBe(one.status)
    }
  })

  it('of an app at a port of its own', async () => {
    await start()
    const server = createServer(plain).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    closing.push(() => {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(resolve))
    })
    const { port } = server.address() as AddressInfo
    // Behind the proxy the app is a server of Node's like any other: its own requests are not ours to count.
    const asked = nodes.asked
    await join(`http://127.0.0.1:${port}`)
    for (const [path, ask] of plainAsks.slice(0, 12)) {
      const answers = []
      for (const connection of ['keep-alive', 'keep-alive, x']) {
        asked.length = 0
        const reply = await world.ask(`/one/g/app/${path}`, said(ask, connection))
        answers.push(timeless(reply))
        expect(asked.filter((one) => one.includes('/one/g/app/'))).toHaveLength(connection === 'keep-alive' ? 0 : 1)
      }
      expect(answers[0]).toEqual(answers[1])
    }
  })

  it('of Express', async () => {
    await start()
    const app = express()
    app.set('env', 'test')
    app.get('/hello/:name', (request, response) => {
      const { ip, protocol, hostname, originalUrl } = request
      response.json({ name: request.params.name, query: request.query, ip, protocol, hostname, originalUrl })
    })
    app.post('/json', express.json(), (request, response) => void response.status(201).json({ got: request.body }))
    app.get('/file', (_request, response) => response.sendFile(__filename))
    app.get('/moved', (_request, response) => response.redirect('/hello/x'))
    app.get('/cookie', (_request, response) => void response.cookie('a', 'b').send('x'))
    app.get('/throws', () => {
      throw new Error('oops')
    })
    await join(app)
    const json = { 'Content-Type': 'application/json' }
    const asks: [string, Ask][] = [
      ['hello/world?q=1&q=2', {}],
      ['hello/world', { method: 'HEAD' }],
      ['hello/world', { method: 'OPTIONS' }],
      ['json', { method: 'POST', body: '{"a":1}', headers: json }],
      ['json', { method: 'POST', body: '{"a":', headers: json }],
      ['json', { method: 'POST', body: JSON.stringify({ a: 'a'.repeat(40_000) }), headers: json }],
      ['file', {}],
      ['file', { method: 'HEAD' }],
      ['file', { headers: { Range: 'bytes=0-5' } }],
      ['file', { headers: { Range: 'bytes=9999999-' } }],
      ['moved', {}],
      ['cookie', {}],
      ['throws', {}],
      ['nowhere', { method: 'PUT', body: 'x' }],
    ]
    const statuses = []
    for (const [path, ask] of asks) statuses.push((await bothWays(`/one/g/app/${path}`, ask)).status)
    expect(statuses).toEqual([200, 200, 200, 201, 400, 201, 200, 200, 206, 416, 302, 200, 500, 404])
  })

  it('of Fastify', async () => {
    await start()
    const app = fastify()
    app.get('/hello/:name', async (request) => ({ ...(request.params as object), ip: request.ip, url: request.url }))
    app.post('/json', async (request, reply) => reply.code(201).send({ got: request.body }))
    app.get('/empty', async (_request, reply) => reply.code(204).send())
    app.get('/throws', async () => {
      throw new Error('oops')
    })
    await join(app)
    const json = { 'Content-Type': 'application/json' }
    const asks: [string, Ask][] = [
      ['hello/world?q=1', {}],
      ['hello/world', { method: 'HEAD' }],
      ['json', { method: 'POST', body: '{"a":1}', headers: json }],
      ['json', { method: 'POST', body: '{"a":', headers: json }],
      ['json', { method: 'POST', body: 'x', headers: { 'Content-Type': 'text/odd' } }],
      ['empty', {}],
      ['throws', {}],
      ['nowhere', { method: 'DELETE' }],
    ]
    const statuses = []
    for (const [path, ask] of asks) statuses.push((await bothWays(`/one/g/app/${path}`, ask)).status)
    expect(statuses).toEqual([200, 200, 201, 400, 415, 204, 500, 404])
  })

  it('of the mediator itself, where it refuses', async () => {
    await start()
    await world.node({
      onRequest: (exchange) => exchange.reset(exchange.head.target === '/busy' ? 'BUSY' : 'INTERNAL'),
    })
    await world.node({ name: 'mute', http: null })
    await world.node({ name: 'odd', onRequest: (exchange) => exchange.respond(204, [], 'body') })
    const gone = await world.node({ name: 'gone', groups: ['g', 'empty'] })
    gone.close()
    await until(() => world.started.mediator.relay.presence.get('gone') === undefined, 'it has gone')
    const some = world.token('http:other-*')
    const asks: [string, Ask, number, string][] = [
      ['/one/g/n/x', { token: null }, 401, 'UNAUTHORIZED'],
      ['/one/g/n/x', { token: 'nonsense', method: 'POST', body: 'abc' }, 401, 'UNAUTHORIZED'],
      ['/any/g/x', { token: null }, 401, 'UNAUTHORIZED'],
      ['/one/g/n/x', { token: some }, 403, 'FORBIDDEN'],
      ['/any/g/x', { token: some }, 403, 'FORBIDDEN'],
      ['/one/g/nobody/', {}, 404, 'UNKNOWN_NODE'],
      ['/one/nowhere/n/', {}, 404, 'UNKNOWN_GROUP'],
      ['/any/nowhere/', { method: 'PUT', body: 'abc' }, 404, 'UNKNOWN_GROUP'],
      ['/one/g/gone/', {}, 503, 'OFFLINE'],
      ['/any/empty/', {}, 503, 'OFFLINE'],
      ['/one/g/mute/', {}, 502, 'NO_HTTP'],
      ['/one/g/n/busy', { method: 'POST', body: 'abc' }, 503, 'BUSY'],
      ['/one/g/n/broken', {}, 502, 'BAD_ANSWER'],
      ['/one/g/odd/', {}, 502, 'BAD_ANSWER'],
    ]
    for (const [path, ask, status, code] of asks) {
      const reply = await bothWays(path, ask)
      expect([path, reply.status, JSON.parse(reply.body).code]).toEqual([path, status, code])
    }
  })

  it('of the mediator where a stranger asks too much, and where a node has enough to do', async () => {
    await start({ limits: { maxExchangesPerLink: 1 }, config: { httpPublicAtOnce: 1 } })
    const node = await world.node({ http: { public: ['/public'] } })
    await world.node({ name: 'other', http: { public: ['/public'] }, onWhole: echo })
    const client = world.raw().send('GET /one/g/n/public HTTP/1.1\r\nHost: x\r\n\r\n')
    await node.exchange(0)
    const busy = await bothWays('/one/g/n/x')
    expect([busy.status, JSON.parse(busy.body).code]).toEqual([503, 'BUSY'])
    const asked = await bothWays('/one/g/other/public', { token: null, method: 'POST', body: 'abc' })
    expect([asked.status, JSON.parse(asked.body).code]).toEqual([429, 'TOO_MANY_REQUESTS'])
    client.destroy()
  })
})
