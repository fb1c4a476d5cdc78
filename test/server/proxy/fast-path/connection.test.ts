import { echoed, FastServer, type TakenRequest } from '../../../support/fast-server'
import type { RawClient } from '../../../support/raw-http'
import { turns, until } from '../../../support/until'

let fast: FastServer
afterEach(() => fast.close())

const get = (path: string, ...lines: string[]) => [`GET ${path} HTTP/1.1`, 'Host: x', ...lines, '', ''].join('\r\n')
const post = (path: string, body: string, ...lines: string[]) =>
  [`POST ${path} HTTP/1.1`, 'Host: x', `Content-Length: ${body.length}`, ...lines, '', body].join('\r\n')
/** Who answered what, in the order in which it came. */
const answers = (client: RawClient) =>
  [...client.text.matchAll(/(?:taken [A-Z]+|node read) (\S+)/g)].map(([all]) => all)
const head = (...lines: string[]) => ['HTTP/1.1 200 OK', ...lines, '', ''].join('\r\n')
const usual = ['Date: Tue, 14 Nov 2023 22:13:20 GMT', 'Connection: keep-alive', 'Keep-Alive: timeout=5']

describe('requests of one connection', () => {
  it('are taken one after the other, as their answers go, in whatever pieces they come', async () => {
    fast = await FastServer.start()
    const client = fast.client().send(get('/fast/0') + post('/fast/1', 'abc') + get('/fast/2').slice(0, 20))
    for (let nth = 0; nth < 3; nth++) {
      const taken = await fast.nth(nth)
      // What stands behind it waits, and goes on coming.
      if (nth === 1) client.send(get('/fast/2').slice(20))
      await turns()
      expect(fast.taken).toHaveLength(nth + 1)
      echoed(taken)
      expect(taken.closed).toBe(true)
    }
    await client.until('answers', () => answers(client).length === 3)
    expect(fast.taken.map(({ text }) => text)).toEqual(['GET /fast/0', 'POST /fast/1 abc', 'GET /fast/2'])
    expect([fast.nodes, fast.fastPath.size]).toEqual([[], 1])
  })

  it('are all answered in their order where each is answered at once, 500 in one piece', async () => {
    fast = await FastServer.start()
    fast.onTaken = echoed
    const paths = Array.from({ length: 500 }, (_, i) => `/fast/${i}`)
    const client = fast.client().send(paths.map((path) => get(path)).join(''))
    await client.until('answers', () => answers(client).length === 500)
    expect(answers(client)).toEqual(paths.map((path) => `taken GET ${path}`))
  })

  it.each([
    ['a path that is not for it', get('/other')],
    ['Connection: close', get('/fast/node', 'Connection: close')],
    ['chunks', `POST /fast/node HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`],
    ['Expect', post('/fast/node', 'abc', 'Expect: 100-continue')],
    ['more than 48 KiB', post('/fast/node', 'a'.repeat(60_000))],
    ['HTTP/1.0', 'GET /fast/node HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n'],
  ])("are Node's from the first one on that has %s: before, between and behind others", async (_what, nodes) => {
    fast = await FastServer.start()
    fast.onTaken = echoed
    for (const before of [0, 1, 3]) {
      const asked = Array.from({ length: before }, (_, i) => `/fast/${i}`)
      const client = fast.client()
      // After these Node reads nothing more.
      const behind = /close|1\.0/.test(nodes) ? '' : get('/fast/last')
      client.send(asked.map((path) => get(path)).join('') + nodes + behind)
      const count = before + (behind === '' ? 1 : 2)
      await client.until('answers', () => answers(client).length === count)
      const url = /\S+ (\S+)/.exec(nodes)![1]!
      expect(answers(client)).toEqual([
        ...asked.map((path) => `taken GET ${path}`),
        `node read ${url}`,
        ...(behind === '' ? [] : ['node read /fast/last']),
      ])
      expect(fast.fastPath.size).toBe(0)
      if (behind === '') await client.untilClosed()
      client.destroy()
    }
  })

  it('wait for the answer before them also where Node is to read them', async () => {
    fast = await FastServer.start()
    const client = fast.client().send(get('/fast/0') + get('/other') + get('/fast/1'))
    const taken = await fast.nth(0)
    await turns()
    expect(fast.nodes).toEqual([])
    echoed(taken)
    await client.until('answers', () => answers(client).length === 3)
    expect(answers(client)).toEqual(['taken GET /fast/0', 'node read /other', 'node read /fast/1'])
  })

  it('may be cut anywhere', async () => {
    fast = await FastServer.start()
    const whole = post('/fast', 'a\r\n\r\nb')
    const client = fast.client()
    const socket = await fast.socket()
    for (let cut = 1; cut < whole.length; cut++) {
      const before = socket.bytesRead
      client.send(whole.slice(0, cut))
      await until(() => socket.bytesRead === before + cut, 'it has come')
      expect(fast.taken).toHaveLength(cut - 1)
      client.send(whole.slice(cut))
      const taken = await fast.nth(cut - 1)
      expect(taken.text).toBe('POST /fast a\r\n\r\nb')
      echoed(taken)
    }
    await client.until('answers', () => answers(client).length === whole.length - 1)
    expect(fast.nodes).toEqual([])
  })

  it('come byte for byte from a hundred clients at once, through memory that all of them share', async () => {
    fast = await FastServer.start()
    fast.onTaken = echoed
    const clients = Array.from({ length: 100 }, () => fast.client())
    const bodies = clients.map((_, i) => String.fromCharCode(0x30 + (i % 70)).repeat(1_000 + i))
    const wholes = bodies.map((body, i) => post(`/fast/${i}`, body))
    for (let from = 0; from < 1_200; from += 100) {
      for (const [i, client] of clients.entries()) client.send(wholes[i]!.slice(from, from + 100))
      await turns(1)
    }
    for (const [i, client] of clients.entries()) {
      await client.until('answer', (text) => text.endsWith(`taken POST /fast/${i} ${bodies[i]}\n`))
    }
    expect(fast.nodes).toEqual([])
  })
})

describe('an answer', () => {
  const answered = async (answer: (taken: TakenRequest) => void, ask = get('/fast')) => {
    fast = await FastServer.start()
    fast.onTaken = (taken) => (taken.text.endsWith('/fast/end') ? echoed(taken) : answer(taken))
    const client = fast.client().send(ask + get('/fast/end'))
    await client.until('the next answer', (text) => text.endsWith('taken GET /fast/end\n'))
    const [before] = client.text.split(head('Content-Length: 20', ...usual))
    return before
  }
  const bytes = (text: string) => Buffer.from(text, 'latin1')

  it('has a head in its order, Date, what is said of the connection, and its body', async () => {
    const text = await answered(({ response }) => {
      response.writeHead(200, ['X-B', '1', 'content-length', '3', 'x-b', '\xff'])
      response.end(bytes('a\0b'))
    })
    expect(text).toBe(`${head('X-B: 1', 'content-length: 3', 'x-b: \xff', ...usual)}a\0b`)
  })

  it('keeps the reason and the Date that it was given', async () => {
    const text = await answered(({ response }) => {
      response.writeHead(404, 'Not here', ['date', 'then', 'Content-Length', '0'])
      response.end()
    })
    expect(text).toBe(
      ['HTTP/1.1 404 Not here', 'date: then', 'Content-Length: 0', ...usual.slice(1), '', ''].join('\r\n'),
    )
  })

  it('of an unknown length goes in chunks, and its trailers behind them; an empty piece is no end', async () => {
    const text = await answered(({ response }) => {
      response.writeHead(200, ['Trailer', 'X-Sum'])
      response.flushHeaders()
      const written = jest.fn()
      response.write(bytes('abc'), written)
      response.write(bytes(''), written)
      response.write(bytes('d'.repeat(20)), written)
      response.addTrailers([['X-Sum', '1']])
      response.addTrailers([['X-Sum', '2']])
      response.end(bytes('ef'))
      expect(written.mock.calls.length).toBeGreaterThan(0)
    })
    expect(text).toBe(
      `${head('Trailer: X-Sum', ...usual, 'Transfer-Encoding: chunked')}3\r\nabc\r\n14\r\n${'d'.repeat(20)}\r\n` +
        '2\r\nef\r\n0\r\nX-Sum: 1\r\nX-Sum: 2\r\n\r\n',
    )
  })

  it('of an unknown length may be empty', async () => {
    const text = await answered(({ response }) => {
      response.writeHead(200, [])
      response.end()
    })
    expect(text).toBe(`${head(...usual, 'Transfer-Encoding: chunked')}0\r\n\r\n`)
  })

  it.each([
    ['to HEAD', 200, 'OK', get('/fast').replace('GET', 'HEAD'), ['Content-Length', '3']],
    ['to HEAD, of an unknown length,', 200, 'OK', get('/fast').replace('GET', 'HEAD'), []],
    ['204', 204, 'No Content', get('/fast'), []],
    ['304', 304, 'Not Modified', get('/fast'), ['ETag', 'x']],
    ['304 with the length that 200 would have', 304, 'Not Modified', get('/fast'), ['Content-Length', '3']],
  ])('%s has no body, whatever is written', async (_what, status, reason, ask, headers) => {
    const text = await answered(({ response }) => {
      response.writeHead(status, headers)
      const written = jest.fn()
      response.write(bytes('abc'), written)
      expect(written).toHaveBeenCalledTimes(1)
      response.addTrailers([['X-Sum', '1']])
      response.end(bytes('abc'))
    }, ask)
    const lines = headers.length === 0 ? [] : [headers.join(': ')]
    expect(text).toBe([`HTTP/1.1 ${status} ${reason}`, ...lines, ...usual, '', ''].join('\r\n'))
  })

  it('may come behind others below 200, and nothing is told below 200 behind its head', async () => {
    const text = await answered(({ response }) => {
      response.inform('HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n')
      response.inform('HTTP/1.1 102 Processing\r\n\r\n')
      response.writeHead(200, ['Content-Length', '1'])
      response.inform('HTTP/1.1 102 Processing\r\n\r\n')
      response.end(bytes('a'))
    })
    expect(text).toBe(
      `HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n${head('Content-Length: 1', ...usual)}a`,
    )
  })

  it('is taken while the caller writes over what it was handed', async () => {
    const text = await answered(({ response }) => {
      const body = bytes('abc')
      response.writeHead(200, ['Content-Length', '3'])
      response.end(body)
      body.fill('x')
    })
    expect(text).toBe(`${head('Content-Length: 3', ...usual)}abc`)
  })

  it('that breaks off ends the connection, and what stands behind it is not read', async () => {
    fast = await FastServer.start()
    const client = fast.client().send(get('/fast/0') + get('/fast/1') + get('/other'))
    const { response } = await fast.nth(0)
    response.writeHead(200, ['Content-Length', '10'])
    response.write(bytes('abc'), () => {})
    await client.until('beginning', (text) => text.endsWith('abc'))
    response.destroy()
    await client.untilClosed()
    expect([fast.taken.length, fast.nodes, fast.taken[0]!.closed]).toEqual([1, [], true])
    await until(() => fast.fastPath.size === 0, 'it is forgotten')
  })
})

describe('a client that does not read', () => {
  it('is waited for: of what it asks meanwhile only so much is read, and of all of it nothing is lost', async () => {
    fast = await FastServer.start()
    const client = fast.client()
    const socket = await fast.socket()
    const asked = get('/fast/more', `X: ${'a'.repeat(1_000)}`)
    const count = 2_000
    client.send(get('/fast') + asked.repeat(count))
    const first = await fast.nth(0)
    await until(() => socket.bytesRead > 96 * 1024, 'it has asked a lot')
    await turns(100)
    // What is kept, and one reading more.
    expect(socket.bytesRead).toBeLessThanOrEqual(2 * 48 * 1024 + 2 * 64 * 1024)
    expect(socket.bytesRead).toBeLessThan(count * asked.length)
    fast.onTaken = echoed
    echoed(first)
    await client.until('all answers', () => answers(client).length === count + 1)
    expect(fast.nodes).toEqual([])
  })

  it('has its next request taken when it has all of the answer before, and delays no other', async () => {
    fast = await FastServer.start()
    const slow = fast.client()
    slow.socket.pause()
    slow.send(get('/fast/slow') + get('/fast/next'))
    const { response } = await fast.nth(0)
    // More than the operating system takes.
    const body = Buffer.alloc(64 * 1024 * 1024, 'a')
    response.writeHead(200, ['Content-Length', String(body.length)])
    let written = false
    response.write(body, () => {
      written = true
    })
    response.end()
    expect(response.writableLength).toBeGreaterThan(0)
    fast.onTaken = echoed
    const other = fast.client().send(get('/fast/other'))
    await other.until('answer', () => answers(other).length === 1)
    expect([written, fast.taken[0]!.closed, fast.taken.length]).toEqual([false, false, 2])
    // As a stream of its own: to keep it as text would take minutes.
    let read = 0
    slow.socket.removeAllListeners('data')
    const all = new Promise<void>((resolve) => {
      slow.socket.on('data', (chunk) => {
        read += chunk.length
        if (String(chunk.subarray(-40)).endsWith('taken GET /fast/next\n')) resolve()
      })
    })
    slow.socket.resume()
    await all
    expect(read).toBeGreaterThan(body.length)
    expect([written, fast.taken[0]!.closed]).toEqual([true, true])
  })

  it('has taken an answer that is through, whatever waits of those behind it', async () => {
    fast = await FastServer.start()
    const client = fast.client()
    client.socket.pause()
    client.send(get('/fast/0') + get('/fast/1'))
    const first = await fast.nth(0)
    echoed(first)
    const { response } = await fast.nth(1)
    response.writeHead(200, [])
    response.write(Buffer.alloc(64 * 1024 * 1024), () => {})
    expect(response.writableLength).toBeGreaterThan(0)
    expect([first.closed, first.response.writableLength]).toEqual([true, 0])
  })
})

describe('a client that goes', () => {
  it.each([
    ['closes', (client: RawClient) => client.destroy()],
    ['is cut off', (client: RawClient) => client.socket.resetAndDestroy()],
    ['closes its direction', (client: RawClient) => client.socket.end()],
  ])(
    '%s while its answer is under way: who answers is told once, and what is written then goes nowhere',
    async (_how, go) => {
      fast = await FastServer.start()
      const client = fast.client().send(get('/fast/0') + get('/fast/1'))
      const taken = await fast.nth(0)
      const closed = jest.fn()
      taken.response.on('close', closed)
      taken.response.writeHead(200, [])
      taken.response.write(Buffer.from('abc'), () => {})
      await client.until('beginning', (text) => text.includes('abc'))
      go(client)
      await until(() => taken.closed, 'who answers knows')
      const written = jest.fn()
      taken.response.write(Buffer.from('abc'), written)
      taken.response.end(Buffer.from('abc'))
      taken.response.destroy()
      await client.untilClosed()
      await until(() => fast.fastPath.size === 0, 'it is forgotten')
      expect([closed.mock.calls.length, written.mock.calls.length, fast.taken.length]).toEqual([1, 1, 1])
      expect(taken.response.destroyed).toBe(true)
    },
  )

  it.each([
    ['before it said anything', ''],
    ['within a request', get('/fast').slice(0, 10)],
    ['behind an answer', get('/fast')],
  ])('%s is forgotten', async (_when, said) => {
    fast = await FastServer.start()
    fast.onTaken = echoed
    const client = fast.client()
    const socket = await fast.socket()
    client.send(said)
    await until(() => socket.bytesRead === said.length, 'it has come')
    client.socket.end()
    await client.untilClosed()
    await until(() => fast.fastPath.size === 0, 'it is forgotten')
    expect(socket.destroyed).toBe(true)
  })
})

describe('time', () => {
  it('lets a connection that was answered be idle for a second more than it was told, and no longer', async () => {
    fast = await FastServer.start()
    fast.onTaken = echoed
    const client = fast.client().send(get('/fast/0'))
    await client.until('answer', () => answers(client).length === 1)
    fast.tick(5_900)
    client.send(get('/fast/1'))
    await client.until('answer', () => answers(client).length === 2)
    fast.tick(5_999)
    await turns()
    expect([client.closed, fast.fastPath.size]).toEqual([false, 1])
    fast.tick(1)
    await client.untilClosed()
    expect(fast.fastPath.size).toBe(0)
  })

  it.each([
    ['forth', 3_600_000],
    ['back', -3_600_000],
  ])(
    'that is set %s, or in which the process stood still, is no time in which a client was silent',
    async (_way, ms) => {
      fast = await FastServer.start()
      fast.onTaken = echoed
      const fresh = fast.client()
      await fast.socket()
      const client = fast.client().send(get('/fast/0'))
      await client.until('answer', () => answers(client).length === 1)
      fast.stand(ms)
      expect(fast.fastPath.size).toBe(2)
      fresh.send(get('/fast/1'))
      client.send(get('/fast/2'))
      await Promise.all([
        fresh.until('answer', () => answers(fresh)[0]),
        client.until('answer', () => answers(client)[1]),
      ])
      expect(fast.nodes).toEqual([])
      fast.tick(6_000)
      await Promise.all([fresh.untilClosed(), client.untilClosed()])
    },
  )

  it('does not count while an answer is under way', async () => {
    fast = await FastServer.start()
    const client = fast.client().send(get('/fast/0'))
    const taken = await fast.nth(0)
    fast.tick(3_600_000)
    echoed(taken)
    fast.tick(5_999)
    await client.until('answer', () => answers(client).length === 1)
    expect(client.closed).toBe(false)
  })

  it("of a second makes a request that has not all come Node's, which has the limits for it", async () => {
    fast = await FastServer.start({ headersTimeout: 200, connectionsCheckingInterval: 50 })
    const client = fast.client()
    const socket = await fast.socket()
    client.send('GET /fast HTTP/1.1\r\nHo')
    await until(() => socket.bytesRead > 0, 'it has come')
    fast.tick(999)
    expect(fast.fastPath.size).toBe(1)
    // What trickles gains no time.
    client.send('st')
    await until(() => socket.bytesRead > 22, 'it has come')
    fast.tick(1)
    expect(fast.fastPath.size).toBe(0)
    await client.untilClosed()
    expect(client.statuses).toEqual([408])
    expect(fast.taken).toEqual([])
  })

  it.each([
    ['a head', 10],
    ['a body', post('/fast', 'abc').length - 2],
  ])('does not lose %s of which the rest comes after that second', async (_what, cut) => {
    fast = await FastServer.start()
    const whole = post('/fast', 'abc')
    for (const before of ['', get('/fast/0')]) {
      fast.onTaken = echoed
      const client = fast.client()
      const socket = await fast.socket()
      client.send(before + whole.slice(0, cut))
      await until(() => socket.bytesRead === before.length + cut, 'it has come')
      fast.tick(1_000)
      expect(fast.fastPath.size).toBe(0)
      client.send(whole.slice(cut) + get('/fast/behind'))
      await client.until('answers', (text) => text.includes('/fast/behind'))
      expect(answers(client).slice(-2)).toEqual(['node read /fast', 'node read /fast/behind'])
      client.destroy()
    }
    expect(fast.nodes).toEqual(['POST /fast abc', 'GET /fast/behind', 'POST /fast abc', 'GET /fast/behind'])
  })

  it("of a second makes a connection that says nothing Node's, where it may yet ask", async () => {
    fast = await FastServer.start()
    const client = fast.client()
    await fast.socket()
    fast.tick(999)
    expect(fast.fastPath.size).toBe(1)
    fast.tick(1)
    expect(fast.fastPath.size).toBe(0)
    client.send(get('/fast'))
    await client.until('answer', () => answers(client).length === 1)
    expect(answers(client)).toEqual(['node read /fast'])
  })
})

describe('the end of a server', () => {
  it('that drains says Connection: close with each answer, and closes then', async () => {
    fast = await FastServer.start()
    const client = fast.client().send(get('/fast/0') + get('/fast/1'))
    const taken = await fast.nth(0)
    fast.draining = true
    echoed(taken)
    await client.untilClosed()
    expect(client.text).toBe(`${head('Content-Length: 18', usual[0]!, 'Connection: close')}taken GET /fast/0\n`)
    expect([taken.closed, fast.taken.length, fast.fastPath.size]).toEqual([true, 1, 0])
  })

  it('that drains closes what is idle with its next tick, and what is under way is finished', async () => {
    fast = await FastServer.start()
    const idle = fast.client().send(get('/fast/0'))
    echoed(await fast.nth(0))
    await idle.until('answer', () => answers(idle).length === 1)
    const busy = fast.client().send(get('/fast/1'))
    const taken = await fast.nth(1)
    fast.draining = true
    fast.tick(250)
    await idle.untilClosed()
    echoed(taken)
    await busy.untilClosed()
    expect(answers(busy)).toEqual(['taken GET /fast/1'])
  })

  it('closes what is idle, or in the middle of a request, at once, and leaves what is under way', async () => {
    fast = await FastServer.start()
    const [idle, middle, busy] = [fast.client(), fast.client(), fast.client()]
    idle.send(get('/fast/0'))
    echoed(await fast.nth(0))
    await idle.until('answer', () => answers(idle).length === 1)
    middle.send('GET /fast')
    busy.send(get('/fast/1'))
    const taken = await fast.nth(1)
    await until(() => fast.fastPath.size === 3, 'all of them')
    fast.fastPath.close()
    await Promise.all([idle.untilClosed(), middle.untilClosed()])
    await until(() => fast.fastPath.size === 1, 'both are forgotten')
    echoed(taken)
    await busy.until('answer', () => answers(busy).length === 1)
  })
})
