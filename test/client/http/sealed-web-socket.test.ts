import { once } from 'node:events'
import { createServer } from 'node:http'
import express from 'express'
import { type WebSocket, WebSocketServer } from 'ws'
import type { NodeWebSocket } from '../../../client-lib/src/http/sealed/web-socket.js'
import type { Node } from '../../../client-lib/src/node.js'
import { Net } from '../../support/net'
import { hostileOn, openStreams } from '../../support/sealed-http'
import { rejection, turns, until } from '../../support/until'

let net: Net
let server: Node
let client: Node
let sockets: WebSocketServer
const seen: { url: string | undefined; from: string | undefined; header: unknown }[] = []
beforeEach(async () => {
  net = new Net()
  server = await net.join('server')
  client = await net.join('client')
  // As with any port, but none is listened on.
  const http = createServer(express())
  sockets = new WebSocketServer({
    server: http,
    path: '/room',
    handleProtocols: (offered) => (offered.has('b') ? 'b' : false),
  })
  seen.length = 0
  sockets.on('connection', (socket, request) => {
    seen.push({ url: request.url, from: request.sealway?.from, header: request.headers['x-a'] })
    socket.send('hello')
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  server.expose(http)
})
afterEach(() => net.close())

const noStreams = () => until(() => !openStreams(client) && !openStreams(server), 'no stream is left')

/** Messages as they come. */
function heard(socket: NodeWebSocket): unknown[] {
  const messages: unknown[] = []
  socket.onmessage = ({ data }) => messages.push(data)
  return messages
}

describe('node.webSocket', () => {
  it('speaks with a server of ws that knows nothing of it, and loses not the first word', async () => {
    const socket = await client.webSocket('ws://server/room?x=1', ['a', 'b'], { headers: { 'x-a': '1' } })
    const messages = heard(socket)
    socket.send('é')
    socket.send(Buffer.from([0, 255]))
    socket.send('x'.repeat(1_000_000))
    await until(() => messages.length === 4, 'four messages')
    expect(messages.slice(0, 3)).toEqual(['hello', 'é', Buffer.from([0, 255])])
    expect((messages[3] as string).length).toBe(1_000_000)
    expect(socket).toMatchObject({ readyState: 1, protocol: 'b', url: 'ws://server/room?x=1', bufferedAmount: 0 })
    expect(seen).toEqual([{ url: '/room?x=1', from: 'client', header: '1' }])
  })

  it('goes to one of a group', async () => {
    const socket = await client.webSocket('any:g/room')
    expect(socket.url).toBe('ws://server/room')
  })

  it('closes from this end, with its code, and leaves nothing', async () => {
    const closed = new Promise<[number, string]>((resolve) =>
      sockets.once('connection', (one) => one.on('close', (code, reason) => resolve([code, reason.toString()]))),
    )
    const socket = await client.webSocket('ws://server/room')
    const events: object[] = []
    socket.addEventListener('close', ({ code, reason, wasClean }) => events.push({ code, reason, wasClean }), {
      once: true,
    })
    socket.close(4_000, 'enough')
    expect(await closed).toEqual([4_000, 'enough'])
    await until(() => events.length === 1, 'it is closed here')
    expect(events).toEqual([{ code: 4_000, reason: 'enough', wasClean: true }])
    await noStreams()
  })

  it('is closed from the other end', async () => {
    const other = once(sockets, 'connection') as Promise<[WebSocket]>
    const socket = await client.webSocket('ws://server/room')
    const closed = new Promise((resolve) => socket.addEventListener('close', resolve))
    ;(await other)[0].close(1_001, 'going')
    expect(await closed).toMatchObject({ code: 1_001, reason: 'going', wasClean: true })
    await noStreams()
  })

  it.each<[string, () => void]>([
    ['the other node leaves', () => void server.close()],
    ['the link breaks', () => net.cut('server')],
    ['its own link breaks', () => net.cut('client')],
  ])('is closed as broken where %s', async (_what, breaks) => {
    const socket = await client.webSocket('ws://server/room')
    const closed = new Promise((resolve) => socket.addEventListener('close', resolve))
    breaks()
    expect(await closed).toMatchObject({ code: 1_006, wasClean: false })
    await until(() => !openStreams(client), 'no stream is left')
  })

  it('is broken off by its signal, and by terminate', async () => {
    const controller = new AbortController()
    const socket = await client.webSocket('ws://server/room', [], { signal: controller.signal })
    const closed = new Promise((resolve) => socket.addEventListener('close', resolve))
    controller.abort()
    expect(await closed).toMatchObject({ code: 1_006 })
    const second = await client.webSocket('ws://server/room')
    second.terminate()
    await noStreams()
    expect(sockets.clients.size).toBe(0)
  })

  it('lets its writer wait for a reader that is slow', async () => {
    const other = once(sockets, 'connection') as Promise<[WebSocket]>
    const socket = await client.webSocket('ws://server/room')
    const [reader] = await other
    reader.removeAllListeners('message')
    let read = 0
    reader.on('message', (data: Buffer) => (read += data.length))
    reader.pause()
    const message = Buffer.alloc(64 * 1024)
    for (let i = 0; i < 64; i++) socket.send(message)
    await turns(100)
    // What streams and their credit take, and no more.
    expect(socket.bufferedAmount).toBeGreaterThan(2 * 1024 * 1024)
    reader.resume()
    await until(() => read === 64 * message.length, 'all of it')
    expect(socket.bufferedAmount).toBe(0)
  })

  it.each<[string, string, object]>([
    ['a page that is no WebSocket', 'ws://pages/page', { code: 'BAD_ANSWER', data: { status: 404 }, target: 'pages' }],
    ['a path that is not served', 'ws://server/other', { code: 'BAD_ANSWER', data: { status: 400 } }],
    ['a node that serves no HTTP', 'ws://client/room', { code: 'NO_HTTP', outcome: 'not-delivered' }],
    ['a node that is not there', 'ws://nobody/room', { code: 'UNKNOWN_NODE', outcome: 'not-delivered' }],
    ['a group', 'group:g/room', { code: 'INVALID_ARGUMENT' }],
    ['another scheme', 'wss://server/room', { code: 'INVALID_ARGUMENT' }],
  ])('rejects for %s', async (_what, url, error) => {
    ;(await net.join('pages')).expose(express())
    expect(await rejection(client.webSocket(url))).toMatchObject(error)
    await until(() => !openStreams(client), 'no stream is left')
  })

  it('rejects a protocol that is none', async () => {
    expect(await rejection(client.webSocket('ws://server/room', 'a b'))).toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  it('rejects where the deadline passes before it is open', async () => {
    hostileOn(server, (_command, ctx) => new Promise((resolve) => ctx.signal.addEventListener('abort', resolve)))
    expect(await rejection(client.webSocket('ws://server/room', [], { timeout: 20 }))).toMatchObject({
      code: 'TIMEOUT',
    })
  })
})
