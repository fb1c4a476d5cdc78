import { encodeData, encodeFrame, encodeRequest, encodeResponse, encodeTrailers, FrameType } from '@sealway/protocol'
import type { Exchange } from '../../../client-lib/src/http/exchange.js'
import { httpAction } from '../../../client-lib/src/http/sealed/frames.js'
import type { Node } from '../../../client-lib/src/node.js'
import { Net } from '../../support/net'
import { Collected, hostileOn, ok, openStreams, serveOn } from '../../support/sealed-http'
import { rejection, turns, until } from '../../support/until'

const get = { method: 'GET', target: '/', headers: [] }
const post = { method: 'POST', target: '/', headers: [] }

let net: Net
let server: Node
let client: Node
beforeEach(async () => {
  net = new Net()
  server = await net.join('server')
  client = await net.join('client')
})
afterEach(() => net.close())

/** Collects each request, and answers it when its body has come. */
function answerAll(answer: (exchange: Exchange, request: Collected) => void): Collected[] {
  const requests: Collected[] = []
  serveOn(server, (exchange) => {
    const request = new Collected(exchange)
    requests.push(request)
    request.onEnd = () => answer(exchange, request)
    exchange.start(request)
  })
  return requests
}

describe('a request over a sealed stream', () => {
  it('arrives as it was sent, with who sent it', async () => {
    const requests = answerAll((exchange) => exchange.respond(ok(), undefined, true))
    const headers = { 'X-Token': 'é', Connection: 'x-secret, close', 'x-secret': '1', te: 'trailers' }
    await client.fetch('http://server/a b?q=ü#fragment', { method: 'POST', headers, body: 'text' })
    const { head, asker } = requests[0]!.exchange
    expect(head).toEqual({
      method: 'POST',
      target: '/a%20b?q=%C3%BC',
      headers: [
        ...['host', 'server', 'x-token', 'é', 'accept', '*/*'],
        ...['content-type', 'text/plain;charset=UTF-8', 'content-length', '4'],
      ],
    })
    expect(asker).toEqual({
      sealed: true,
      from: 'client',
      group: undefined,
      key: expect.stringMatching(/^client\/\d+$/),
    })
    expect(requests[0]!.body).toBe('text')
    await client.fetch('any:g/', {})
    expect(requests[1]!.exchange.asker.group).toBe('g')
    expect(requests[1]!.exchange.head.headers.slice(0, 2)).toEqual(['host', 'g'])
  })

  it('costs one frame there and one back where both are small', async () => {
    answerAll((exchange) => exchange.respond(ok(), Buffer.from('answer'), true))
    await client.fetch('http://server/', { method: 'POST', body: 'warm' })
    const sent: string[] = []
    net.tamper = (frame, direction, name) => {
      if (direction === 'up' && frame[4] === FrameType.send) sent.push(name)
      return [frame]
    }
    const response = await client.fetch('http://server/', { method: 'POST', body: 'question' })
    expect(await response.text()).toBe('answer')
    await until(() => !openStreams(client) && !openStreams(server), 'both ends know that it is over')
    expect(sent).toEqual(['client', 'server'])
  })

  it('passes by a codec of the user, which may know nothing of bytes', async () => {
    const codec = {
      encode: (body: unknown) => Buffer.from(JSON.stringify({ body })),
      decode: (bytes: Uint8Array) => (JSON.parse(Buffer.from(bytes).toString()) as { body: unknown }).body,
    }
    const one = await net.join('one', { codec })
    const two = await net.join('two', { codec })
    serveOn(one, (exchange) => exchange.respond(ok(), Buffer.from([0, 255]), true))
    const response = await two.fetch('http://one/')
    expect(Buffer.from(await response.arrayBuffer())).toEqual(Buffer.from([0, 255]))
  })

  it('brings body, trailers and its end bit by bit', async () => {
    const requests = answerAll((exchange) => exchange.respond(ok(), undefined, true))
    const reader = client.stream('server', httpAction, encodeRequest(0, post, Buffer.from('a'), false))
    const { input } = reader
    await until(() => requests[0]?.body === 'a', 'the first piece')
    expect(requests[0]!.ended).toBe(false)
    const rest = Buffer.concat([encodeData(0, Buffer.from('bc'), false), encodeTrailers(0, ['x-sum', '1'])])
    // Cut anywhere: bytes are one stream of bytes.
    await input.write(rest.subarray(0, 5))
    await input.write(rest.subarray(5))
    await reader.next()
    expect([requests[0]!.body, requests[0]!.trailers]).toEqual(['abc', ['x-sum', '1']])
  })

  it('is handed on only as far as the app has consumed it', async () => {
    let exchange: Exchange | undefined
    let bytes = 0
    serveOn(server, (one) => {
      exchange = one
      one.start({ data: (chunk) => (bytes += chunk.length), end() {}, aborted() {}, drain() {} })
    })
    const response = client.fetch('http://server/', { method: 'POST', body: Buffer.alloc(1_000_000) })
    await until(() => bytes >= 64 * 1024, 'the first window')
    const first = bytes
    expect(first).toBeLessThan(192 * 1024)
    exchange!.consumed(first)
    await until(() => bytes > first, 'more of it')
    exchange!.respond(ok(), undefined, true)
    await response
  })

  it.each([
    ['nothing', undefined],
    ['no bytes', { method: 'GET' }],
    ['bytes that are no frame', Buffer.alloc(100)],
    ['half a frame', encodeRequest(0, { method: 'GET', target: '/', headers: [] }).subarray(0, 20)],
    ['two frames', Buffer.concat([encodeRequest(0, get), encodeRequest(0, get)])],
    ['a response', encodeResponse(0, ok())],
    ['a number that is not 0', encodeRequest(1, get)],
    ['a flag that is none', Buffer.from(encodeRequest(0, get)).fill(3, 5, 6)],
    ['a target that is no path', Buffer.from(encodeRequest(0, get)).fill('x', 20, 21)],
    ['a line break in a value', Buffer.from(encodeRequest(0, { ...get, headers: ['x', 'ab'] })).fill('\n', 27, 28)],
  ])('is refused where it is %s, and no app sees it', async (_what, opening) => {
    const requests = answerAll(() => {})
    const refused: string[] = []
    server.events.on('refused', ({ from, code }) => refused.push(`${from} ${code}`))
    const error = await rejection(client.stream('server', httpAction, opening).next())
    expect([error.code, error.outcome]).toEqual(['MALFORMED', 'not-delivered'])
    expect(refused).toEqual(['client MALFORMED'])
    expect(requests).toEqual([])
  })

  it('is not answered where it is no stream', async () => {
    answerAll(() => {})
    expect(await rejection(client.call('server', httpAction, encodeRequest(0, get)))).toMatchObject({
      code: 'APPLICATION_ERROR',
      data: { code: 'INVALID_ARGUMENT' },
    })
  })

  it('that goes wrong in its middle is broken off at both ends', async () => {
    const requests = answerAll(() => {})
    const reader = client.stream('server', httpAction, encodeRequest(0, post, undefined, false))
    await reader.input.write(encodeResponse(0, ok()))
    expect((await rejection(reader.next())).code).toBe('MALFORMED')
    expect(requests[0]!.error).toMatchObject({ code: 'MALFORMED' })
    expect(requests[0]!.exchange.signal.aborted).toBe(true)
    await until(() => !openStreams(client) && !openStreams(server), 'no stream is left')
  })
})

describe('an answer over a sealed stream', () => {
  it('comes with its informational responses left out, and its trailers', async () => {
    answerAll((exchange) => {
      exchange.inform({ status: 103, reason: 'Early Hints', headers: ['link', '</a.css>'] })
      exchange.respond(ok(['Set-Cookie', 'a=1', 'Set-Cookie', 'b=2']), undefined, false)
      exchange.write(Buffer.from('one '))
      exchange.end(Buffer.from('two'), ['x-sum', '1'])
    })
    const response = await client.fetch('http://server/')
    expect([response.status, response.headers.getSetCookie()]).toEqual([200, ['a=1', 'b=2']])
    expect(await response.text()).toBe('one two')
  })

  it('may be written over while it is on its way', async () => {
    answerAll((exchange) => {
      const shared = Buffer.alloc(100_000, 'a')
      exchange.respond(ok(), shared, false)
      shared.fill('b')
      exchange.end(shared)
      shared.fill('c')
    })
    const text = await (await client.fetch('http://server/')).text()
    expect(text).toBe('a'.repeat(100_000) + 'b'.repeat(100_000))
  })

  it('waits for who reads it, and tells its writer when to go on', async () => {
    const chunk = Buffer.alloc(16 * 1024)
    let written = 0
    let request!: Collected
    const writeOn = (): void => {
      do written += chunk.length
      while (request.exchange.write(chunk))
    }
    serveOn(server, (exchange) => {
      request = new Collected(exchange)
      request.onDrain = writeOn
      exchange.start(request)
      exchange.respond(ok(), undefined, false)
      writeOn()
    })
    const response = await client.fetch('http://server/')
    await turns()
    // The credit, and what waits here for more of it.
    expect(written).toBeLessThan(768 * 1024)
    const reader = response.body!.getReader()
    for (let read = 0; read < 1024 * 1024; ) read += (await reader.read()).value!.length
    expect(written).toBeGreaterThan(1024 * 1024)
    await reader.cancel()
    await until(() => request.error !== undefined, 'the writer knows that nobody reads')
    expect(request.error).toMatchObject({ code: 'ABORTED' })
  })

  it('refuses a head that is not HTTP, and sends nothing of it', async () => {
    let refused: unknown
    answerAll((exchange) => {
      try {
        exchange.respond(ok(['x', 'a\r\nb: c']), undefined, true)
      } catch (error) {
        refused = error
        exchange.respond({ status: 500, reason: '', headers: [] }, undefined, true)
      }
    })
    expect((await client.fetch('http://server/')).status).toBe(500)
    expect(refused).toMatchObject({ code: 'MALFORMED' })
  })

  it('that is reset reaches the one who asked with its code, and the one who reset it hears no more', async () => {
    const requests = answerAll((exchange) => exchange.reset('BUSY'))
    expect(await rejection(client.fetch('http://server/'))).toMatchObject({ code: 'BUSY' })
    expect(requests[0]!.error).toBeUndefined()
    await until(() => !openStreams(server), 'no stream is left')
  })

  it.each([
    ['nothing', []],
    ['no frame', [Buffer.from('HTTP/1.1 200 OK\r\n\r\n')]],
    ['a body without a head', [encodeData(0, Buffer.from('x'), true)]],
    ['a status that is none', [encodeResponse(0, ok()).fill(0x20, 16, 19)]],
    ['half a head', [encodeResponse(0, ok(['a', 'b'])).subarray(0, 20)]],
    ['an item that is no bytes', [{ status: 200 }]],
    ['a frame of 4 GiB', [Buffer.alloc(12, 255)]],
    [
      'hints without end',
      Array.from({ length: 100 }, () => encodeResponse(0, { ...ok(), status: 103 }, undefined, false)),
    ],
    ['a switch of protocols that nobody asked for', [encodeResponse(0, { ...ok(), status: 101 }, undefined, false)]],
  ])('that begins with %s is a bad answer', async (_what, items) => {
    hostileOn(server, async function* () {
      yield* items
    })
    const error = await rejection(client.fetch('http://server/'))
    expect([error.code, error.target]).toEqual(['BAD_ANSWER', 'server'])
    await until(() => !openStreams(client), 'no stream is left')
  })

  it.each([
    ['is cut off', [encodeResponse(0, ok(), Buffer.from('a'), false)]],
    ['has a second head', [encodeResponse(0, ok(), Buffer.from('a'), false), encodeResponse(0, ok())]],
    [
      'has trailers that are none',
      [encodeResponse(0, ok(), Buffer.from('a'), false), encodeFrame(FrameType.trailers, 0, Buffer.from('\r\nx'))],
    ],
  ])('that %s fails while it is read', async (_what, items) => {
    hostileOn(server, async function* () {
      yield* items
    })
    const response = await client.fetch('http://server/')
    expect(await rejection(response.text())).toMatchObject({ code: 'BAD_ANSWER', target: 'server' })
    await until(() => !openStreams(client), 'no stream is left')
  })
})
