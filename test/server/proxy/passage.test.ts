import { limits } from '@sealway/protocol'
import { ByName, echo } from '../../support/http-by-name'
import { eventually } from '../../support/until'

let world: ByName
const start = async (...options: Parameters<typeof ByName.start>) => {
  world = await ByName.start(...options)
  return world
}
afterEach(() => world.close())

const KiB = 1024

describe('a request to one node', () => {
  it('reaches it as it was sent, and its answer comes back as it was given', async () => {
    const { ask, node } = bound(await start())
    const n = await node({ name: 'n' })
    const answer = ask('/one/g/n/a%2Fb/../c;x?q=%zz&q=2', {
      method: 'PATCH',
      headers: { 'X-Twice': ['1', '2'], 'Content-Type': 'text/x' },
      body: 'abc',
    })
    const exchange = await n.exchange(0)
    expect(exchange.head).toMatchObject({ method: 'PATCH', target: '/a%2Fb/../c;x?q=%zz&q=2' })
    expect(exchange.all('x-twice')).toEqual(['1', '2'])
    expect(exchange.header('content-type')).toBe('text/x')
    expect((await exchange.whole()).toString()).toBe('abc')
    exchange.respond(418, ['X-Two', 'a', 'X-Two', 'b', 'Content-Length', '4', 'Date', 'then'], 'pong', true, 'Short')
    const { status, reason, rawHeaders, body } = await answer
    expect([status, reason, body.toString()]).toEqual([418, 'Short', 'pong'])
    expect(valuesOf(rawHeaders, 'x-two')).toEqual(['a', 'b'])
    expect(valuesOf(rawHeaders, 'date')).toEqual(['then'])
    expect(valuesOf(rawHeaders, 'content-length')).toEqual(['4'])
    expect(valuesOf(rawHeaders, 'server-timing')[0]).toMatch(/^sealway;dur=[\d.]+, node;dur=[\d.]+$/)
  })

  it('is one frame where its body is small, and so is its answer', async () => {
    const { ask, node } = bound(await start())
    const n = await node({ onWhole: echo })
    const { body } = await ask('/one/g/n/', { method: 'POST', body: Buffer.alloc(32 * KiB, 'x') })
    expect(body.length).toBe(32 * KiB)
    expect(n.exchanges[0]!.frames).toBe(1)
  })

  it('is begun before its body is there, where that takes longer than a turn', async () => {
    const { node, raw, bearer } = bound(await start())
    const n = await node()
    const client = raw().send('POST /one/g/n/ HTTP/1.1', 'Host: x', `Authorization: Bearer ${bearer}`, '')
    client.send('Content-Length: 4', '', 'ab')
    const exchange = await n.exchange(0)
    await exchange.until('first half', ({ body }) => body.toString() === 'ab')
    expect(exchange.ended).toBe(false)
    client.send('cd')
    expect((await exchange.whole()).toString()).toBe('abcd')
    exchange.respond(204)
    await client.until('answer', (text) => text.includes('204 No Content'))
  })

  it.each([
    ['/one/g/n', '/'],
    ['/one/g/n?x=/y', '/?x=/y'],
    ['/one/g/n/', '/'],
    ['/one/g/n//a', '//a'],
    ['/any/g?z', '/?z'],
  ])('%s asks for %s', async (path, target) => {
    const { ask, node } = bound(await start())
    const n = await node({ onWhole: echo })
    await ask(path)
    expect(n.exchanges[0]!.head.target).toBe(target)
  })

  it('has no body in its answer to HEAD, with 204 and with 304, and keeps what the length would be', async () => {
    const { ask, node } = bound(await start())
    const n = await node({
      onRequest: (exchange) => exchange.respond(Number(exchange.head.target.slice(1)), ['Content-Length', '7']),
    })
    for (const [method, status, length] of [
      ['HEAD', 200, '7'],
      ['GET', 304, '7'],
      ['GET', 204, undefined],
    ] as const) {
      const answer = await ask(`/one/g/n/${status}`, { method })
      expect([answer.status, answer.body.length, answer.headers['content-length']]).toEqual([status, 0, length])
      expect(answer.headers['transfer-encoding']).toBeUndefined()
    }
    expect(n.exchanges).toHaveLength(3)
  })

  it('drops what a node sends behind its answer to HEAD', async () => {
    const { ask, node } = bound(await start())
    await node({
      onRequest: (exchange) => exchange.respond(200, ['Content-Length', '7'], 'abc', false).data('defg', true),
    })
    const { status, body, headers } = await ask('/one/g/n/', { method: 'HEAD' })
    expect([status, body.length, headers['content-length']]).toEqual([200, 0, '7'])
  })

  it('comes in chunks and with trailers, both ways', async () => {
    const { node, raw, bearer } = bound(await start())
    const n = await node()
    const client = raw().send('POST /one/g/n/ HTTP/1.1', 'Host: x', `Authorization: Bearer ${bearer}`, '')
    client.send('Transfer-Encoding: chunked', 'Trailer: X-Sum', '', '3', 'abc', '0', 'X-Sum: 7', 'Host: evil', '', '')
    const exchange = await n.exchange(0)
    await exchange.whole()
    expect(exchange.body.toString()).toBe('abc')
    expect(exchange.trailers).toEqual(['X-Sum', '7'])
    expect(exchange.header('transfer-encoding')).toBeUndefined()
    exchange.respond(200, ['Trailer', 'X-Out'], 'one', false).data('two').end(['X-Out', '9', 'Content-Length', '1'])
    const text = await client.until('end of the answer', (all) => all.includes('X-Out: 9') && all)
    expect(text).toContain('3\r\none\r\n3\r\ntwo\r\n0\r\nX-Out: 9\r\n\r\n')
    expect(text.match(/content-length/i)).toBeNull()
  })

  it('is answered before its body has ended, and the connection goes on', async () => {
    const { node, raw, bearer } = bound(await start())
    const n = await node({ onRequest: (exchange) => exchange.respond(200, ['Content-Length', '2'], 'ok') })
    const head = [
      'POST /one/g/n/ HTTP/1.1',
      'Host: x',
      `Authorization: Bearer ${bearer}`,
      'Content-Length: 100000',
      '',
      '',
    ]
    const client = raw().send(...head)
    await client.until('answer', (text) => text.endsWith('ok'))
    client.socket.write(Buffer.alloc(100_000))
    client.send(...head)
    await client.until('second answer', () => client.statuses.length === 2)
    expect(client.statuses).toEqual([200, 200])
    // Nobody wanted what was left of the body.
    expect(n.exchanges[0]!.body.length).toBe(0)
  })

  it('keeps 103 for a client that asked before, until that is answered; 102 says nothing by then', async () => {
    const { bearer, ...made } = bound(await start())
    const node = await made.node({ name: 'early' })
    const client = made.raw()
    const ask = (path: string) => [
      `GET /one/g/early/${path} HTTP/1.1`,
      'Host: x',
      `Authorization: Bearer ${bearer}`,
      // Not so plain that it is answered before the next one is read.
      'Connection: keep-alive, x-hop',
      '',
      '',
    ]
    client.send(...ask('first').slice(0, -1), ...ask('second').slice(0, -1), ...ask('third'))
    const [first, second, third] = [await node.exchange(0), await node.exchange(1), await node.exchange(2)]
    const links = [
      'Link',
      '</a.css>; rel=preload',
      'Link',
      '</b.js>; rel=preload',
      'X-One',
      '1',
      'Connection',
      'close, X-Two',
      'X-Two',
      '2',
    ]
    second
      .raw(response(second.number, 102, []))
      .raw(response(second.number, 103, links))
      .respond(200, [], 'second')
    third.raw(response(third.number, 103, ['Link', 'what?'])).respond(200, [], 'third')
    first.respond(200, [], 'first')
    await client.until('all of it', (text) => text.endsWith('third') || text.includes('third\r\n'))
    expect(client.statuses).toEqual([200, 103, 200, 200])
    const [, hints] = client.text.split('first')
    expect(hints!.slice(0, hints!.indexOf('HTTP/1.1 200'))).toBe(
      // The end of the first answer's chunks, and then ours.
      '\r\n0\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload, </b.js>; rel=preload\r\nx-one: 1\r\n\r\n',
    )
  })

  it('passes 103 and what else comes before an answer', async () => {
    const { ask, node } = bound(await start())
    const n = await node()
    const answer = ask('/one/g/n/')
    const exchange = await n.exchange(0)
    for (const [status, name] of [
      [102, 'X-A'],
      [103, 'Link'],
    ] as const) {
      const hop = ['Connection', 'X-Hop', 'X-Hop', '1', 'Keep-Alive', 'timeout=5', 'Content-Length', '3']
      exchange.raw(response(exchange.number, status, [name, '</x>; rel=preload', ...hop]))
    }
    exchange.respond(200)
    expect((await answer).informed).toEqual([
      { status: 102, headers: ['X-A', '</x>; rel=preload'] },
      { status: 103, headers: ['Link', '</x>; rel=preload'] },
    ])
  })

  it('hands Expect to the node, and 100 to the client, who then sends its body', async () => {
    const { node, raw, bearer } = bound(await start())
    const n = await node()
    const client = raw().send('PUT /one/g/n/ HTTP/1.1', 'Host: x', `Authorization: Bearer ${bearer}`, '')
    client.send('Expect: 100-continue', 'Content-Length: 3', '', '')
    const exchange = await n.exchange(0)
    expect([exchange.header('expect'), exchange.ended, client.text]).toEqual(['100-continue', false, ''])
    exchange.raw(response(exchange.number, 100, []))
    await client.until('100', () => client.statuses.includes(100))
    client.send('abc')
    expect((await exchange.whole()).toString()).toBe('abc')
    exchange.respond(200, ['Content-Length', '0'])
    await client.until('answer', () => client.statuses.includes(200))
    expect(client.text).not.toMatch(/connection: close/i)
  })

  it('ends the connection where the node refuses what it expected: nobody knows whether the body follows', async () => {
    const { node, raw, bearer } = bound(await start())
    await node({ onRequest: (exchange) => exchange.respond(417, ['Content-Length', '0']) })
    const client = raw().send('PUT /one/g/n/ HTTP/1.1', 'Host: x', `Authorization: Bearer ${bearer}`, '')
    client.send('Expect: 100-continue', 'Content-Length: 3', '', '')
    await client.untilClosed()
    expect(client.statuses).toEqual([417])
    expect(client.text).toMatch(/connection: close/i)
  })

  it('is found by its host name where a domain is set', async () => {
    const { ask, node } = bound(await start({ config: { httpDomain: 'nodes.test' } }))
    const n = await node({ onWhole: echo })
    const at = (host: string, path: string) => ask(path, { headers: { Host: host } }).then(({ status }) => status)
    expect(await at('n.g.nodes.test:4567', '/link?x')).toBe(200)
    expect(await at('N.G.Nodes.TEST', '/one/g/other/')).toBe(200)
    expect(n.exchanges.map(({ head }) => head.target)).toEqual(['/link?x', '/one/g/other/'])
    expect(n.exchanges[0]!.header('x-forwarded-prefix')).toBeUndefined()
    expect(await at('x.n.g.nodes.test', '/')).toBe(404)
    expect(await at('nodes.test', '/healthz')).toBe(200)
    expect(await at('n.g.evil.test', '/one/g/n/')).toBe(200)
    expect(n.exchanges[2]!.head.target).toBe('/')
  })

  it('leaves what is not for nodes to others', async () => {
    const { ask } = bound(await start())
    expect((await ask('/healthz')).body.toString()).toBe('{"alive":true}')
    expect((await ask('/oneself')).status).toBe(404)
    expect(
      (await ask('/v1/nodes', { method: 'POST', headers: { Expect: '100-continue' }, body: '{}' })).informed,
    ).toEqual([{ status: 100, headers: [] }])
  })
})

describe('a body of any length', () => {
  it('stops at the window of the node, and goes on as far as it grants', async () => {
    const { node, raw, bearer } = bound(await start())
    const n = await node({ grants: false })
    const size = 16 * 1024 * KiB
    const client = raw().send('POST /one/g/n/ HTTP/1.1', 'Host: x', `Authorization: Bearer ${bearer}`, '')
    client.send(`Content-Length: ${size}`, '', '')
    client.socket.write(Buffer.alloc(size, 'u'))
    const exchange = await n.exchange(0)
    const window = limits.exchangeWindowBytes
    await exchange.until('a window', ({ body }) => body.length >= window)
    expect(exchange.body.length).toBe(window)
    expect(client.socket.writableLength).toBeGreaterThan(0)
    exchange.grant(1_000)
    await exchange.until('a little more', ({ body }) => body.length >= window + 1_000)
    expect(exchange.body.length).toBe(window + 1_000)
    exchange.grant(size)
    expect((await exchange.whole()).length).toBe(size)
    expect(exchange.body.every((byte) => byte === 0x75)).toBe(true)
    exchange.respond(200, ['Content-Length', '2'], 'ok')
    await client.until('answer', (text) => text.endsWith('ok'))
  })

  it('is granted to the node only as the client takes it, and is part of the budget until then', async () => {
    const { node, raw, bearer, started } = bound(await start())
    const n = await node()
    const client = raw()
    client.socket.pause()
    client.send('GET /one/g/n/ HTTP/1.1', 'Host: x', `Authorization: Bearer ${bearer}`, '', '')
    const exchange = await n.exchange(0)
    exchange.respond(200, [], '', false)
    const piece = Buffer.alloc(32 * KiB, 'd')
    let sent = 0
    const { budget } = started.mediator.relay
    // As fast as the window allows, until nothing is granted any more: the kernel's buffers are full. In turns, not in
    // time: whatever else the processor does meanwhile, sockets are looked at in each of them.
    const full = async () => {
      while (exchange.window >= piece.length) {
        exchange.data(piece)
        sent += piece.length
      }
      for (let turn = 0; turn < 200; turn++) {
        await new Promise((resolve) => setTimeout(resolve, 5))
        if (exchange.window >= piece.length) return false
      }
      return true
    }
    await eventually(full, 'the client takes nothing any more')
    expect(sent).toBeGreaterThan(limits.exchangeWindowBytes)
    expect(budget.usedBytes).toBeGreaterThan(0)
    expect(budget.usedBytes).toBeLessThanOrEqual(limits.exchangeWindowBytes)
    client.socket.resume()
    await n.until('a grant', () => exchange.window >= piece.length)
    exchange.data('', true)
    await client.until('end of the answer', (text) => text.endsWith('0\r\n\r\n'))
    await eventually(() => budget.usedBytes === 0, 'nothing is held')
  })

  it('does not delay another exchange of the same link', async () => {
    const { ask, node, raw, bearer } = bound(await start())
    const n = await node()
    const slow = raw()
    slow.socket.pause()
    slow.send('GET /one/g/n/slow HTTP/1.1', 'Host: x', `Authorization: Bearer ${bearer}`, '', '')
    const first = await n.exchange(0)
    first.respond(200, [], Buffer.alloc(64 * KiB), false)
    while (first.window >= 64 * KiB) first.data(Buffer.alloc(64 * KiB))
    for (let i = 1; i <= 20; i++) {
      const answer = ask('/one/g/n/quick')
      const exchange = await n.exchange(i)
      exchange.respond(200, [], 'quick')
      expect((await answer).body.toString()).toBe('quick')
    }
    slow.destroy()
    await n.until('reset', () => first.resetCode === 'ABORTED')
  })
})

describe('answers that are none', () => {
  it.each([
    ['a head that is no HTTP', 'GARBAGE'],
    ['two lengths', ['Content-Length', '1', 'Content-Length', '1']],
    ['a length that is no number', ['Content-Length', '+1']],
    ['a length that is less', ['Content-Length', '2']],
    ['a length that is more', ['Content-Length', '9']],
  ])('%s: 502 BAD_ANSWER', async (_what, headers) => {
    const { refusal, node } = bound(await start())
    await node({
      onRequest: (exchange) => {
        if (typeof headers === 'string') exchange.raw(headFrame(exchange.number, 'GARBAGE'))
        else exchange.respond(200, headers, 'abc')
      },
    })
    expect(await refusal('/one/g/n/')).toEqual([502, 'BAD_ANSWER'])
    await idle()
  })

  it.each([
    ['data before the head', (n: number) => frameOf(23, n, 'x')],
    ['trailers before the head', (n: number) => frameOf(24, n, '\r\na: b')],
    ['a header with a line of its own', (n: number) => headFrame(n, '200 \r\nA: b\nC: d')],
    ['a header without a colon', (n: number) => headFrame(n, '200 \r\nnone')],
    ['a reason with a zero', (n: number) => headFrame(n, '200 a\0')],
    ['a head that is longer than its frame', (n: number) => frameOf(22, n, '\0\0\x10 200 OK')],
    ['status 600', (n: number) => headFrame(n, '600 ')],
    ['status 101, which nobody asked for', (n: number) => headFrame(n, '101 ')],
    ['204 with a body', (n: number) => headFrame(n, '204 ', 'abc')],
    ['an end with 103', (n: number) => headFrame(n, '103 ', '', 1)],
    ['unknown flags', (n: number) => headFrame(n, '200 ', '', 2)],
    ['a grant of three bytes', (n: number) => frameOf(25, n, 'abc')],
    ['64 KiB of headers', (n: number) => headFrame(n, `200 \r\nA: ${'b'.repeat(65_536)}`)],
  ])('%s: 502 BAD_ANSWER, a reset, and the link lives', async (_what, frame) => {
    const { refusal, ask, node } = bound(await start())
    const n = await node()
    const answer = refusal('/one/g/n/')
    const exchange = await n.exchange(0)
    exchange.raw(frame(exchange.number))
    expect(await answer).toEqual([502, 'BAD_ANSWER'])
    await exchange.until('reset', ({ resetCode }) => resetCode === 'BAD_ANSWER')
    // What comes for it now is ignored.
    exchange.raw(frame(exchange.number))
    const next = ask('/one/g/n/')
    ;(await n.exchange(1)).respond(200)
    expect((await next).status).toBe(200)
    expect(n.closed).toBe(false)
    await idle()
  })

  it('more answers below 200 than anybody needs', async () => {
    const { refusal, node } = bound(await start())
    const n = await node({
      onRequest: (exchange) => {
        for (let i = 0; i < 1_000; i++) exchange.raw(response(exchange.number, 103, []))
      },
    })
    const [status] = await refusal('/one/g/n/')
    expect(status).toBe(502)
    await n.exchanges[0]!.until('reset', ({ resetCode }) => resetCode === 'BAD_ANSWER')
  })

  it.each([
    ['a second head', (n: number) => headFrame(n, '200 ')],
    ['more than its length', (n: number) => frameOf(23, n, 'x'.repeat(100))],
    ['an end before its length', (n: number) => frameOf(23, n, '', 1)],
    ['a reset', (n: number) => frameOf(26, n, '\0\x1f')],
    ['trailers before its length', (n: number) => frameOf(24, n, '')],
  ])('%s in the middle of one: the connection ends without a whole answer', async (_what, frame) => {
    const { node, raw, bearer } = bound(await start())
    const n = await node()
    const client = raw().send('GET /one/g/n/ HTTP/1.1', 'Host: x', `Authorization: Bearer ${bearer}`, '', '')
    const exchange = await n.exchange(0)
    exchange.respond(200, ['Content-Length', '50'], 'begin', false)
    await client.until('beginning', (text) => text.endsWith('begin'))
    exchange.raw(frame(exchange.number))
    await client.untilClosed()
    expect(client.text.endsWith('begin')).toBe(true)
    await idle()
  })

  it('more than the window allows', async () => {
    const { node, raw, bearer } = bound(await start())
    const n = await node()
    const client = raw()
    client.socket.pause()
    client.send('GET /one/g/n/ HTTP/1.1', 'Host: x', `Authorization: Bearer ${bearer}`, '', '')
    const exchange = await n.exchange(0)
    exchange.respond(200, [], '', false)
    const flood = Buffer.alloc(64 * KiB)
    await eventually(() => {
      if (n.writable) exchange.data(flood)
      return exchange.resetCode === 'BAD_ANSWER'
    }, 'a reset')
    client.socket.resume()
    await client.untilClosed()
    expect(client.text.endsWith('0\r\n\r\n')).toBe(false)
  })

  it('a node that goes in the middle of its answer: the connection ends without a whole answer', async () => {
    const { node, raw, bearer } = bound(await start())
    const n = await node()
    const client = raw().send('GET /one/g/n/ HTTP/1.1', 'Host: x', `Authorization: Bearer ${bearer}`, '', '')
    ;(await n.exchange(0)).respond(200, [], 'begin', false)
    await client.until('beginning', (text) => text.includes('begin'))
    n.close()
    await client.untilClosed()
    expect(client.text.endsWith('0\r\n\r\n')).toBe(false)
    await idle()
  })

  it('a node that goes before its answer: 502 PEER_GONE', async () => {
    const { refusal, node } = bound(await start())
    const n = await node()
    const answer = refusal('/one/g/n/')
    await n.exchange(0)
    n.close()
    expect(await answer).toEqual([502, 'PEER_GONE'])
  })

  it('a frame for an exchange that never was ends the link', async () => {
    const { node } = bound(await start())
    const n = await node()
    n.write(frameOf(23, 7, 'x'))
    await n.until('end of the link', () => n.closed)
    expect(n.closeText).toContain('MALFORMED')
  })
})

describe('time', () => {
  it('ends an exchange whose answer does not begin: 504 TIMEOUT', async () => {
    const { refusal, node } = bound(await start({ config: { httpTimeoutMs: 300 } }))
    const n = await node()
    expect(await refusal('/one/g/n/')).toEqual([504, 'TIMEOUT'])
    await n.exchanges[0]!.until('reset', ({ resetCode }) => resetCode === 'TIMEOUT')
  })

  it('ends an answer in which nothing moves', async () => {
    const { node, raw, bearer } = bound(await start({ config: { httpIdleTimeoutMs: 300, httpTimeoutMs: 60_000 } }))
    const n = await node({ onRequest: (exchange) => exchange.respond(200, [], 'begin', false) })
    const client = raw().send('GET /one/g/n/ HTTP/1.1', 'Host: x', `Authorization: Bearer ${bearer}`, '', '')
    await client.untilClosed()
    expect(client.text).toContain('begin')
    await n.exchanges[0]!.until('reset', ({ resetCode }) => resetCode === 'TIMEOUT')
  })
})

const bound = (world: ByName) => ({
  ask: world.ask.bind(world),
  refusal: world.refusal.bind(world),
  node: world.node.bind(world),
  raw: world.raw.bind(world),
  bearer: world.bearer,
  started: world.started,
})

const idle = () =>
  eventually(() => {
    const { requests, exchanges } = world.started.mediator.proxy.inFlight()
    return requests === 0 && exchanges === 0
  }, 'nothing is under way')

const valuesOf = (raw: readonly string[], name: string) =>
  raw.filter((_, i) => i % 2 === 1 && raw[i - 1]!.toLowerCase() === name)

function frameOf(type: number, number: number, body: string, flags = 0): Uint8Array {
  const bytes = Buffer.from(body, 'latin1')
  const head = Buffer.alloc(12)
  head.writeUInt32BE(bytes.length, 0)
  head[4] = type
  head[5] = flags
  head.writeUInt32BE(number, 8)
  return Buffer.concat([head, bytes])
}

function headFrame(number: number, head: string, body = '', flags = 0): Uint8Array {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(head.length)
  return frameOf(22, number, length.toString('latin1') + head + body, flags)
}

function response(number: number, status: number, headers: readonly string[]): Uint8Array {
  let text = `${status} `
  for (let i = 0; i < headers.length; i += 2) text += `\r\n${headers[i]}: ${headers[i + 1]}`
  return headFrame(number, text)
}
