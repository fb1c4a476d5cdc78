import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import type { Connection } from '@sealway/protocol'
import { httpTransport } from '../../../client-lib/src/transport/http.js'
import { acceptHttpLinks, type HttpLinks } from '../../../server/src/transport/http.js'
import { eventually } from '../../support/until.js'

/** The mediator's end of one link, and what it saw. */
interface Far {
  readonly connection: Connection
  readonly chunks: Buffer[]
  drains: number
  readonly closes: (Error | undefined)[]
}

let server: Server
let links: HttpLinks
let url: string
let far: Far[]
let time: number
let onConnection: (connection: Connection) => void
const closers: (() => void)[] = []

beforeEach(async () => {
  far = []
  time = 0
  onConnection = (connection) => {
    const end: Far = { connection, chunks: [], drains: 0, closes: [] }
    far.push(end)
    connection.start({
      data: (chunk) => void end.chunks.push(Buffer.from(chunk)),
      drain: () => void end.drains++,
      close: (error) => void end.closes.push(error),
    })
  }
  links = acceptHttpLinks({ idleMs: 25_000, now: () => time, pollMs: 200 }, (connection) => onConnection(connection))
  server = createServer((request, response) => {
    if (!links.handle(request, response)) response.writeHead(418).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterEach(async () => {
  for (const close of closers.splice(0)) close()
  links.close()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

const bytesOf = ({ chunks }: Far) => Buffer.concat(chunks).toString()

async function opened() {
  const answer = await fetch(`${url}/link`, { method: 'POST' })
  const { link } = (await answer.json()) as { link: string }
  const ask = (method: string, headers: { [name: string]: string | number } = {}, body?: string) =>
    fetch(`${url}/link`, {
      method,
      headers: Object.fromEntries(
        Object.entries({ 'sealway-link': link, ...headers }).map(([name, value]) => [name, String(value)]),
      ),
      ...(body === undefined ? {} : { body }),
    })
  return { answer, link, ask, end: far.at(-1)! }
}

async function codeOf(answer: Response) {
  const { code, retry } = (await answer.json()) as { code: string; retry: string }
  expect(answer.headers.get('content-type')).toBe('application/problem+json')
  expect(retry).toMatch(/never|later|reconnect/)
  return [answer.status, code]
}

describe('a link over plain requests', () => {
  it('begins with a POST, whose answer is an id that cannot be guessed and is not to be kept', async () => {
    const ids = new Set<string>()
    for (let i = 0; i < 20; i++) {
      const { answer, link } = await opened()
      expect([answer.status, answer.headers.get('cache-control')]).toEqual([201, 'no-store'])
      expect(Buffer.from(link, 'base64url')).toHaveLength(32)
      ids.add(link)
    }
    expect([ids.size, links.size]).toEqual([20, 20])
    expect(far[0]!.connection).toMatchObject({ transport: 'http', remoteAddress: '127.0.0.1' })
  })

  it('takes what is sent again only once, whole or in part', async () => {
    const { ask, end } = await opened()
    for (const [offset, text, total] of [
      [0, 'hello', '5'],
      [0, 'hello', '5'],
      [3, 'lo wor', '9'],
      [0, 'hello world', '11'],
      [2, 'll', '11'],
    ] as const) {
      const answer = await ask('POST', { 'sealway-offset': offset }, text)
      expect([answer.status, answer.headers.get('sealway-offset')]).toEqual([204, total])
    }
    expect(bytesOf(end)).toBe('hello world')
  })

  it('takes no bytes that leave a gap', async () => {
    const { ask, end } = await opened()
    expect(await codeOf(await ask('POST', { 'sealway-offset': 1 }, 'x'))).toEqual([409, 'CONFLICT'])
    expect(bytesOf(end)).toBe('')
  })

  it('takes the beginning of a POST that broke off, and the rest of it from the next', async () => {
    const { link, ask, end } = await opened()
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    closers.push(() => socket.destroy())
    socket.write(
      `POST /link HTTP/1.1\r\nHost: x\r\nSealway-Link: ${link}\r\nSealway-Offset: 0\r\nContent-Length: 8\r\n\r\nabc`,
    )
    await eventually(() => bytesOf(end) === 'abc', 'the beginning comes')
    socket.destroy()
    expect((await ask('POST', { 'sealway-offset': 0 }, 'abcdefgh')).headers.get('sealway-offset')).toBe('8')
    expect(bytesOf(end)).toBe('abcdefgh')
  })

  it('lets a second POST take the place of one that hangs', async () => {
    const { link, ask, end } = await opened()
    const hanging = httpRequest(`${url}/link`, {
      method: 'POST',
      headers: { 'sealway-link': link, 'sealway-offset': '0', 'content-length': '8' },
    })
    hanging.on('error', () => {})
    const told = new Promise<IncomingMessage>((resolve) => hanging.on('response', resolve))
    hanging.write('abc')
    await eventually(() => bytesOf(end) === 'abc', 'the beginning comes')
    expect((await ask('POST', { 'sealway-offset': 0 }, 'abcdefgh')).status).toBe(204)
    expect((await told).statusCode).toBe(409)
    hanging.end('stale')
    expect((await ask('POST', { 'sealway-offset': 8 }, 'i')).status).toBe(204)
    expect(bytesOf(end)).toBe('abcdefghi')
  })

  it('gives the same bytes again until it is told that they were read', async () => {
    const { ask, end } = await opened()
    end.connection.write([Buffer.from('one')])
    for (let i = 0; i < 3; i++) {
      const answer = await ask('GET', { 'sealway-read': 0 })
      expect([answer.headers.get('sealway-offset'), await answer.text()]).toEqual(['0', 'one'])
    }
    end.connection.write([Buffer.from('two')])
    expect(await (await ask('GET', { 'sealway-read': 2 })).text()).toBe('etwo')
    expect(await (await ask('GET', { 'sealway-read': 3 })).text()).toBe('two')
    expect(await codeOf(await ask('GET', { 'sealway-read': 2 }))).toEqual([400, 'MALFORMED'])
    expect(await codeOf(await ask('GET', { 'sealway-read': 7 }))).toEqual([400, 'MALFORMED'])
  })

  it('answers a poll as soon as there is something, or after its time with nothing', async () => {
    const { ask, end } = await opened()
    expect((await ask('GET')).status).toBe(204)
    const waiting = ask('GET')
    await (await ask('POST', { 'sealway-offset': 0 }, 'x')).arrayBuffer()
    end.connection.write([Buffer.from('now')])
    expect(await (await waiting).text()).toBe('now')
  })

  it('has one poll at a time: the newest', async () => {
    const { ask, end } = await opened()
    const older = ask('GET')
    await (await ask('POST', { 'sealway-offset': 0 }, 'x')).arrayBuffer()
    const newer = ask('GET')
    expect((await older).status).toBe(204)
    end.connection.write([Buffer.from('for the newest')])
    expect(await (await newer).text()).toBe('for the newest')
  })

  it('says with the last bytes that it ends, and is gone when they were read', async () => {
    const { ask, end } = await opened()
    end.connection.write([Buffer.from('goodbye')])
    end.connection.end()
    const last = await ask('GET')
    expect([last.headers.get('sealway-end'), await last.text()]).toEqual(['1', 'goodbye'])
    expect((await ask('DELETE')).status).toBe(204)
    expect([end.closes, links.size]).toEqual([[undefined], 0])
    expect(await codeOf(await ask('GET'))).toEqual([404, 'NOT_FOUND'])
  })

  it('is over, with an error, when no request came for so long', async () => {
    const { ask, end } = await opened()
    await ask('GET')
    time = 24_999
    const poll = ask('GET')
    await (await poll).arrayBuffer()
    time = 49_998
    links.tick()
    expect(end.closes).toEqual([])
    time = 49_999
    links.tick()
    expect(end.closes).toHaveLength(1)
    expect(end.closes[0]).toBeInstanceOf(Error)
    expect(links.size).toBe(0)
  })

  it('says at once, in the frames of a link, why it was refused, and leaves nothing behind', async () => {
    onConnection = (connection) => {
      connection.start({ data() {}, drain() {}, close() {} })
      connection.write([Buffer.from('why')])
      connection.end()
    }
    const answer = await fetch(`${url}/link`, { method: 'POST' })
    expect([answer.status, await answer.text(), links.size]).toEqual([503, 'why', 0])
    const near = await httpTransport.connect(`sealway+${url}`, {})
    const seen: string[] = []
    near.start({
      data: (chunk) => void seen.push(Buffer.from(chunk).toString()),
      drain() {},
      close: (error) => void seen.push(`closed ${error}`),
    })
    await eventually(() => seen.length === 2, 'it closes')
    expect(seen).toEqual(['why', 'closed undefined'])
  })

  it.each([
    ['no id', 'GET', {}, 426, 'UNSUPPORTED_VERSION'],
    ['no id', 'DELETE', {}, 426, 'UNSUPPORTED_VERSION'],
    ['an id of nobody', 'GET', { 'sealway-link': 'A'.repeat(43) }, 404, 'NOT_FOUND'],
    ['an id that is none', 'POST', { 'sealway-link': '__proto__' }, 404, 'NOT_FOUND'],
    ['an id of 8 KiB', 'POST', { 'sealway-link': 'A'.repeat(8_192) }, 404, 'NOT_FOUND'],
    ['another method', 'PUT', {}, 405, 'METHOD_NOT_ALLOWED'],
  ])('refuses %s (%s)', async (_what, method, headers, status, code) => {
    expect(await codeOf(await fetch(`${url}/link`, { method, headers: { ...headers } }))).toEqual([status, code])
  })

  it.each(['', '-1', '1.5', '1e3', '0x10', '9'.repeat(16), 'abc', ' 1 2'])(
    'refuses the count %j, and goes on',
    async (count) => {
      const { ask, end } = await opened()
      expect(await codeOf(await ask('POST', { 'sealway-offset': count }, 'x'))).toEqual([400, 'MALFORMED'])
      expect(await codeOf(await ask('GET', { 'sealway-read': count }))).toEqual([400, 'MALFORMED'])
      expect((await ask('POST', { 'sealway-offset': 0 }, 'x')).status).toBe(204)
      expect(bytesOf(end)).toBe('x')
    },
  )

  it('leaves every other address alone', async () => {
    for (const path of ['/', '/links', '/link/', '/link2', '/v1/nodes']) {
      expect((await fetch(url + path)).status).toBe(418)
    }
    expect((await fetch(`${url}/link?x=1`, { method: 'POST' })).status).toBe(201)
  })
})

describe('as server-sent events', () => {
  /** Reads events until told to stop. */
  function events(link: string, headers: { [name: string]: string } = {}) {
    const seen: { id: number; bytes: Buffer }[] = []
    let text = ''
    let ended = false
    const request = httpRequest(`${url}/link`, {
      headers: { 'sealway-link': link, accept: 'text/event-stream', ...headers },
    })
    request.on('error', () => {})
    request.on('response', (response) => {
      response.setEncoding('utf8')
      response.on('error', () => {})
      response.on('data', (piece: string) => {
        text += piece
        for (let at = text.indexOf('\n\n'); at >= 0; at = text.indexOf('\n\n')) {
          const event = text.slice(0, at)
          text = text.slice(at + 2)
          const [, id, data] = /^id: (\d+)\ndata: (.*)$/.exec(event) ?? []
          if (data !== undefined) seen.push({ id: Number(id), bytes: Buffer.from(data, 'base64') })
          else if (event === 'event: end\ndata:') ended = true
        }
      })
    })
    request.end()
    closers.push(() => request.destroy())
    return {
      seen,
      bytes: () => Buffer.concat(seen.map(({ bytes }) => bytes)),
      ended: () => ended,
      stop: () => request.destroy(),
    }
  }

  it('bytes come as they are written, and the end after them', async () => {
    const { link, end } = await opened()
    const stream = events(link)
    for (const text of ['a', 'bc', 'def']) {
      end.connection.write([Buffer.from(text)])
      await eventually(() => stream.bytes().toString().endsWith(text), `${text} comes`)
    }
    expect(stream.seen.map(({ id }) => id)).toEqual([1, 3, 6])
    end.connection.end()
    await eventually(() => stream.ended(), 'the end comes')
  })

  it('go on where the last one left off', async () => {
    const { link, end } = await opened()
    const first = events(link)
    end.connection.write([Buffer.from('abcdef')])
    await eventually(() => first.seen.length === 1, 'it comes')
    first.stop()
    const second = events(link, { 'last-event-id': '4' })
    await eventually(() => second.bytes().toString() === 'ef', 'the rest comes')
  })

  it('stop at a window until the reader says that it has read, and drain then', async () => {
    const { link, ask, end } = await opened()
    const stream = events(link)
    const all = Buffer.alloc(1_000_000, 'abcdefghijk')
    expect(end.connection.write([all])).toBe(false)
    await eventually(() => stream.bytes().length >= 256 * 1024, 'the window is full')
    for (let i = 0; i < 10; i++) await (await ask('POST', { 'sealway-offset': 0 }, '')).arrayBuffer()
    expect(stream.bytes().length).toBeLessThan(256 * 1024 + 48 * 1024)
    expect(end.drains).toBe(0)
    for (let read = 0; read < all.length; ) {
      read = stream.bytes().length
      expect((await ask('POST', { 'sealway-read': read, 'sealway-offset': 0 }, '')).status).toBe(204)
      await eventually(() => stream.bytes().length > read || read === all.length, 'more comes')
    }
    expect(stream.bytes().equals(all)).toBe(true)
    expect(end.drains).toBe(1)
  })
})

it('loses and doubles nothing where a proxy on the way drops answers, after it has passed on what was asked', async () => {
  // Each direction for itself: no request is repeated into the next loss, however the two fall together.
  const counts = new Map<string | undefined, number>()
  const port = Number(new URL(url).port)
  const proxy = createServer((request, response) => {
    const onward = httpRequest({
      port,
      host: '127.0.0.1',
      method: request.method,
      path: request.url,
      headers: request.headers,
    })
    onward.on('error', () => response.destroy())
    onward.on('response', (answer) => {
      const { method } = request
      const count = (counts.get(method) ?? 0) + 1
      if (request.headers['sealway-link'] !== undefined) counts.set(method, count)
      const drop = count % 3 === 0
      response.writeHead(answer.statusCode!, answer.headers)
      if (!drop) answer.pipe(response)
      else {
        // Half of the answer at most, and then the connection breaks.
        answer.once('data', (chunk: Buffer) => response.write(chunk.subarray(0, chunk.length / 2)))
        answer.once('end', () => response.destroy())
        answer.resume()
      }
    })
    request.pipe(onward)
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  closers.push(() => {
    proxy.closeAllConnections()
    proxy.close()
  })
  const near = await httpTransport.connect(`sealway+http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, {})
  const seen: Buffer[] = []
  const closes: unknown[] = []
  near.start({
    data: (chunk) => void seen.push(Buffer.from(chunk)),
    drain() {},
    close: (error) => void closes.push(error),
  })
  const [up, down] = [Buffer.alloc(400_000, '0123456789'), Buffer.alloc(700_000, 'abcdefg')]
  for (let at = 0; at < up.length; at += 20_000) {
    near.write([up.subarray(at, at + 20_000)])
    far[0]!.connection.write([down.subarray((at * 7) / 4, ((at + 20_000) * 7) / 4)])
    await eventually(() => Buffer.concat(far[0]!.chunks).length >= at, 'what was written before comes')
  }
  await eventually(() => Buffer.concat(seen).length >= down.length, 'all comes down')
  await eventually(() => Buffer.concat(far[0]!.chunks).length >= up.length, 'all comes up')
  expect(Buffer.concat(seen).equals(down)).toBe(true)
  expect(Buffer.concat(far[0]!.chunks).equals(up)).toBe(true)
  expect([...counts.values()].reduce((sum, count) => sum + count) > 10).toBe(true)
  expect(closes).toEqual([])
  near.destroy()
  await eventually(() => far[0]!.closes.length === 1, 'the mediator is told')
})

it('gives up, with an error, where the mediator has gone', async () => {
  const near = await httpTransport.connect(`sealway+${url}`, {})
  const closes: (Error | undefined)[] = []
  near.start({ data() {}, drain() {}, close: (error) => void closes.push(error) })
  await eventually(() => far.length === 1, 'it is there')
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  await eventually(() => closes.length === 1, 'it notices')
  expect((closes[0] as NodeJS.ErrnoException).code).toMatch(/^ECONN/)
})

it('is over, in order, where the mediator knows it no more', async () => {
  const near = await httpTransport.connect(`sealway+${url}`, {})
  const closes: (Error | undefined)[] = []
  near.start({ data() {}, drain() {}, close: (error) => void closes.push(error) })
  far[0]!.connection.destroy()
  await eventually(() => closes.length === 1, 'it notices')
  expect(closes).toEqual([undefined])
})
