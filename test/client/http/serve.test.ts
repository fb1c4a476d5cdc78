import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { SealwayError } from '@sealway/protocol'
import type { HttpApp } from '../../../client-lib/src/http/app'
import { createServe } from '../../../client-lib/src/http/serve'
import { type Asked, ask, FakeExchange } from './fake-exchange'

const served = (app: HttpApp) => {
  const errors: unknown[] = []
  const serve = createServe(app, { onError: (error) => errors.push(error) })
  return { errors, serve, ask: (asked?: Asked) => ask(serve, asked) }
}

const read = async (request: IncomingMessage): Promise<string> => {
  let text = ''
  for await (const chunk of request) text += chunk
  return text
}

describe('an app that is served by name', () => {
  it('sees method, url, headers and body of the request', async () => {
    const { ask } = served(async (request, response) => {
      const { method, url, headers, rawHeaders, httpVersion } = request
      response.end(JSON.stringify({ method, url, headers, rawHeaders, httpVersion, body: await read(request) }))
    })
    const headers = [
      'Host',
      'orders-1',
      'Cookie',
      'a=1',
      'cookie',
      'b=2',
      'Content-Length',
      '5',
      'X-Y',
      '1',
      'x-y',
      '2',
    ]
    const exchange = await ask({ method: 'PUT', target: '/a/b?c=%20d', headers, body: 'hello' })
    expect(JSON.parse(exchange.body)).toEqual({
      method: 'PUT',
      url: '/a/b?c=%20d',
      headers: { host: 'orders-1', cookie: 'a=1; b=2', 'content-length': '5', 'x-y': '1, 2' },
      rawHeaders: headers,
      httpVersion: '1.1',
      body: 'hello',
    })
    expect(exchange.taken).toBe(5)
  })

  it('answers with status, reason, headers and body in one piece', async () => {
    const { ask } = served((_request, response: ServerResponse) => {
      response.statusCode = 201
      response.statusMessage = 'Made'
      response.setHeader('Set-Cookie', ['a=1', 'b=2'])
      response.setHeader('X-Count', 3)
      response.end('done')
    })
    const exchange = await ask()
    expect(exchange.answer).toEqual({
      status: 201,
      reason: 'Made',
      headers: ['Set-Cookie', 'a=1', 'Set-Cookie', 'b=2', 'X-Count', '3', 'Content-Length', '4'],
    })
    expect(exchange.body).toBe('done')
    expect(exchange.sent).toBe(1)
  })

  it('takes all that writeHead takes', async () => {
    const forms: unknown[] = [
      { 'X-A': '1', 'X-B': ['2', '3'] },
      ['X-A', '1', 'X-B', '2', 'X-B', '3'],
      [
        ['X-A', '1'],
        ['X-B', ['2', '3']],
      ],
    ]
    for (const form of forms) {
      const exchange = await served((_request, response) => response.writeHead(202, form as []).end()).ask()
      expect(exchange.answer?.headers.slice(0, 6)).toEqual(['X-A', '1', 'X-B', '2', 'X-B', '3'])
    }
    const both = served((_request, response) => {
      response.setHeader('x-a', 0)
      response.writeHead(200, 'Fine', { 'X-A': '1' }).end()
    })
    expect((await both.ask()).answer).toEqual({
      status: 200,
      reason: 'Fine',
      headers: ['X-A', '1', 'Content-Length', '0'],
    })
  })

  it('hands on nothing of a connection, nor what it names', async () => {
    const { ask } = served((_request, response) => {
      response.setHeader('Connection', 'close, X-Mine')
      response.setHeader('Keep-Alive', 'timeout=5')
      response.setHeader('Transfer-Encoding', 'chunked')
      response.setHeader('X-Mine', '1')
      response.setHeader('X-Other', '2')
      response.write('a')
      response.end('b')
    })
    const exchange = await ask()
    expect(exchange.answer?.headers).toEqual(['X-Other', '2'])
    expect(exchange.pieces).toEqual(['a', 'b'])
  })

  it.each([
    ['HEAD', 200],
    ['GET', 204],
    ['GET', 304],
  ])('sends no body with %s and %i', async (method, status) => {
    const { ask } = served((_request, response) => {
      response.writeHead(status, { ETag: '"1"' })
      response.end('not to be seen')
    })
    const exchange = await ask({ method })
    expect(exchange.answer).toMatchObject({ status, headers: ['ETag', '"1"'] })
    expect(exchange.pieces).toEqual([])
  })

  it('lets a hook of writeHead set the last headers', async () => {
    const { ask } = served((_request, response) => {
      const { writeHead } = response
      response.writeHead = function (this: ServerResponse, ...args: unknown[]) {
        this.setHeader('X-Late', 'yes')
        return writeHead.apply(this, args as [number])
      } as typeof writeHead
      response.end('x')
    })
    expect((await ask()).header('x-late')).toBe('yes')
  })

  it('says when the head has left, and refuses headers after it', async () => {
    const seen: unknown[] = []
    const { ask } = served((_request, response) => {
      seen.push(response.headersSent)
      response.flushHeaders()
      seen.push(response.headersSent)
      try {
        response.setHeader('x', '1')
      } catch (error) {
        seen.push((error as NodeJS.ErrnoException).code)
      }
      response.end()
    })
    const exchange = await ask()
    expect(seen).toEqual([false, true, 'ERR_HTTP_HEADERS_SENT'])
    expect(exchange.sent).toBe(2)
  })

  it('waits for room: write says false, and drain follows', async () => {
    const order: string[] = []
    const { serve } = served((_request, response) => {
      order.push(`a ${response.write('a', () => order.push('a is out'))}`)
      order.push(`needs drain ${response.writableNeedDrain}`)
      response.once('drain', () => {
        order.push(`drain ${response.writableNeedDrain}`)
        order.push(`b ${response.write('b')}`)
        response.end()
      })
    })
    const exchange = new FakeExchange()
    exchange.roomy = false
    serve(exchange)
    expect(order).toEqual(['a false', 'needs drain true'])
    exchange.drain()
    await exchange.done()
    expect(order).toEqual(['a false', 'needs drain true', 'a is out', 'drain false', 'b true'])
    expect(exchange.body).toBe('ab')
  })

  it('pauses who sends while the app does not read', () => {
    let request!: IncomingMessage
    const { serve } = served((incoming) => {
      request = incoming
    })
    const exchange = new FakeExchange({ method: 'POST', open: true })
    serve(exchange)
    for (let i = 0; i < 4; i++) exchange.data(Buffer.alloc(32 * 1024))
    expect(exchange.taken).toBe(32 * 1024)
    request.resume()
    return new Promise<void>((resolve) => {
      setImmediate(() => {
        expect(exchange.taken).toBe(128 * 1024)
        resolve()
      })
    })
  })

  it('emits finish and close of the response, and close of the request, once each', async () => {
    const order: string[] = []
    const { ask } = served((request, response) => {
      request.on('close', () => order.push('request close'))
      request.on('aborted', () => order.push('aborted'))
      response.on('finish', () => order.push(`finish ${response.writableFinished}`))
      response.on('close', () => order.push('response close'))
      response.end('x', () => order.push('called back'))
    })
    await ask({ headers: ['Content-Length', '0'] })
    await new Promise(setImmediate)
    expect(order).toEqual(['finish true', 'called back', 'response close', 'request close'])
  })

  it('tells an app within the turn that the client has gone', () => {
    const order: string[] = []
    const { serve, errors } = served((request, response) => {
      request.on('aborted', () => order.push('aborted'))
      response.on('close', () => order.push(`close ${response.writableFinished} ${response.destroyed}`))
      request.sealway!.signal.addEventListener('abort', () => order.push('signal'))
    })
    const exchange = new FakeExchange({ method: 'POST', open: true })
    serve(exchange)
    exchange.abort(new SealwayError('ABORTED'))
    expect(order).toEqual(['signal', 'aborted', 'close false true'])
    expect(exchange.resetBy).toBeUndefined()
    expect(errors).toEqual([])
  })

  it('fails who reads a request whose client has gone', async () => {
    const failed = new Promise((resolve) => {
      const exchange = new FakeExchange({ method: 'POST', open: true, body: 'half' })
      served((request) => read(request).catch(resolve)).serve(exchange)
      exchange.abort(new SealwayError('ABORTED'))
    })
    expect(await failed).toMatchObject({ code: 'ECONNRESET' })
  })

  it('breaks the exchange off where the app destroys its response', async () => {
    const { ask } = served((_request, response) => {
      response.write('half')
      response.destroy()
    })
    const exchange = await ask()
    expect(exchange.resetBy).toBe('BAD_ANSWER')
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('oops')
      },
    ],
    [
      'rejects',
      async () => {
        throw new Error('oops')
      },
    ],
  ] as [string, () => never][])('answers 500 where a handler %s, and says so', async (_how, handler) => {
    const { ask, errors } = served(handler)
    const exchange = await ask()
    expect(exchange.answer?.status).toBe(500)
    expect(exchange.body).not.toContain('oops')
    expect(errors).toMatchObject([{ message: 'oops' }])
  })

  it('breaks off an answer that was begun before the handler threw', async () => {
    const { ask, errors } = served((_request, response) => {
      response.write('half')
      throw new Error('oops')
    })
    expect((await ask()).resetBy).toBe('BAD_ANSWER')
    expect(errors).toHaveLength(1)
  })

  it('answers 500 where the head cannot be sent', async () => {
    const { serve, errors } = served((_request, response) => response.end('x'))
    const exchange = new FakeExchange()
    exchange.refusal = new SealwayError('TOO_LARGE')
    serve(exchange)
    await exchange.done()
    expect(exchange.answer?.status).toBe(500)
    expect(errors).toMatchObject([{ code: 'TOO_LARGE' }])
  })

  it('carries trailers both ways', async () => {
    const { serve } = served(async (request, response) => {
      await read(request)
      response.setHeader('Trailer', 'X-Sum')
      response.write('a')
      response.addTrailers({ 'X-Sum': `of ${request.trailers['x-in']}` })
      response.end()
    })
    const exchange = new FakeExchange({ method: 'POST', open: true })
    serve(exchange)
    exchange.data('body')
    exchange.finish(['X-In', '7'])
    await exchange.done()
    expect(exchange.trailers).toEqual(['X-Sum', 'of 7'])
    expect(exchange.header('trailer')).toBe('X-Sum')
  })

  it('tells a parser that there is a body where no length says so', async () => {
    const { serve, ask } = served((request, response) => response.end(String(request.headers['transfer-encoding'])))
    const open = new FakeExchange({ method: 'POST', open: true })
    serve(open)
    expect(open.body).toBe('chunked')
    expect((await ask({ method: 'POST', body: 'x' })).body).toBe('chunked')
    expect((await ask({ method: 'POST', body: 'x', headers: ['content-length', '1'] })).body).toBe('undefined')
    expect((await ask({ method: 'GET' })).body).toBe('undefined')
  })

  it('says 100 before a handler that was asked for it, unless the app does so itself', async () => {
    const headers = ['Expect', '100-continue']
    const plain = await served((_request, response) => response.end()).ask({ headers })
    expect(plain.informed).toEqual([{ status: 100, reason: 'Continue', headers: [] }])
    const server = createServer().on('checkContinue', (_request, response) => response.writeHead(401).end())
    const refusing = await served(server).ask({ headers })
    expect(refusing.informed).toEqual([])
    expect(refusing.answer?.status).toBe(401)
    expect((await served(() => {}).ask({ headers: ['Expect', 'cake'] })).answer?.status).toBe(417)
  })

  it('says early hints and that it is at work', async () => {
    const { ask } = served((_request, response) => {
      response.writeProcessing()
      response.writeEarlyHints({ link: '</a.css>; rel=preload; as=style', 'x-trace': '1' })
      response.end()
    })
    expect((await ask()).informed).toEqual([
      { status: 102, reason: 'Processing', headers: [] },
      { status: 103, reason: 'Early Hints', headers: ['Link', '</a.css>; rel=preload; as=style', 'x-trace', '1'] },
    ])
  })

  it('knows the address that the mediator saw last, and how it was reached', async () => {
    const { ask } = served(({ socket }, response) => {
      const { remoteAddress, remoteFamily, encrypted } = socket as typeof socket & { encrypted: boolean }
      response.end(JSON.stringify({ remoteAddress, remoteFamily, encrypted, same: response.socket === socket }))
    })
    const headers = ['X-Forwarded-For', '1.1.1.1, 2001:db8::7', 'X-Forwarded-Proto', 'https']
    expect(JSON.parse((await ask({ headers })).body)).toEqual({
      remoteAddress: '2001:db8::7',
      remoteFamily: 'IPv6',
      encrypted: true,
      same: true,
    })
    const sealed = await ask({ headers, asker: { sealed: true, from: 'a' } })
    expect(JSON.parse(sealed.body)).toEqual({ encrypted: true, same: true })
  })

  it('says who asks', async () => {
    const { ask } = served((request, response) => {
      const { sealed, from, group, key, signal } = request.sealway!
      response.end(JSON.stringify({ sealed, from, group, key, aborted: signal.aborted }))
    })
    const asker = { sealed: true, from: 'billing-1', group: 'orders', key: 'k' }
    expect(JSON.parse((await ask({ asker })).body)).toEqual({ ...asker, aborted: false })
  })

  it('uses the listeners of a server that does not listen, and survives one that rejects', async () => {
    const server = createServer(async (request, response) => {
      if (request.url === '/bad') throw new Error('oops')
      response.end('fine')
    })
    const { ask, errors } = served(server)
    expect((await ask()).body).toBe('fine')
    expect((await ask({ target: '/bad' })).answer?.status).toBe(500)
    expect(errors).toHaveLength(1)
    expect(server.listening).toBe(false)
  })

  it('waits until an app is ready, and answers 500 where it never is', async () => {
    let ready!: () => void
    const routing = (_request: unknown, response: ServerResponse) => void response.end('routed')
    const app = { ready: () => new Promise<void>((resolve) => (ready = resolve)), routing, server: createServer() }
    const slow = served(app)
    const answer = slow.ask()
    ready()
    expect((await answer).body).toBe('routed')
    const broken = served({ ...app, ready: () => Promise.reject(new Error('no database')) })
    expect((await broken.ask()).answer?.status).toBe(500)
    expect(broken.errors).toMatchObject([{ message: 'no database' }])
  })

  it('refuses what is no app', () => {
    expect(() => served({} as HttpApp)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })
})
