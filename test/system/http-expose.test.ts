import { createHash } from 'node:crypto'
import { Agent, createServer, type IncomingMessage, type RequestOptions, request as send } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Node } from '@sealway/client'
import express from 'express'
import fastify from 'fastify'
import WebSocket, { WebSocketServer } from 'ws'
import { Formation } from '../support/formation'

let formation: Formation
let agent: Agent

beforeEach(async () => {
  formation = await Formation.start()
  agent = new Agent({ keepAlive: true })
})

afterEach(async () => {
  agent.destroy()
  await formation.close()
})

const join = (name = 'app-1'): Promise<Node> => formation.join(name, 'tcp')
const everything = { public: ['/*'] }

interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly trailers: IncomingMessage['trailers']
  readonly body: Buffer
  readonly informed: number[]
}

/** What a client of HTTP sends to `/one/g/app-1<path>`, and hears. */
function ask(path: string, options: RequestOptions = {}, body?: string | Buffer | Readable): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const informed: number[] = []
    const request = send(`${formation.started.url}/one/g/app-1${path}`, { agent, ...options }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const { statusCode, headers, trailers } = response
        resolve({ status: statusCode!, headers, trailers, body: Buffer.concat(chunks), informed })
      })
    })
    request.on('information', ({ statusCode }) => informed.push(statusCode))
    request.on('error', reject)
    if (body instanceof Readable) pipeline(body, request).catch(reject)
    else request.end(body)
  })
}

const wait = (event: (done: () => void) => void) => new Promise<void>((resolve) => event(resolve))

describe('an app that a node exposes, asked over HTTP through a mediator', () => {
  it('is an Express app: any verb, query, headers, body and status', async () => {
    const app = express()
    app.use(express.json())
    app.all('/things/:id', (request, response) => {
      const { method, params, query, body, ip } = request
      response.status(207).set('X-Thing', params.id as string)
      response.json({
        method,
        id: params.id,
        query,
        body,
        ip,
        from: request.sealway?.from ?? null,
        group: request.sealway?.group,
      })
    })
    const node = await join()
    await node.expose(app, everything).ready
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) {
      const body = method === 'GET' ? undefined : '{"a":1}'
      const headers = body ? { 'Content-Type': 'application/json', 'Content-Length': body.length } : {}
      const answer = await ask('/things/7?x=1&x=2', { method, headers }, body)
      expect(answer.status).toBe(207)
      expect(answer.headers['x-thing']).toBe('7')
      expect(JSON.parse(answer.body.toString())).toEqual({
        ...{ method, id: '7', query: { x: ['1', '2'] }, ip: '127.0.0.1', from: null, group: 'g' },
        ...(body ? { body: { a: 1 } } : {}),
      })
    }
    expect((await ask('/nowhere')).status).toBe(404)
  })

  it('is a Fastify app', async () => {
    const app = fastify()
    app.post('/echo', async (request, reply) => reply.code(201).send({ got: request.body }))
    const node = await join()
    await node.expose(app, everything).ready
    const answer = await ask('/echo', { method: 'POST', headers: { 'Content-Type': 'application/json' } }, '{"n":2}')
    expect(answer.status).toBe(201)
    expect(JSON.parse(answer.body.toString())).toEqual({ got: { n: 2 } })
    await app.close()
  })

  it('is a server of another process, by its URL', async () => {
    const server = createServer((request, response) => {
      response.setHeader('X-Url', request.url!)
      request.pipe(response)
    })
    await wait((done) => server.listen(0, '127.0.0.1', done))
    const node = await join()
    const exposure = node.expose(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, everything)
    await exposure.ready
    const answer = await ask('/x?y', { method: 'POST' }, 'back and forth')
    expect(answer.headers['x-url']).toBe('/x?y')
    expect(answer.body.toString()).toBe('back and forth')
    exposure.close()
    server.closeAllConnections()
    await wait((done) => server.close(() => done()))
  })

  it('streams many megabytes both ways at once, unchanged', async () => {
    const node = await join()
    await node.expose((request, response) => void pipeline(request, response), everything).ready
    const sent = createHash('sha256')
    const piece = Buffer.alloc(100_000)
    const source = Readable.from(
      (function* () {
        for (let i = 0; i < 80; i++) {
          piece.fill(i)
          sent.update(piece)
          yield Buffer.from(piece)
        }
      })(),
    )
    const answer = await ask('/', { method: 'POST' }, source)
    expect(answer.body.length).toBe(8_000_000)
    expect(createHash('sha256').update(answer.body).digest('hex')).toBe(sent.digest('hex'))
  })

  it('answers others while one client does not read', async () => {
    const node = await join()
    const big = Buffer.alloc(20_000_000)
    await node.expose((request, response) => void response.end(request.url === '/big' ? big : 'small'), everything)
      .ready
    let stalled!: IncomingMessage
    await wait((done) => {
      send(`${formation.started.url}/one/g/app-1/big`, { agent }, (response) => {
        stalled = response.pause()
        done()
      }).end()
    })
    for (let i = 0; i < 50; i++) expect((await ask('/')).body.toString()).toBe('small')
    let bytes = 0
    for await (const chunk of stalled) bytes += chunk.length
    expect(bytes).toBe(big.length)
  })

  it('hears Expect, says early hints, and sends trailers', async () => {
    const node = await join()
    const server = createServer(async (request, response) => {
      response.writeEarlyHints({ link: '</a.css>; rel=preload; as=style' })
      for await (const _chunk of request);
      response.setHeader('Trailer', 'X-Sum')
      response.write('done')
      response.addTrailers({ 'X-Sum': '4' })
      response.end()
    })
    await node.expose(server, everything).ready
    const answer = await ask('/', { method: 'POST', headers: { Expect: '100-continue', TE: 'trailers' } }, 'body')
    expect(answer.informed).toContain(103)
    expect(answer.body.toString()).toBe('done')
    expect(answer.trailers).toEqual({ 'x-sum': '4' })
  })

  it('streams events, and hears at once that the client has gone', async () => {
    let gone!: () => void
    const closed = wait((done) => {
      gone = done
    })
    const node = await join()
    const app = express()
    app.get('/events', (_request, response) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' })
      response.write('data: 1\n\n')
      response.on('close', gone)
    })
    await node.expose(app, everything).ready
    const events = new AbortController()
    const response = await fetch(`${formation.started.url}/one/g/app-1/events`, { signal: events.signal })
    const { value } = await response.body!.getReader().read()
    expect(Buffer.from(value!).toString()).toBe('data: 1\n\n')
    events.abort()
    await closed
  })

  it('takes WebSockets', async () => {
    const server = createServer()
    const sockets = new WebSocketServer({ server })
    sockets.on('connection', (socket) => {
      socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
    })
    const node = await join()
    await node.expose(server, { public: ['UPGRADE /*'] }).ready
    const client = new WebSocket(`${formation.started.url.replace('http', 'ws')}/one/g/app-1/socket`)
    await wait((done) => client.on('open', done))
    const big = Buffer.alloc(1_000_000, 7)
    const heard: Buffer[] = []
    const both = wait((done) => client.on('message', (data) => heard.push(data as Buffer) === 2 && done()))
    client.send('hello')
    client.send(big)
    await both
    expect(heard[0]!.toString()).toBe('hello')
    expect(heard[1]!.equals(big)).toBe(true)
    const ended = wait((done) => [...sockets.clients][0]!.on('close', () => done()))
    client.close(1000)
    await wait((done) => client.on('close', () => done()))
    await ended
  })

  it('answers 500 where a handler throws, tells the node, and goes on', async () => {
    const node = await join()
    const errors: unknown[] = []
    node.events.on('handlerError', (event) => errors.push(event))
    await node.expose((request, response) => {
      if (request.url?.startsWith('/bad')) throw new Error('oops')
      response.end('fine')
    }, everything).ready
    expect((await ask('/bad?secret=1')).status).toBe(500)
    expect((await ask('/good')).body.toString()).toBe('fine')
    expect(errors).toEqual([{ action: 'GET /bad', from: '', error: new Error('oops') }])
  })

  it('is asked for a token but on its public routes', async () => {
    const node = await join()
    await node.expose((_request, response) => response.end('in'), { public: ['GET /open'] }).ready
    expect((await ask('/open')).status).toBe(200)
    expect((await ask('/open', { method: 'POST' })).status).toBe(401)
    expect((await ask('/closed')).status).toBe(401)
  })

  it('is exposed again on the next link, and taken back', async () => {
    const node = await join()
    const exposure = node.expose((_request, response) => response.end('here'), everything)
    await exposure.ready
    const back = wait((done) => node.events.on('connected', () => done()))
    ;(node as unknown as { dialer: { link: { destroy(): void } } }).dialer.link.destroy()
    await back
    expect((await ask('/')).body.toString()).toBe('here')
    exposure.close()
    // The mediator has answered all that was asked of it before this.
    await node.ping()
    expect((await ask('/')).status).toBe(401)
    await node.expose((_request, response) => response.end('again'), everything).ready
    expect((await ask('/')).body.toString()).toBe('again')
  })

  it('finishes what is under way when its node drains', async () => {
    const node = await join()
    let finish!: () => void
    const begun = wait((done) => {
      node.expose((_request, response) => {
        finish = () => response.end('finished')
        done()
      }, everything)
    })
    const answer = ask('/')
    await begun
    const drained = node.drain()
    setImmediate(finish)
    expect((await answer).body.toString()).toBe('finished')
    await drained
  })

  it('is told when its node closes', async () => {
    const node = await join()
    let aborted!: Promise<void>
    const begun = wait((done) => {
      node.expose((request) => {
        aborted = wait((gone) => request.sealway!.signal.addEventListener('abort', gone))
        done()
      }, everything)
    })
    const answer = ask('/')
    await begun
    await node.close()
    await aborted
    expect((await answer).status).toBe(502)
  })

  it('does not expose two things, or what is none', async () => {
    const node = await join()
    const exposure = node.expose(() => {})
    expect(() => node.expose(() => {})).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    exposure.close()
    expect(() => node.expose('http://example.com')).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    expect(() => node.expose(() => {}, { public: ['nonsense'] })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    )
  })
})
