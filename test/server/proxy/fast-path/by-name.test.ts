import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeJson, FrameType, linkPath, upgradeProtocol } from '@sealway/protocol'
import type { NodeExchange } from '../../../support/exchange-node'
import { ByName, echo } from '../../../support/http-by-name'
import { tokenFor } from '../../../support/link'
import { NodesRequests } from '../../../support/nodes-requests'
import type { RawClient } from '../../../support/raw-http'
import { turns, until } from '../../../support/until'

/** The fast path in a whole mediator, on real ports. */
let world: ByName
let nodes: NodesRequests
const start = async (options?: Parameters<typeof ByName.start>[0]) => {
  world = await ByName.start(options)
  nodes = new NodesRequests()
}
afterEach(async () => {
  nodes.close()
  await world.close()
})

const ask = (method: string, path: string, lines: readonly string[] = [], body = '') =>
  [`${method} ${path} HTTP/1.1`, 'Host: x', `Authorization: Bearer ${world.bearer}`, ...lines, '', body].join('\r\n')
const get = (path: string, ...lines: string[]) => ask('GET', path, lines)
const post = (path: string, body: string, ...lines: string[]) =>
  ask('POST', path, [`Content-Length: ${body.length}`, ...lines], body)
/** Answers with the path, so that one sees whose answer it is. */
const named = (exchange: NodeExchange): void => {
  const body = `<${exchange.head.method} ${exchange.head.target} ${exchange.body}>`
  exchange.respond(200, ['Content-Length', String(body.length)], body)
}
const statuses = (client: RawClient, count: number) =>
  client.until(`${count} answers`, () => client.statuses.length >= count && client.statuses)
const idle = () => until(() => world.started.mediator.proxy.inFlight().requests === 0, 'nothing is under way')

describe('a connection by name', () => {
  it("carries many requests, one after the other and all at once, past Node's objects", async () => {
    await start()
    await world.node({ onWhole: named })
    const client = world.raw()
    for (let i = 0; i < 100; i++) {
      client.send(post(`/one/g/n/${i}`, `body ${i}`))
      await client.until('answer', (text) => text.endsWith(`<POST /${i} body ${i}>`))
    }
    client.send(Array.from({ length: 100 }, (_, i) => get(`/any/g/all/${i}`)).join(''))
    await client.until('last answer', (text) => text.endsWith('<GET /all/99 >'))
    const all = [...client.text.matchAll(/<GET \/all\/(\d+) >/g)].map(([, i]) => Number(i))
    expect(all).toEqual(Array.from({ length: 100 }, (_, i) => i))
    expect([nodes.asked, new Set(client.statuses)]).toEqual([[], new Set([200])])
    expect(world.started.mediator.proxy.outcomes.snapshot()).toEqual({ ANSWERED: 200 })
  })

  it.each([
    ['an unknown path', () => get('/nothing'), [404]],
    ['/healthz', () => get('/healthz'), [200]],
    ['the API', () => get('/v1/nothing'), [404]],
    ['every member', () => get('/many/g/x'), [200]],
    ['chunks', () => `${ask('POST', '/one/g/n/c', ['Transfer-Encoding: chunked'])}3\r\nabc\r\n0\r\n\r\n`, [200]],
    ['Expect', () => post('/one/g/n/e', 'abc', 'Expect: 100-continue'), [100, 200]],
    ['more than 48 KiB', () => post('/one/g/n/l', 'a'.repeat(100_000)), [200]],
  ])('is read by Node from the first request on that asks for %s', async (_what, other, said) => {
    await start()
    await world.node({
      onRequest: (exchange) => {
        if (exchange.header('expect') !== undefined) exchange.respond(100, [], '', false)
      },
      onWhole: named,
    })
    for (const before of [0, 2]) {
      nodes.asked.length = 0
      const client = world.raw()
      client.send(get('/one/g/n/b').repeat(before) + other() + get('/one/g/n/last').repeat(2))
      await client.until('the last answers', (text) => text.split('<GET /last').length === 3)
      expect(client.statuses).toEqual([...Array<number>(before).fill(200), ...said, 200, 200])
      expect(nodes.asked.slice(1)).toEqual(Array(2).fill('GET /one/g/n/last'))
      expect(nodes.asked).not.toContain('GET /one/g/n/b')
    }
  })

  it('is refused what it may not have, or what is not there, and asks on', async () => {
    await start()
    await world.node({ onWhole: named })
    const client = world.raw()
    const refused = [
      get('/one/g/nobody/'),
      get('/one/nowhere/n/'),
      get('/any/nowhere/'),
      'GET /one/g/n/x HTTP/1.1\r\nHost: x\r\n\r\n',
      `POST /one/g/n/x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc`,
    ]
    client.send(refused.join(get('/one/g/n/b')) + get('/one/g/n/last'))
    await client.until('the last answer', (text) => text.endsWith('<GET /last >'))
    expect(client.statuses).toEqual([404, 200, 404, 200, 404, 200, 401, 200, 401, 200])
    expect(nodes.asked).toEqual([])
  })

  it('becomes a link behind requests, with the first frame in the same bytes', async () => {
    await start()
    await world.node({ onWhole: named })
    const hello = encodeJson(FrameType.hello, {
      ...{ versions: [1], name: 'late', groups: ['g'], instance: 'a'.repeat(32), http: { public: [] } },
      token: tokenFor(world.started.jwtSecret).token,
    })
    const upgrade = [`GET ${linkPath} HTTP/1.1`, 'Host: x', 'Connection: Upgrade', `Upgrade: ${upgradeProtocol}`]
    const client = world.raw()
    client.send(get('/one/g/n/a') + [...upgrade, '', ''].join('\r\n') + Buffer.from(hello).toString('latin1'))
    await until(() => world.started.mediator.relay.presence.get('late') !== undefined, 'it is a node')
    await client.until('switch and welcome', (text) => text.includes('101 Switching') && text.includes('"epoch":'))
    expect(client.statuses).toEqual([200, 101])
    expect(client.text).toContain('<GET /a >')
  })

  it('is switched by a node behind requests, and carries bytes in both directions', async () => {
    await start()
    const node = await world.node({
      onWhole: (exchange) => {
        if (exchange.header('upgrade') === undefined) named(exchange)
      },
    })
    const client = world.raw()
    client.send(`${get('/one/g/n/a') + get('/one/g/n/socket', 'Connection: Upgrade', 'Upgrade: x')}early`)
    const exchange = await node.exchange(1)
    exchange.respond(101, ['Upgrade', 'x'], 'first', false)
    await exchange.until('early bytes', ({ body }) => String(body) === 'early')
    client.send(' and late')
    await exchange.until('late bytes', ({ body }) => String(body) === 'early and late')
    exchange.data('second', true)
    await client.until('all', (text) => text.endsWith('firstsecond'))
    expect(client.statuses).toEqual([200, 101])
    client.socket.end()
    await exchange.until('its end', ({ ended }) => ended)
    await idle()
  })

  it('is served on the Unix socket, too', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sealway-fast-'))
    await start({ ipcPath: join(folder, 's') })
    try {
      await world.node({ onWhole: named })
      const socket = connect(world.started.ipcPath!)
      let text = ''
      socket.on('data', (chunk) => {
        text += String(chunk)
      })
      socket.write(get('/one/g/n/1') + post('/any/g/2', 'abc') + get('/healthz') + get('/one/g/n/3'))
      await until(() => text.endsWith('<GET /3 >'), 'all answers')
      socket.destroy()
      expect([...text.matchAll(/<[^>]+>/g)].map(([one]) => one)).toEqual(['<GET /1 >', '<POST /2 abc>', '<GET /3 >'])
      expect(nodes.asked).toEqual(['GET /healthz', 'GET /one/g/n/3'])
      await idle()
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

describe('an answer by name', () => {
  /** What follows it on the connection says where the client takes its end to be. */
  const answered = async (answer: (exchange: NodeExchange) => void, method = 'GET') => {
    await start()
    await world.node({ onWhole: (exchange) => (exchange.head.target === '/end' ? named(exchange) : answer(exchange)) })
    const client = world.raw().send(ask(method, '/one/g/n/x') + get('/one/g/n/end'))
    await client.until('next answer', (text) => text.endsWith('<GET /end >') || client.closed)
    expect(nodes.asked).toEqual([])
    return client.text.replaceAll(/^(Date|Server-Timing|Connection|Keep-Alive): .*\r\n/gm, '')
  }
  const end = 'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n<GET /end >'

  it('with an empty data frame is not over with it', async () => {
    const text = await answered((exchange) => exchange.respond(200, [], 'ab', false).data('').data('cd').data('', true))
    expect(text).toBe(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n${end}`)
  })

  it('with empty data frames and a length is what it said', async () => {
    const text = await answered((exchange) =>
      exchange.respond(200, ['Content-Length', '4'], '', false).data('').data('abcd').data('').data('', true),
    )
    expect(text).toBe(`HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd${end}`)
  })

  it('has its trailers behind its chunks', async () => {
    const text = await answered((exchange) =>
      exchange.respond(200, ['Trailer', 'X-Sum'], 'ab', false).end(['X-Sum', '1', 'Content-Length', '5']),
    )
    expect(text).toBe(
      `HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-Sum: 1\r\n\r\n${end}`,
    )
  })

  it('comes behind those below 200', async () => {
    const text = await answered((exchange) =>
      exchange.respond(103, ['Link', '<x>'], '', false).respond(102, [], '', false).respond(204),
    )
    expect(text).toBe(
      `HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n${end}`,
    )
  })

  it.each([
    ['204', 204, 'No Content', ''],
    ['304', 304, 'Not Modified', 'Content-Length: 5\r\n'],
  ])('%s ends with its head', async (_what, status, reason, lines) => {
    const text = await answered((exchange) => exchange.respond(status, ['Content-Length', '5']))
    expect(text).toBe(`HTTP/1.1 ${status} ${reason}\r\n${lines}\r\n${end}`)
  })

  it('to HEAD ends with its head, whatever the node sends behind it', async () => {
    const text = await answered(
      (exchange) => exchange.respond(200, ['Content-Length', '5'], 'ab', false).data('cde', true),
      'HEAD',
    )
    expect(text).toBe(`HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n${end}`)
  })

  it.each([
    ['that the node breaks off', (exchange: NodeExchange) => exchange.reset('INTERNAL')],
    ['that is longer than it said', (exchange: NodeExchange) => exchange.data('too much', true)],
    ['that is shorter than it said', (exchange: NodeExchange) => exchange.data('', true)],
    ['of a node that leaves', (exchange: NodeExchange) => exchange.node.close()],
  ])(
    '%s breaks the connection: nobody takes it for whole, and nothing behind it is answered',
    async (_what, breakOff) => {
      const text = await answered((exchange) => breakOff(exchange.respond(200, ['Content-Length', '10'], 'abc', false)))
      expect(text).toBe('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc')
      await idle()
    },
  )

  it('of a node that leaves before it answers is 502, and what comes behind it is answered', async () => {
    await start()
    const node = await world.node()
    await world.node({ name: 'stays', onWhole: named })
    const client = world.raw().send(get('/one/g/n/') + get('/one/g/stays/1'))
    await node.exchange(0)
    node.close()
    await client.until('answer behind', (text) => text.endsWith('<GET /1 >'))
    expect(client.statuses).toEqual([502, 200])
    expect(client.text).toContain('"code":"PEER_GONE"')
    expect(nodes.asked).toEqual([])
  })

  it('that does not come in its time is 504, and the node is told; what comes behind it is answered', async () => {
    await start({ config: { httpTimeoutMs: 100 } })
    const node = await world.node({
      onWhole: (exchange) => (exchange.head.target === '/end' ? named(exchange) : undefined),
    })
    const client = world.raw().send(post('/one/g/n/', 'abc') + get('/one/g/n/end'))
    await client.until('answer behind', (text) => text.endsWith('<GET /end >'))
    expect(client.statuses).toEqual([504, 200])
    await node.exchanges[0]!.until('word of it', ({ resetCode }) => resetCode === 'TIMEOUT')
    expect(nodes.asked).toEqual([])
  })

  it('that stands still in the middle is broken off in its time', async () => {
    await start({ config: { httpIdleTimeoutMs: 100 } })
    await world.node({ onWhole: (exchange) => exchange.respond(200, [], 'abc', false) })
    const client = world.raw().send(get('/one/g/n/') + get('/one/g/n/'))
    await client.untilClosed()
    expect(client.text.endsWith('3\r\nabc\r\n')).toBe(true)
    expect(world.started.mediator.proxy.outcomes.snapshot()).toEqual({ TIMEOUT: 1 })
    expect(nodes.asked).toEqual([])
  })

  it('of one that leaves is asked of another member, where the request may be said twice', async () => {
    await start()
    const leaving = [await world.node({ name: 'a' }), await world.node({ name: 'b' })]
    const client = world.raw().send(get('/any/g/1'))
    await until(() => leaving.some(({ exchanges }) => exchanges.length > 0), 'one was asked')
    const [asked, other] = leaving[0]!.exchanges.length > 0 ? leaving : leaving.reverse()
    asked!.close()
    named(await other!.exchange(0))
    await client.until('answer', (text) => text.endsWith('<GET /1 >'))
    expect([client.statuses, nodes.asked]).toEqual([[200], []])
  })
})

describe('a client by name that', () => {
  it.each([
    ['closes', (client: RawClient) => client.destroy()],
    ['is cut off', (client: RawClient) => client.socket.resetAndDestroy()],
    ['closes its direction', (client: RawClient) => client.socket.end()],
  ])('%s has its request aborted; of those behind it no node hears, and nothing is left', async (_how, go) => {
    await start()
    const node = await world.node()
    const client = world.raw().send(post('/one/g/n/1', 'abc') + get('/one/g/n/2'))
    const exchange = await node.exchange(0)
    exchange.respond(200, [], 'abc', false)
    await client.until('beginning', (text) => text.includes('abc'))
    go(client)
    await exchange.until('word of it', ({ resetCode }) => resetCode === 'ABORTED')
    exchange.data('late', true)
    await idle()
    await client.untilClosed()
    const { proxy, relay } = world.started.mediator
    expect(proxy.inFlight()).toEqual({ requests: 0, exchanges: 0 })
    expect([proxy.outcomes.snapshot(), node.exchanges.length, node.closed]).toEqual([{ ABORTED: 1 }, 1, false])
    await until(() => relay.budget.usedBytes === 0, 'nothing is held')
  })

  it('does not read a large answer stops its node, costs a window at most, and delays no other', async () => {
    await start()
    const piece = Buffer.alloc(32 * 1024, 'a')
    const total = 128 * 1024 * 1024
    let sent = 0
    const node = await world.node({
      onWhole: (exchange) => (exchange.head.target === '/2' ? named(exchange) : undefined),
    })
    const slow = world.raw()
    slow.socket.pause()
    slow.send(get('/one/g/n/1'))
    const exchange = await node.exchange(0)
    exchange.respond(200, ['Content-Length', String(total)], '', false)
    const { relay } = world.started.mediator
    const window = world.started.config.limits.exchangeWindowBytes
    const sendAll = (): boolean => {
      while (sent < total && exchange.window >= piece.length) {
        sent += piece.length
        exchange.data(piece, sent === total)
      }
      return sent === total
    }
    // A hundred turns in which nothing more was granted: the operating system takes no more.
    for (let still = 0, before = -1; still < 100; still = sent === before ? still + 1 : 0) {
      before = sent
      sendAll()
      await turns(1)
      expect(relay.budget.usedBytes).toBeLessThanOrEqual(window + 256 * 1024)
    }
    expect(sent).toBeLessThan(total)
    const other = world.raw().send(get('/one/g/n/2'))
    await other.until('answer', (text) => text.endsWith('<GET /2 >'))
    slow.socket.removeAllListeners('data')
    let read = 0
    slow.socket.on('data', (chunk) => {
      read += chunk.length
    })
    slow.socket.resume()
    await until(() => sendAll() && read > total, 'all of it')
    await until(() => relay.budget.usedBytes === 0, 'nothing is held')
    expect(nodes.asked).toEqual([])
    await idle()
  })

  it('goes in the middle of a request is no visit at all', async () => {
    await start()
    const node = await world.node({ onWhole: echo })
    const client = world.raw().send(post('/one/g/n/', 'abc') + post('/one/g/n/', 'abc').slice(0, -1))
    await statuses(client, 1)
    client.socket.resetAndDestroy()
    const other = world.raw().send(get('/one/g/n/'))
    await statuses(other, 1)
    expect(node.exchanges).toHaveLength(2)
    expect(world.started.mediator.proxy.outcomes.snapshot()).toEqual({ ANSWERED: 2 })
  })
})

describe('a mediator that ends', () => {
  it('drains: what is under way is answered with Connection: close, and what is idle is closed', async () => {
    await start({ limits: { drainMs: 60_000 } })
    const node = await world.node({
      onWhole: (exchange) => (exchange.head.target === '/slow' ? undefined : named(exchange)),
    })
    const idling = world.raw().send(get('/one/g/n/1'))
    await statuses(idling, 1)
    const busy = world.raw().send(get('/one/g/n/slow') + get('/one/g/n/behind'))
    const exchange = await node.exchange(1)
    const drained = world.started.mediator.drain()
    await idling.untilClosed()
    exchange.respond(200, ['Content-Length', '4'], 'done')
    await busy.untilClosed()
    expect(busy.text).toMatch(/\r\nConnection: close\r\n\r\ndone$/)
    node.close()
    await drained
    expect([nodes.asked, node.exchanges.length]).toEqual([[], 2])
  })

  it('closes at once, whether its connections are idle, busy, or in the middle of a request', async () => {
    await start()
    const node = await world.node({
      onWhole: (exchange) => (exchange.head.target === '/slow' ? undefined : named(exchange)),
    })
    const clients = [
      world.raw().send(get('/one/g/n/1')),
      world.raw().send(get('/one/g/n/slow')),
      world.raw().send(get('/one/g/n/slow') + get('/one/g/n/slow')),
      world.raw().send('GET /one'),
      world.raw(),
    ]
    await node.exchange(2)
    await statuses(clients[0]!, 1)
    await world.started.mediator.close()
    await Promise.all(clients.map((client) => client.untilClosed()))
    expect(world.started.mediator.proxy.inFlight()).toEqual({ requests: 0, exchanges: 0 })
  })
})
