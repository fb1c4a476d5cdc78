import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http'
import { type AddressInfo, createServer as createTcpServer, Socket } from 'node:net'
import WebSocket, { WebSocketServer } from 'ws'
import { type AllowedPlace, parseAllowed } from '../../server/src/proxy/direct/allowed'
import { tokenFor } from '../support/link'
import { startMediator, type TestMediator, type TestMediatorOptions } from '../support/mediator'
import { eventually } from '../support/until'

const open: TestMediator[] = []
const closers: (() => Promise<unknown> | unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
  for (const { mediator } of open.splice(0)) await mediator.close()
})

/** Set for all tests of a round. */
let fastPath = true

async function start(options: TestMediatorOptions = {}) {
  const started = await startMediator({ ...options, fastPath, config: { httpDirect: 'loopback', ...options.config } })
  open.push(started)
  const token = tokenFor(started.jwtSecret, 'asker', { scopes: ['http:app*'] }).token
  const authorization = `Bearer ${token}`
  /** Registers a node without a link, and gives the address under which it is asked. */
  async function register(name: string, address: string, port: number, protocol = 'http'): Promise<string> {
    const own = tokenFor(started.jwtSecret, name).token
    const answer = await fetch(`${started.url}/v1/nodes`, {
      method: 'POST',
      headers: { authorization: `Bearer ${own}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name, groups: ['g'], endpoints: [{ name: 'web', protocol, address, port }] }),
    })
    if (!answer.ok) throw new Error(`${name}: ${await answer.text()}`)
    return `${started.url}/one/g/${name}`
  }
  return { ...started, authorization, register }
}

async function listen(server: Server | ReturnType<typeof createTcpServer>, host = '127.0.0.1') {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  closers.push(() => {
    for (const socket of sockets) socket.destroy()
    return new Promise((resolve) => server.close(resolve))
  })
  return { port: (server.address() as AddressInfo).port, sockets }
}
const upstream = (app: RequestListener, host?: string) => listen(createServer(app), host)
/** Says this to whoever asks, and hangs up or not. */
const raw = (bytes: string, hangUp = false) =>
  listen(
    createTcpServer((socket) => {
      socket.once('data', () => {
        socket.write(bytes, 'latin1')
        if (hangUp) socket.destroySoon()
      })
    }),
  )
const codeOf = async (answer: Response) => [answer.status, ((await answer.json()) as { code?: string }).code]
const places = (text: string) => parseAllowed(text) as readonly AllowedPlace[]

describe.each([
  ['past', true],
  ['through', false],
])('%s Node’s HTTP server', (_way, past) => {
  beforeAll(() => {
    fastPath = past
  })

  describe('a node that is reached at its own address', () => {
    it('gets verb, path, query, headers and body, and its answer comes back as it is', async () => {
      const { register, authorization } = await start()
      const seen: IncomingMessage[] = []
      const { port } = await upstream((request, response) => {
        seen.push(request)
        response.writeHead(418, 'Short and stout', [
          'X-Twice',
          'a',
          'X-Twice',
          'b',
          'Connection',
          'x-hop',
          'X-Hop',
          '1',
        ])
        request.pipe(response)
      })
      const url = await register('app', '127.0.0.1', port)
      const answer = await fetch(`${url}/a%20b/c?d=1&d=2`, {
        method: 'PUT',
        headers: { 'proxy-authorization': authorization, authorization: 'Basic app', 'x-mine': 'yes', te: 'trailers' },
        body: 'the body',
      })
      expect([answer.status, answer.statusText, await answer.text()]).toEqual([418, 'Short and stout', 'the body'])
      expect([answer.headers.get('x-twice'), answer.headers.get('x-hop')]).toEqual(['a, b', null])
      expect(answer.headers.get('server-timing')).toMatch(/sealway;dur=/)
      const [request] = seen
      expect([request!.method, request!.url]).toEqual(['PUT', '/a%20b/c?d=1&d=2'])
      expect(request!.headers).toMatchObject({
        host: `127.0.0.1:${port}`,
        authorization: 'Basic app',
        'x-mine': 'yes',
        'content-length': '8',
      })
      expect(request!.headers['x-forwarded-host']).toMatch(/^127\.0\.0\.1:\d+$/)
      for (const gone of ['proxy-authorization', 'te']) expect(request!.headers).not.toHaveProperty(gone)
    })

    it('gets 8 MiB in chunks on a connection of their own, and gives them back with trailers', async () => {
      const { register, authorization } = await start()
      const seen: { connection: string | undefined; trailers: unknown }[] = []
      const { port } = await upstream((request, response) => {
        response.writeHead(200, { trailer: 'x-end' })
        request.on('data', (chunk) => void response.write(chunk))
        request.on('end', () => {
          seen.push({ connection: request.headers.connection, trailers: request.trailers })
          response.addTrailers({ 'x-end': 'done' })
          response.end()
        })
      })
      const url = await register('app', '127.0.0.1', port)
      const sent = httpRequest(url, { method: 'POST', headers: { authorization, trailer: 'x-sum' } })
      const bytes = Buffer.alloc(8 * 1024 * 1024, 'abcdefg')
      const got: Buffer[] = []
      const ended = new Promise<IncomingMessage>((resolve) =>
        sent.on('response', (answer) => {
          answer.on('data', (chunk: Buffer) => void got.push(chunk))
          answer.on('end', () => resolve(answer))
        }),
      )
      for (let at = 0; at < bytes.length; at += 65_536) sent.write(bytes.subarray(at, at + 65_536))
      sent.addTrailers({ 'x-sum': '42' })
      sent.end()
      const { trailers } = await ended
      expect(Buffer.concat(got).equals(bytes)).toBe(true)
      expect([trailers, seen]).toEqual([{ 'x-end': 'done' }, [{ connection: 'close', trailers: { 'x-sum': '42' } }]])
    })

    it('is asked over few connections that are kept', async () => {
      const { register, authorization } = await start()
      let connections = 0
      const server = createServer((_request, response) => response.end('ok'))
      server.on('connection', () => void connections++)
      const { port } = await listen(server)
      const url = await register('app', '127.0.0.1', port)
      for (let i = 0; i < 20; i++) expect(await (await fetch(url, { headers: { authorization } })).text()).toBe('ok')
      expect(connections).toBe(1)
    })

    it('may close a connection that was kept: the next request goes over another', async () => {
      const { register, authorization } = await start()
      let asked = 0
      const { port } = await listen(
        createTcpServer((socket) => {
          let first = true
          socket.on('data', () => {
            asked++
            if (first) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
            else socket.destroy()
            first = false
          })
        }),
      )
      const url = await register('app', '127.0.0.1', port)
      for (let i = 0; i < 3; i++) expect(await (await fetch(url, { headers: { authorization } })).text()).toBe('ok')
      expect(asked).toBe(4)
    })

    it('sends events as they happen', async () => {
      const { register, authorization } = await start()
      let say = (_text: string) => {}
      const { port } = await upstream(({ headers }, response) => {
        // The token was for the mediator.
        expect(headers).not.toHaveProperty('authorization')
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        response.flushHeaders()
        say = (text) => void response.write(`data: ${text}\n\n`)
      })
      const answer = await fetch(await register('app', '127.0.0.1', port), { headers: { authorization } })
      const reader = answer.body!.getReader()
      for (const text of ['one', 'two']) {
        say(text)
        expect(Buffer.from((await reader.read()).value!).toString()).toBe(`data: ${text}\n\n`)
      }
      await reader.cancel()
    })

    it('speaks WebSocket', async () => {
      const { register, authorization } = await start()
      const server = createServer()
      const sockets = new WebSocketServer({ server })
      sockets.on('connection', (socket, { url }) => {
        socket.send(`you asked for ${url}`)
        socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
      })
      const { port, sockets: open } = await listen(server)
      const url = await register('app', '127.0.0.1', port)
      const socket = new WebSocket(`${url.replace('http', 'ws')}/chat?room=1`, { headers: { authorization } })
      const got: string[] = []
      socket.on('message', (data) => void got.push(String(data)))
      await new Promise((resolve) => socket.once('open', resolve))
      socket.send('hello')
      socket.send('x'.repeat(200_000))
      await eventually(() => got.length === 3, 'all comes back')
      expect(got).toEqual(['you asked for /chat?room=1', 'hello', 'x'.repeat(200_000)])
      socket.terminate()
      await eventually(() => open.size === 0, 'its connection ends')
    })

    it('is asked once: where it points to another place, the client is told', async () => {
      const { register, authorization } = await start()
      let elsewhere = 0
      const other = await upstream((_request, response) => {
        elsewhere++
        response.end()
      })
      for (const status of [301, 302, 303, 307, 308]) {
        const location = `http://127.0.0.1:${other.port}/`
        const { port } = await upstream((_request, response) => response.writeHead(status, { location }).end())
        const url = await register(`app-${status}`, '127.0.0.1', port)
        const answer = await fetch(url, { headers: { authorization }, redirect: 'manual' })
        expect([answer.status, answer.headers.get('location')]).toEqual([status, location])
      }
      expect(elsewhere).toBe(0)
    })

    it('is told in its TLS by which name it is asked', async () => {
      const { register, authorization } = await start({ resolveName: async () => ['127.0.0.1'] })
      const hellos: Buffer[] = []
      const { port } = await listen(
        createTcpServer((socket) => {
          socket.once('data', (hello: Buffer) => {
            hellos.push(hello)
            socket.destroy()
          })
        }),
      )
      const answer = await fetch(await register('app', 'app.example', port, 'https'), { headers: { authorization } })
      expect(await codeOf(answer)).toEqual([502, 'PEER_GONE'])
      // Its handshake begins with a client hello that names it (RFC 6066 s3).
      expect(hellos[0]![0]).toBe(22)
      expect(hellos[0]!.includes('app.example')).toBe(true)
    })
  })

  describe('members of a group that have an address, and no link', () => {
    const asked = async (url: string, authorization: string, init: RequestInit = {}) => {
      const answer = await fetch(`${url}/many/g/who?x=1`, { ...init, headers: { authorization } })
      const { answers } = (await answer.json()) as {
        answers: { node: string; body?: string; error?: { code: string } }[]
      }
      return Object.fromEntries(answers.map(({ node, body, error }) => [node, body ?? error?.code]))
    }
    const echo: RequestListener = (request, response) => {
      const { method, url } = request
      const { 'content-length': length, 'transfer-encoding': coding } = request.headers
      response.write(`${method} ${url} ${length} ${coding} `)
      request.pipe(response)
    }

    it('are all asked, each for itself, with the body and all', async () => {
      const { register, authorization, url } = await start({ config: { httpDirect: 'loopback', httpTimeoutMs: 1_500 } })
      const { port } = await upstream(echo)
      await register('app-1', '127.0.0.1', port)
      await register('app-2', '127.0.0.1', port)
      await register('app-big', '127.0.0.1', (await upstream((_, res) => res.end(Buffer.alloc(262_145)))).port)
      await register('app-garbage', '127.0.0.1', (await raw('what?\r\n\r\n', true)).port)
      await register(
        'app-broken',
        '127.0.0.1',
        (await raw('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok', true)).port,
      )
      await register('app-head', '127.0.0.1', (await raw('HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nok', true)).port)
      await register('app-mute', '127.0.0.1', (await upstream(() => {})).port)
      await register('app-away', '10.0.0.1', 80)
      await register('other', '127.0.0.1', port)
      expect(await asked(url, authorization)).toEqual({
        ...{ 'app-1': 'GET /who?x=1 undefined undefined ', 'app-2': 'GET /who?x=1 undefined undefined ' },
        ...{
          'app-big': 'TOO_LARGE',
          'app-garbage': 'BAD_ANSWER',
          'app-broken': 'BAD_ANSWER',
          'app-head': 'BAD_ANSWER',
        },
        ...{ 'app-mute': 'TIMEOUT', 'app-away': 'ADDRESS_REFUSED' },
      })
    })

    it('get a body that came in chunks with its length', async () => {
      const { register, authorization, url } = await start()
      await register('app', '127.0.0.1', (await upstream(echo)).port)
      const body = new ReadableStream({
        start(controller) {
          for (const part of ['one ', 'two']) controller.enqueue(Buffer.from(part))
          controller.close()
        },
      })
      const answers = await asked(url, authorization, { method: 'POST', body, duplex: 'half' } as RequestInit)
      expect(answers).toEqual({ app: 'POST /who?x=1 7 undefined one two' })
    })

    it('lose their connections when nobody waits for the answers', async () => {
      const { register, authorization, url } = await start()
      const { port, sockets } = await upstream(() => {})
      for (const name of ['app-1', 'app-2', 'app-3']) await register(name, '127.0.0.1', port)
      const client = httpRequest(`${url}/many/g/`, { headers: { authorization }, agent: false })
      client.on('error', () => {})
      client.on('response', (answer) => answer.on('error', () => {}))
      client.end()
      await eventually(() => sockets.size === 3, 'all are asked')
      client.destroy()
      await eventually(() => sockets.size === 0, 'no connection is left')
    })

    it('take their turns, and one of them takes over where another is not there', async () => {
      const { register, authorization, url } = await start()
      for (const name of ['app-1', 'app-2', 'app-3']) {
        const { port } = await upstream((_request, response) => response.end(name))
        await register(name, '127.0.0.1', port)
      }
      const gone = createServer()
      const { port } = await listen(gone)
      await new Promise((resolve) => gone.close(resolve))
      await register('app-4', '127.0.0.1', port)
      const seen: string[] = []
      for (let i = 0; i < 9; i++) {
        seen.push(await (await fetch(`${url}/any/g/`, { headers: { authorization } })).text())
      }
      expect([...new Set(seen)].sort()).toEqual(['app-1', 'app-2', 'app-3'])
    })
  })

  describe('answers before the answer', () => {
    it('reach the client in their order, but for the one that its body may come', async () => {
      const { register, authorization } = await start()
      const { port } = await upstream((request, response) => {
        response.writeContinue()
        response.writeProcessing()
        response.writeEarlyHints({ link: ['</a.css>; rel=preload', '</b.js>; rel=preload'], 'x-one': '1' }, () => {
          request.pipe(response)
        })
      })
      const url = await register('app', '127.0.0.1', port)
      const informed: unknown[] = []
      const body = await new Promise((resolve, reject) => {
        const sent = httpRequest(url, {
          method: 'POST',
          headers: { authorization, expect: '100-continue' },
          agent: false,
        })
        sent.on('information', ({ statusCode, headers }) => {
          const { link, 'x-one': one } = headers
          informed.push([statusCode, link, one])
        })
        sent.on('continue', () => sent.end('body'))
        sent.on('error', reject)
        sent.on('response', (answer) => {
          const chunks: Buffer[] = []
          answer.on('data', (chunk: Buffer) => chunks.push(chunk))
          answer.on('end', () => resolve(Buffer.concat(chunks).toString()))
        })
        sent.flushHeaders()
      })
      expect(body).toBe('body')
      expect(informed).toEqual([
        [100, undefined, undefined],
        [102, undefined, undefined],
        [103, '</a.css>; rel=preload, </b.js>; rel=preload', '1'],
      ])
    })
  })

  describe('a client that goes', () => {
    it.each([
      ['while nothing is answered', 'GET', (_response: unknown) => {}],
      [
        'in the middle of events',
        'GET',
        (response: ServerResponse) => void response.writeHead(200).write('data: 1\n\n'),
      ],
      ['in the middle of its upload', 'POST', (_response: unknown) => {}],
      ['before a switch of protocols is answered', 'UPGRADE', (_response: unknown) => {}],
    ])('%s leaves no connection behind: 50 of 50 within 2 s', async (_what, method, serve) => {
      const { register, authorization } = await start()
      const server = createServer((_request, response) => serve(response as never))
      // One that reads, and so sees its other end go.
      server.on('upgrade', (_request, socket) => void socket.on('end', () => socket.destroy()).resume())
      const { port, sockets } = await listen(server)
      const url = await register('app', '127.0.0.1', port)
      const clients = Array.from({ length: 50 }, () => {
        const upgrade = {
          connection: 'Upgrade',
          upgrade: 'websocket',
          'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
          'sec-websocket-version': '13',
        }
        const client = httpRequest(url, {
          method: method === 'POST' ? 'POST' : 'GET',
          agent: false,
          headers: {
            authorization,
            ...(method === 'UPGRADE' ? upgrade : {}),
            ...(method === 'POST' ? { 'content-length': '1000000' } : {}),
          },
        })
        client.on('error', () => {})
        client.on('response', (answer) => answer.on('error', () => {}))
        if (method === 'POST') client.write('x'.repeat(1_000))
        else client.end()
        return client
      })
      await eventually(() => sockets.size === 50, 'all are connected')
      for (const client of clients) client.destroy()
      await eventually(() => sockets.size === 0, 'no connection is left')
    })
  })

  describe('H6: an upstream that misbehaves', () => {
    const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

    it.each([
      ['answers with garbage', '\x00\x01\x02 what?\r\n\r\n', 'BAD_ANSWER'],
      ['answers with the head of SMTP', '220 mail.example ESMTP\r\n', 'BAD_ANSWER'],
      ['has 64 KiB of headers', `HTTP/1.1 200 OK\r\n${`X: ${'a'.repeat(1_000)}\r\n`.repeat(64)}\r\n`, 'BAD_ANSWER'],
      ['has one header of 64 KiB', `HTTP/1.1 200 OK\r\nX: ${'a'.repeat(65_536)}\r\n\r\n`, 'BAD_ANSWER'],
      ['has 200 headers', `HTTP/1.1 200 OK\r\n${'X: a\r\n'.repeat(200)}Content-Length: 0\r\n\r\n`, 'BAD_ANSWER'],
      ['says two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!', 'BAD_ANSWER'],
      [
        'says a length and chunks',
        'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
        'BAD_ANSWER',
      ],
      [
        'says early and often that it is at work',
        `${'HTTP/1.1 102 Processing\r\n\r\n'.repeat(1_000)}${ok}`,
        'BAD_ANSWER',
      ],
      [
        'switches unasked',
        'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n',
        'PEER_GONE',
      ],
    ])('%s', async (_what, bytes, code) => {
      const { register, authorization } = await start()
      const { port, sockets } = await raw(bytes)
      const answer = await fetch(await register('app', '127.0.0.1', port), { headers: { authorization } })
      expect(await codeOf(answer)).toEqual([502, code])
      await eventually(() => sockets.size === 0, 'the connection is not kept')
    })

    it('hangs up before it answers', async () => {
      const { register, authorization } = await start()
      const { port } = await raw('', true)
      const answer = await fetch(await register('app', '127.0.0.1', port), { headers: { authorization } })
      expect(await codeOf(answer)).toEqual([502, 'PEER_GONE'])
    })

    it('dies in the middle of a body: the client is not told that this was all', async () => {
      const { register, authorization } = await start()
      for (const [name, bytes] of [
        ['app-length', 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf'],
        ['app-chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n'],
      ] as const) {
        const { port } = await raw(bytes, true)
        const answer = await fetch(await register(name, '127.0.0.1', port), { headers: { authorization } })
        expect(answer.status).toBe(200)
        await expect(answer.text()).rejects.toThrow()
      }
    })

    it('sends a body after a 204: it is nobody’s answer', async () => {
      const { register, authorization } = await start()
      const smuggled = 'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled'
      const { port } = await raw(`HTTP/1.1 204 No Content\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`)
      const url = await register('app', '127.0.0.1', port)
      for (let i = 0; i < 3; i++) {
        const answer = await fetch(url, { headers: { authorization } })
        expect([answer.status, await answer.text()]).toEqual([204, ''])
      }
    })

    it('never answers', async () => {
      const { register, authorization } = await start({ config: { httpTimeoutMs: 150 } })
      const { port, sockets } = await upstream(() => {})
      const answer = await fetch(await register('app', '127.0.0.1', port), { headers: { authorization } })
      expect(await codeOf(answer)).toEqual([504, 'TIMEOUT'])
      await eventually(() => sockets.size === 0, 'the connection is let go')
    })

    it('stops in the middle of its answer', async () => {
      const { register, authorization } = await start({ config: { httpIdleTimeoutMs: 150 } })
      const { port, sockets } = await raw('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf')
      const answer = await fetch(await register('app', '127.0.0.1', port), { headers: { authorization } })
      await expect(answer.text()).rejects.toThrow()
      await eventually(() => sockets.size === 0, 'the connection is let go')
    })

    it('is not there', async () => {
      const { register, authorization } = await start()
      const { port } = await upstream(() => {})
      await closers.pop()!()
      const answer = await fetch(await register('app', '127.0.0.1', port), { headers: { authorization } })
      expect([answer.headers.get('retry-after'), await codeOf(answer)]).toEqual(['5', [503, 'OFFLINE']])
    })
  })

  describe('addresses that are not to be reached', () => {
    /** Every connection that this process makes, to where it is made; those of the test to its mediator aside. */
    function connects(mediatorUrl: string) {
      const made: string[] = []
      const own = new URL(mediatorUrl).port
      const connect = Socket.prototype.connect
      const spy = jest.spyOn(Socket.prototype, 'connect').mockImplementation(function (
        this: Socket,
        ...args: unknown[]
      ) {
        const [first] = args as [{ host?: string; port?: number } | [{ host?: string; port?: number }]]
        const options = Array.isArray(first) ? first[0] : first
        if (String(options.port) !== own) made.push(`${options.host}:${options.port}`)
        return connect.apply(this, args as never)
      })
      closers.push(() => spy.mockRestore())
      return made
    }

    const hosts = [
      ...['127.0.0.1', '127.1', '127.0.1', '2130706433', '0x7f000001', '0x7f.0.0.1', '0177.0.0.1', '017700000001'],
      ...['127.0.0.1.', '127.255.255.255', '0.0.0.0', '0', '0.1.2.3', '::1', '::', '::ffff:127.0.0.1', '::ffff:7f00:1'],
      ...[
        '::127.0.0.1',
        '0:0:0:0:0:0:0:1',
        '[::1]',
        '::1%lo',
        '64:ff9b::7f00:1',
        '64:ff9b::a9fe:a9fe',
        '2002:7f00:1::',
      ],
      ...['2001:0:7f00:1::', 'fe80::1', 'ff02::1', 'fd00:ec2::254', 'fc00::1', '169.254.169.254', '2852039166'],
      ...['0xa9fea9fe', '169.254.169.254.', '::ffff:169.254.169.254', '10.0.0.1', '172.16.0.1', '192.168.1.1'],
      ...['100.100.100.200', '224.0.0.1', '240.0.0.1', '255.255.255.255', '192.0.0.192', '198.18.0.1', 'localhost'],
      ...['LOCALHOST', 'localhost.', 'app.localhost', 'user@127.0.0.1', '127.0.0.1:80', '127.0.0.1/x', '127.0.0.1#'],
      ...['127.0.0.1%00', '①②⑦.0.0.1', '127。0。0。1', 'internal.example', 'mapped.example', 'mixed.example'],
    ]
    const names: { readonly [name: string]: readonly string[] } = {
      'internal.example': ['127.0.0.1', '10.0.0.1', '169.254.169.254'],
      'mapped.example': ['::ffff:127.0.0.1', '64:ff9b::7f00:1', '2002:7f00:1::'],
      'mixed.example': ['0x7f.1', '2130706433', '127.1', 'localhost', ''],
      localhost: ['127.0.0.1', '::1'],
      'localhost.': ['127.0.0.1'],
      'app.localhost': ['127.0.0.1'],
    }

    it('H4: no connection is made to any of them, with all of the Internet allowed', async () => {
      const { register, authorization, url } = await start({
        config: { httpDirect: 'list', httpDirectAllow: places('0.0.0.0/0:*,[::/0]:*') },
        resolveName: async (name) => names[name] ?? [],
      })
      expect(hosts.length).toBeGreaterThanOrEqual(40)
      const made = connects(url)
      const answers: unknown[] = []
      for (const [i, host] of hosts.entries()) {
        const answer = await fetch(await register(`app-${i}`, host, 80), { headers: { authorization } })
        answers.push([host, ...(await codeOf(answer))])
      }
      expect(answers).toEqual(hosts.map((host) => [host, 502, 'ADDRESS_REFUSED']))
      expect(made).toEqual([])
    })

    it('a name is looked up once, and what was checked is what is connected to, whatever it says next', async () => {
      let asked = 0
      const inside = await upstream((_request, response) => response.end('secret'))
      const { port } = await upstream((request, response) => response.end(request.headers.host), '127.0.0.5')
      const { register, authorization, url } = await start({
        config: { httpDirect: 'list', httpDirectAllow: places(`127.0.0.5:${port}`) },
        resolveName: async () => [asked++ === 0 ? '127.0.0.5' : '127.0.0.1'],
      })
      const app = await register('app', 'rebind.example', port)
      const made = connects(url)
      const first = await fetch(app, { headers: { authorization } })
      expect([await first.text(), asked]).toEqual([`rebind.example:${port}`, 1])
      expect(await codeOf(await fetch(app, { headers: { authorization } }))).toEqual([502, 'ADDRESS_REFUSED'])
      expect([made, asked, inside.sockets.size]).toEqual([[`127.0.0.5:${port}`], 2, 0])
    })

    it('a port beside those that are listed is not reached', async () => {
      const { port, sockets } = await upstream((_request, response) => response.end())
      const { register, authorization } = await start({
        config: { httpDirect: 'list', httpDirectAllow: places(`127.0.0.1:${port === 1_024 ? 1_025 : 1_024}`) },
      })
      const answer = await fetch(await register('app', '127.0.0.1', port), { headers: { authorization } })
      expect([await codeOf(answer), sockets.size]).toEqual([[502, 'ADDRESS_REFUSED'], 0])
    })

    it("the mediator's own ports are nobody's upstream", async () => {
      const { register, authorization, url, adminUrl } = await start()
      const names: string[] = []
      for (const own of [url, adminUrl]) {
        for (const host of ['127.0.0.1', '127.0.0.2', '::1', '0:0:0:0:0:0:0:1', 'localhost']) {
          const app = await register(`app-${names.push(host)}`, host, Number(new URL(own).port))
          const answer = await codeOf(await fetch(app, { headers: { authorization } }))
          expect([host, ...answer]).toEqual([host, 502, 'ADDRESS_REFUSED'])
        }
      }
    })

    it('without the setting none is', async () => {
      const { port, sockets } = await upstream((_request, response) => response.end())
      const { register, authorization } = await start({ config: { httpDirect: 'off' } })
      const answer = await fetch(await register('app', '127.0.0.1', port), { headers: { authorization } })
      expect([await codeOf(answer), sockets.size]).toEqual([[503, 'OFFLINE'], 0])
    })

    it('a name that cannot be looked up is said to be away', async () => {
      const { register, authorization } = await start({ resolveName: () => Promise.reject(new Error('ENOTFOUND')) })
      const answer = await fetch(await register('app', 'gone.example', 80), { headers: { authorization } })
      expect(await codeOf(answer)).toEqual([503, 'OFFLINE'])
    })
  })
})
