import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import { type AddressInfo, createServer as createTcp, type Socket, type Server as TcpServer } from 'node:net'
import { SealwayError } from '@sealway/protocol'
import { WebSocketServer } from 'ws'
import { forwardTo, type Local } from '../../../client-lib/src/http/local'
import { type Asked, ask, FakeExchange } from './fake-exchange'

const servers: (Server | TcpServer)[] = []
const sockets = new Set<Socket>()
const locals: Local[] = []

afterEach(async () => {
  for (const local of locals.splice(0)) local.close()
  for (const socket of sockets) socket.destroy()
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))))
})

async function listen(server: Server | TcpServer): Promise<string> {
  servers.push(server)
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function forward(url: string) {
  const errors: unknown[] = []
  const local = forwardTo(url, { onError: (error) => errors.push(error), anyHost: false })
  locals.push(local)
  return { ...local, errors, ask: (asked?: Asked) => ask(local.serve, asked) }
}

const forwardToApp = async (app: RequestListener) => forward(await listen(createServer(app)))

const read = async (request: IncomingMessage): Promise<string> => {
  let text = ''
  for await (const chunk of request) text += chunk
  return text
}

describe('a local server that is exposed by its URL', () => {
  it('gets the request as it came, and its answer goes back in one piece', async () => {
    const { ask } = await forwardToApp(async (request, response) => {
      const { method, url, headers } = request
      response.writeHead(201, 'Made', { 'X-A': ['1', '2'], Date: 'then', 'Content-Type': 'text/plain' })
      response.end(JSON.stringify({ method, url, host: headers.host, x: headers['x-b'], body: await read(request) }))
    })
    const headers = ['Host', 'orders-1', 'X-B', 'b', 'Content-Length', '5', 'Connection', 'x-b2', 'X-B2', '']
    const exchange = await ask({ method: 'PATCH', target: '/a?b=%20', headers, body: 'hello' })
    expect(exchange.answer).toMatchObject({ status: 201, reason: 'Made' })
    expect(exchange.answer?.headers.slice(0, 8)).toEqual([
      'X-A',
      '1',
      'X-A',
      '2',
      'Date',
      'then',
      'Content-Type',
      'text/plain',
    ])
    expect(JSON.parse(exchange.body)).toEqual({
      method: 'PATCH',
      url: '/a?b=%20',
      host: 'orders-1',
      x: 'b',
      body: 'hello',
    })
    expect(exchange.header('connection') ?? exchange.header('transfer-encoding')).toBeUndefined()
    expect(exchange.sent).toBe(1)
  })

  it('is asked under the path of its URL, over connections that are kept', async () => {
    const seen = new Set<unknown>()
    const url = await listen(
      createServer((request, response) => {
        seen.add(request.socket)
        response.end(request.url)
      }),
    )
    const { ask } = forward(`${url}/base/`)
    expect((await ask({ target: '/x' })).body).toBe('/base/x')
    expect((await ask({ target: '/y?z' })).body).toBe('/base/y?z')
    expect(seen.size).toBe(1)
  })

  it('hears trailers and a body of no known length, and says the same', async () => {
    const { serve } = await forwardToApp(async (request, response) => {
      const body = await read(request)
      response.writeHead(200, { Trailer: 'X-Sum' })
      response.write(body)
      response.addTrailers({ 'X-Sum': `${request.headers['transfer-encoding']} ${request.trailers['x-in']}` })
      response.end()
    })
    const exchange = new FakeExchange({ method: 'POST', open: true })
    serve(exchange)
    exchange.data('one ')
    exchange.data('two')
    exchange.finish(['X-In', '7'])
    await exchange.done()
    expect(exchange.body).toBe('one two')
    expect(exchange.trailers).toEqual(['X-Sum', 'chunked 7'])
    expect(exchange.taken).toBe(7)
  })

  it('hands on what is said before an answer', async () => {
    const { ask } = await forwardToApp((_request, response) => {
      response.writeEarlyHints({ link: '</a>; rel=preload' })
      response.end()
    })
    expect((await ask()).informed).toEqual([
      { status: 103, reason: 'Early Hints', headers: ['Link', '</a>; rel=preload'] },
    ])
  })

  it('answers HEAD and 304 without a body', async () => {
    const { ask } = await forwardToApp((_request, response) => {
      response.writeHead(response.req.method === 'HEAD' ? 200 : 304, { ETag: '"1"' }).end()
    })
    expect((await ask({ method: 'HEAD' })).body).toBe('')
    expect((await ask()).answer?.status).toBe(304)
  })

  it('is told that nobody waits any more', async () => {
    let gone!: () => void
    const closed = new Promise<void>((resolve) => {
      gone = resolve
    })
    let begun!: () => void
    const asked = new Promise<void>((resolve) => {
      begun = resolve
    })
    const { serve, errors } = await forwardToApp((request) => {
      request.on('close', gone)
      begun()
    })
    const exchange = new FakeExchange()
    serve(exchange)
    await asked
    exchange.abort(new SealwayError('ABORTED'))
    await closed
    expect(errors).toEqual([])
  })

  it('waits while the client does not read, and goes on', async () => {
    const { serve } = await forwardToApp((_request, response) => response.end(Buffer.alloc(3_000_000, 'x')))
    const exchange = new FakeExchange()
    exchange.roomy = false
    serve(exchange)
    while (exchange.sent === 0) await new Promise(setImmediate)
    while (!exchange.ended) {
      exchange.drain()
      await new Promise(setImmediate)
    }
    expect(exchange.body.length).toBe(3_000_000)
  })

  it('breaks an answer off where the server does', async () => {
    const { ask, errors } = await forwardToApp((_request, response) => {
      response.writeHead(200, { 'Content-Length': 10 })
      response.write('half', () => response.destroy())
    })
    expect((await ask()).resetBy).toBe('BAD_ANSWER')
    expect(errors).toHaveLength(1)
  })

  it('answers for a server that is not there, or speaks no HTTP', async () => {
    const nothing = createServer()
    const url = await listen(nothing)
    servers.pop()
    await new Promise((resolve) => nothing.close(resolve))
    const absent = forward(url)
    expect((await absent.ask()).resetBy).toBe('BAD_ANSWER')
    expect(absent.errors).toMatchObject([{ code: 'ECONNREFUSED' }])
    const strange = forward(await listen(createTcp((socket) => socket.end('SSH-2.0-x\r\n'))))
    expect((await strange.ask()).resetBy).toBe('BAD_ANSWER')
  })

  it('asks again where a connection that was kept has been closed, if that can do no harm', async () => {
    let connections = 0
    const url = await listen(
      createTcp((socket) => {
        const mine = ++connections
        let requests = 0
        socket.on('error', () => {})
        socket.on('data', () => {
          // The second request on a connection meets a server that has just given it up.
          if (++requests === 2) socket.resetAndDestroy()
          else socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n${mine}`)
        })
      }),
    )
    const { ask, errors } = forward(url)
    expect((await ask()).body).toBe('1')
    expect((await ask()).body).toBe('2')
    expect((await ask({ method: 'POST', headers: ['Content-Length', '1'], body: 'x' })).resetBy).toBe('BAD_ANSWER')
    expect(errors).toHaveLength(1)
  })

  it.each([
    ['longer', 'GET /second HTTP/1.1\r\n\r\n', '3'],
    ['shorter', 'ab', '3'],
    ['of no number', 'abc', '+3'],
  ])('never sees a body that is %s than announced as another request', async (_how, body, length) => {
    const seen: string[] = []
    const { ask } = await forwardToApp((request, response) => {
      seen.push(request.url!)
      request.resume().on('end', () => response.end())
    })
    const exchange = await ask({ method: 'POST', target: '/first', headers: ['Content-Length', length], body })
    expect(exchange.resetBy).toBe('BAD_ANSWER')
    expect(seen).not.toContain('/second')
  })

  it('takes over as a WebSocket', async () => {
    const server = createServer()
    const wss = new WebSocketServer({ server })
    wss.on('connection', (socket) => socket.on('message', (text) => socket.send(`you said ${text}`)))
    const { serve, errors } = forward(await listen(server))
    const headers = [
      ...['Host', 'a', 'Upgrade', 'websocket', 'Connection', 'Upgrade'],
      ...['Sec-WebSocket-Version', '13', 'Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='],
    ]
    const exchange = new FakeExchange({ open: true, headers })
    serve(exchange)
    while (!exchange.answer) await new Promise(setImmediate)
    expect(exchange.answer.status).toBe(101)
    exchange.data(Buffer.from('\x81\x85\0\0\0\0hello', 'latin1'))
    while (exchange.body === '') await new Promise(setImmediate)
    expect(exchange.body).toBe('\x81\x0eyou said hello')
    exchange.data(Buffer.from('\x88\x82\0\0\0\0\x03\xe8', 'latin1'))
    await exchange.done()
    exchange.finish()
    expect(exchange.resetBy).toBeUndefined()
    expect(errors).toEqual([])
  })

  it('must be of this machine, unless said otherwise', () => {
    const parts = { onError: () => {}, anyHost: false }
    for (const url of [
      'http://example.com',
      'http://10.0.0.1:80',
      'ftp://127.0.0.1',
      'http://127.0.0.1/?x',
      'x',
      'http://127.0.0.1.evil.test',
    ]) {
      expect(() => forwardTo(url, parts)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    }
    for (const url of ['http://localhost:1', 'http://127.0.0.1', 'http://[::1]:8080/x', new URL('https://127.1.2.3')]) {
      forwardTo(url, parts).close()
    }
    forwardTo('http://10.0.0.1', { ...parts, anyHost: true }).close()
  })
})
