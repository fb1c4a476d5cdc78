import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { Duplex } from 'node:stream'
import { SealwayError } from '@sealway/protocol'
import express from 'express'
import fastify from 'fastify'
import { WebSocketServer } from 'ws'
import { createServe, type ServeParts } from '../../../client-lib/src/http/serve'
import { type Asked, ask, FakeExchange } from './fake-exchange'

const serving = (app: Parameters<typeof createServe>[0], parts: Partial<ServeParts> = {}) => {
  const errors: unknown[] = []
  const serve = createServe(app, { onError: (error) => errors.push(error), ...parts })
  return { errors, serve, ask: (asked?: Asked) => ask(serve, asked) }
}

const json = (value: unknown, target = '/', method = 'POST'): Asked => {
  const body = JSON.stringify(value)
  const headers = ['Host', 'a', 'Content-Type', 'application/json', 'Content-Length', String(body.length)]
  return { method, target, headers, body }
}

describe('Express, by name', () => {
  const app = express()
  app.use(express.json())
  app.get('/hello/:name', (request, response) => {
    response.send(
      `hello ${request.params.name} ${request.query.q} ${request.ip} ${request.protocol} ${request.hostname}`,
    )
  })
  app.post('/echo', (request, response) => void response.status(201).json({ got: request.body }))
  app.post('/raw', express.raw({ type: '*/*', limit: '1mb' }), (request, response) => {
    response.send(createHash('sha256').update(request.body).digest('hex'))
  })
  app.get('/throws', () => {
    throw new Error('oops')
  })
  app.get('/moved', (_request, response) => response.redirect('/hello/x'))
  app.get('/file', (_request, response) => response.sendFile(__filename))
  app.get('/events', (_request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' })
    response.write('data: 1\n\n')
    response.on('close', () => response.emit('gone'))
  })

  it('routes, and knows the client', async () => {
    const headers = ['Host', 'orders-1', 'X-Forwarded-For', '10.0.0.7', 'X-Forwarded-Proto', 'https']
    const exchange = await serving(app).ask({ target: '/hello/world?q=1', headers })
    expect(exchange.body).toBe('hello world 1 10.0.0.7 https orders-1')
    expect(exchange.header('etag')).toBeDefined()
  })

  it('parses JSON and answers with it', async () => {
    const exchange = await serving(app).ask(json({ sku: 'A1' }, '/echo'))
    expect(exchange.answer?.status).toBe(201)
    expect(JSON.parse(exchange.body)).toEqual({ got: { sku: 'A1' } })
  })

  it('parses a body whose length nobody said, and takes its end', async () => {
    const { serve } = serving(app)
    const exchange = new FakeExchange({ method: 'POST', target: '/raw', headers: ['Content-Type', 'x/y'], open: true })
    serve(exchange)
    const piece = Buffer.alloc(50_000, 'ab')
    for (let i = 0; i < 3; i++) exchange.data(piece)
    exchange.finish()
    await exchange.done()
    expect(exchange.body).toBe(
      createHash('sha256')
        .update(Buffer.concat([piece, piece, piece]))
        .digest('hex'),
    )
  })

  it('answers 404, 500 and redirects in its own words', async () => {
    const { ask } = serving(app.set('env', 'test'))
    expect((await ask({ target: '/nowhere' })).answer?.status).toBe(404)
    expect((await ask({ target: '/throws' })).answer?.status).toBe(500)
    expect((await ask({ target: '/moved' })).header('location')).toBe('/hello/x')
  })

  it('sends files, and parts of them, and says when nothing has changed', async () => {
    const { ask } = serving(app)
    const whole = await ask({ target: '/file' })
    expect(whole.body).toContain('sends files, and parts of them')
    const part = await ask({ target: '/file', headers: ['Range', 'bytes=0-5'] })
    expect(part.answer?.status).toBe(206)
    expect(part.body).toBe('import')
    const same = await ask({ target: '/file', headers: ['If-None-Match', whole.header('etag')!] })
    expect(same.answer?.status).toBe(304)
    expect(same.body).toBe('')
  })

  it('streams events until the client goes', async () => {
    const { serve } = serving(app)
    const exchange = new FakeExchange({ target: '/events' })
    serve(exchange)
    expect(exchange.body).toBe('data: 1\n\n')
    expect(exchange.ended).toBe(false)
    exchange.abort(new SealwayError('ABORTED'))
    expect(exchange.resetBy).toBeUndefined()
  })
})

describe('Fastify, by name', () => {
  const make = () => {
    const app = fastify()
    app.get('/hello/:name', async (request) => ({ hello: (request.params as { name: string }).name, ip: request.ip }))
    app.post('/echo', async (request, reply) => reply.code(201).send({ got: request.body }))
    app.get('/throws', async () => {
      throw new Error('oops')
    })
    app.get('/late', (_request, reply) => void setImmediate(() => reply.header('x-late', '1').send('late')))
    return app
  }

  it('is made ready, and routes', async () => {
    const exchange = await serving(make()).ask({ target: '/hello/world', headers: ['X-Forwarded-For', '10.0.0.7'] })
    expect(JSON.parse(exchange.body)).toEqual({ hello: 'world', ip: '10.0.0.7' })
  })

  it('parses JSON, and answers errors in its own words', async () => {
    const { ask } = serving(make())
    expect(JSON.parse((await ask(json({ n: 1 }, '/echo'))).body)).toEqual({ got: { n: 1 } })
    expect((await ask({ target: '/throws' })).answer?.status).toBe(500)
    expect((await ask({ target: '/none' })).answer?.status).toBe(404)
    const bad = {
      ...json({}, '/echo'),
      body: '{x',
      headers: ['Content-Type', 'application/json', 'Content-Length', '2'],
    }
    expect((await ask(bad)).answer?.status).toBe(400)
    expect((await ask({ target: '/late' })).header('x-late')).toBe('1')
  })
})

const upgrade: Asked = {
  target: '/socket',
  open: true,
  headers: [
    ...['Host', 'a', 'Upgrade', 'websocket', 'Connection', 'Upgrade'],
    ...['Sec-WebSocket-Version', '13', 'Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='],
  ],
}

/** A masked frame (RFC 6455 s5.2) with a mask of zeros. */
const said = (opcode: number, payload: string) =>
  Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | payload.length, 0, 0, 0, 0]), Buffer.from(payload, 'latin1')])

describe('a WebSocket server, by name', () => {
  it.each(['that hangs on a server', 'that is handed its connections'])(
    '%s accepts, hears, answers and closes',
    async (how) => {
      const server = createServer()
      const sockets = how.endsWith('server') ? new WebSocketServer({ server }) : new WebSocketServer({ noServer: true })
      sockets.on('connection', (socket) => socket.on('message', (text) => socket.send(`you said ${text}`)))
      const handOver = (request: Parameters<WebSocketServer['handleUpgrade']>[0], socket: Duplex, head: Buffer) =>
        sockets.handleUpgrade(request, socket, head, (ws) => sockets.emit('connection', ws, request))
      const { serve, errors } = serving(server, how.endsWith('server') ? {} : { upgrade: handOver })
      const exchange = new FakeExchange(upgrade)
      serve(exchange)
      expect(exchange.answer?.status).toBe(101)
      expect(exchange.header('sec-websocket-accept')).toBe('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=')
      exchange.data(said(1, 'hello'))
      await new Promise(setImmediate)
      expect(exchange.body).toBe('\x81\x0eyou said hello')
      exchange.data(said(8, '\x03\xe8'))
      await exchange.done()
      expect(exchange.ended).toBe(true)
      exchange.finish()
      await new Promise(setImmediate)
      expect(exchange.resetBy).toBeUndefined()
      expect(sockets.clients.size).toBe(0)
      expect(errors).toEqual([])
    },
  )

  it('refuses in the words of the app', async () => {
    const sockets = new WebSocketServer({ server: createServer(), verifyClient: () => false })
    const exchange = await serving(sockets.options.server!).ask(upgrade)
    expect(exchange.answer).toMatchObject({ status: 401, reason: 'Unauthorized' })
    expect(exchange.header('connection')).toBeUndefined()
    expect(exchange.body).toBe('Unauthorized')
    expect(exchange.ended).toBe(true)
  })

  it('hears that the client is gone', async () => {
    const server = createServer()
    const sockets = new WebSocketServer({ server })
    const closed = new Promise((resolve) => sockets.on('connection', (socket) => socket.on('close', resolve)))
    const exchange = new FakeExchange(upgrade)
    serving(server).serve(exchange)
    exchange.abort(new SealwayError('ABORTED'))
    expect(await closed).toBe(1006)
  })

  it('is asked to wait while the client does not read', async () => {
    let socket!: Duplex
    const { serve } = serving(() => {}, {
      upgrade: (_request, given) => {
        socket = given
        socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n')
        socket.write('\r\nfirst')
      },
    })
    const exchange = new FakeExchange({ ...upgrade, headers: ['Upgrade', 'x'] })
    serve(exchange)
    expect(exchange.answer).toEqual({ status: 101, reason: 'Switching Protocols', headers: ['Upgrade', 'x'] })
    exchange.roomy = false
    socket.write('second')
    socket.write('third')
    expect(exchange.body).toBe('firstsecond')
    exchange.drain()
    await new Promise(setImmediate)
    expect(exchange.body).toBe('firstsecondthird')
  })

  it('breaks off what is no answer', async () => {
    const { ask } = serving(() => {}, { upgrade: (_request, socket) => void socket.write('hello\r\n\r\n') })
    expect((await ask(upgrade)).resetBy).toBe('BAD_ANSWER')
    const thrower = serving(() => {}, {
      upgrade: () => {
        throw new Error('oops')
      },
    })
    expect((await thrower.ask(upgrade)).resetBy).toBe('BAD_ANSWER')
    expect(thrower.errors).toHaveLength(1)
  })

  it('is no matter to an app that knows nothing of it: the request is answered as any other', async () => {
    const { ask } = serving((request, response) => {
      request.resume().on('end', () => response.end(`no ${request.headers.upgrade} here`))
    })
    expect((await ask(upgrade)).body).toBe('no websocket here')
  })
})
