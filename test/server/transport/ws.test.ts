import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import type { Connection } from '@sealway/protocol'
import type { Server as SocketIoServer } from 'socket.io'
import { io, type Socket } from 'socket.io-client'
import WebSocket from 'ws'
import { acceptWebSockets } from '../../../server/src/transport/ws'
import { eventually } from '../../support/until'

let server: Server
let hub: SocketIoServer
let port: number
let waiting: ((connection: Connection) => void)[]
const clients: { close(): void }[] = []

beforeEach(async () => {
  waiting = []
  server = createServer()
  hub = acceptWebSockets(server, (connection) => waiting.shift()!(connection))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})
afterEach(async () => {
  for (const client of clients.splice(0)) client.close()
  hub.engine.close()
  await new Promise((resolve) => {
    server.close(resolve)
    server.closeAllConnections()
  })
})

/** The mediator's end of the next link: what it reads, and that it ended. */
function accept() {
  const read: Buffer[] = []
  let drains = 0
  const lookers = new Set<() => void>()
  const look = () => {
    for (const looker of lookers) looker()
  }
  const until = (found: () => boolean) =>
    new Promise<void>((resolve) => {
      const looker = () => found() && resolve()
      lookers.add(looker)
      looker()
    })
  let closes = 0
  const connection = new Promise<Connection>((resolve) => {
    waiting.push((fresh) => {
      fresh.start({
        data: (chunk) => {
          read.push(Buffer.from(chunk))
          look()
        },
        drain: () => {
          drains++
          look()
        },
        close: () => {
          closes++
          look()
        },
      })
      resolve(fresh)
    })
  })
  return {
    connection,
    bytes: () => Buffer.concat(read),
    drains: () => drains,
    closes: () => closes,
    until,
    closed: until(() => closes > 0),
  }
}

function client(): Socket {
  const socket = io(`http://127.0.0.1:${port}`, { transports: ['websocket'], reconnection: false, forceNew: true })
  clients.push(socket)
  return socket
}

/** socket.io by hand: engine.io and socket.io packets as text. */
async function handmade() {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`)
  clients.push({ close: () => socket.terminate() })
  socket.on('error', () => {})
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  await new Promise<void>((resolve) => socket.once('message', () => resolve()))
  return { socket, closed }
}
async function handmadeLink() {
  const end = accept()
  const { socket, closed } = await handmade()
  socket.send('40')
  await end.connection
  return { socket, closed, end }
}

const connections = () => new Promise<number>((resolve) => server.getConnections((_error, count) => resolve(count)))

describe('a link over socket.io', () => {
  it('carries bytes in order both ways, however they are cut', async () => {
    const end = accept()
    const socket = client()
    const connection = await end.connection
    const got: Buffer[] = []
    const all = Buffer.alloc(300_000, 'abcdefg')
    const complete = new Promise<void>((resolve) => {
      socket.on('link', (chunk: Uint8Array) => {
        expect(chunk.length).toBeLessThanOrEqual(64 * 1024)
        got.push(Buffer.from(chunk))
        if (got.reduce((sum, { length }) => sum + length, 0) === all.length) resolve()
      })
    })
    connection.write([all.subarray(0, 1), all.subarray(1, 100_000), all.subarray(100_000)])
    await complete
    expect(Buffer.concat(got).equals(all)).toBe(true)
    for (let at = 0; at < all.length; at += 60_000) socket.emit('link', all.subarray(at, at + 60_000))
    await end.until(() => end.bytes().length === all.length)
    expect(end.bytes().equals(all)).toBe(true)
    expect([connection.transport, connection.remoteAddress]).toEqual(['ws', '127.0.0.1'])
  })

  it('says when bytes wait, and drains when the other side reads', async () => {
    const { socket, end } = await handmadeLink()
    const connection = await end.connection
    socket.pause()
    let writes = 0
    while (connection.write([new Uint8Array(256 * 1024)]) && writes < 200) {
      writes++
      await new Promise(setImmediate)
    }
    expect(writes).toBeLessThan(200)
    expect(end.drains()).toBe(0)
    socket.resume()
    await end.until(() => end.drains() === 1)
  })

  it('ends in order: what was written arrives', async () => {
    const end = accept()
    const socket = client()
    const connection = await end.connection
    const got: string[] = []
    socket.on('link', (chunk: Uint8Array) => void got.push(Buffer.from(chunk).toString()))
    const gone = new Promise<void>((resolve) => socket.once('disconnect', () => resolve()))
    connection.write([Buffer.from('last words')])
    connection.end()
    await Promise.all([gone, end.closed])
    expect([got, end.closes()]).toEqual([['last words'], 1])
  })

  it('is over when the other side goes', async () => {
    const end = accept()
    const socket = client()
    await end.connection
    socket.disconnect()
    await end.closed
    expect(end.closes()).toBe(1)
  })

  it('destroyed is gone at once, though the other side reads nothing and closes nothing', async () => {
    const { socket, end } = await handmadeLink()
    const connection = await end.connection
    socket.pause()
    while (connection.write([new Uint8Array(256 * 1024)])) await new Promise(setImmediate)
    connection.destroy()
    await end.closed
    await eventually(async () => (await connections()) === 0, 'no connection is left')
    expect(end.closes()).toBe(1)
  })
})

describe('what is no piece of a link', () => {
  it.each([
    ['a text', '42["link","text"]'],
    ['a number', '42["link",7]'],
    ['nothing', '42["link"]'],
    ['an object', '42["link",{"__proto__":{"x":1},"length":4}]'],
    ['a list', '42["link",[1,2]]'],
    ['null', '42["link",null]'],
  ])('%s: ends it', async (_what, packet) => {
    const { socket, end } = await handmadeLink()
    socket.send(packet)
    await end.closed
    expect(end.bytes().length).toBe(0)
    expect(({} as { x?: unknown }).x).toBeUndefined()
  })

  it.each([
    ['another event', '42["error",{"a":1}]'],
    ['an event of the library', '42["disconnect","x"]'],
    ['an event without a name', '42[]'],
    ['no JSON', '42{'],
    ['an unknown packet', '49'],
    ['an unknown engine packet', 'z'],
    ['binary without its packet', Buffer.from('stray')],
    ['a packet that announces more parts than come', '459999999999-["link",{"_placeholder":true,"num":0}]'],
    ['a part that is not there', '451-["link",{"_placeholder":true,"num":7}]'],
    ['over 64 KiB', Buffer.alloc(70_000)],
  ])('%s: touches nobody else', async (_what, packet) => {
    const good = accept()
    const other = client()
    await good.connection
    const { socket } = await handmadeLink()
    socket.send(packet)
    socket.send(packet)
    other.emit('link', Buffer.from('still here'))
    await good.until(() => good.bytes().toString() === 'still here')
    expect(good.closes()).toBe(0)
  })
})

it('one that never begins its link is closed', async () => {
  const { closed } = await handmade()
  await closed
})

it('there is no other transport of socket.io: long polling is refused', async () => {
  const response = await fetch(`http://127.0.0.1:${port}/socket.io/?EIO=4&transport=polling`)
  expect(response.status).toBe(400)
})

it.each([
  ['says nothing', ''],
  ['says nothing of use', '\x81\x810000\x04'],
])('a WebSocket that %s is cut in time, although it does not take part in closing', async (_, said) => {
  const quick = createServer()
  const io = acceptWebSockets(quick, () => {}, 100)
  await new Promise<void>((resolve) => quick.listen(0, '127.0.0.1', resolve))
  const socket = connect((quick.address() as AddressInfo).port, '127.0.0.1')
  try {
    const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()))
    socket.on('error', () => {}).resume()
    const handshake = [
      ...['GET /socket.io/?EIO=4&transport=websocket HTTP/1.1', 'Host: x', 'Connection: Upgrade', 'Upgrade: websocket'],
      ...['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=='],
    ]
    socket.write(`${handshake.join('\r\n')}\r\n\r\n`)
    socket.once('data', () => socket.write(said, 'latin1'))
    await ended
  } finally {
    socket.destroy()
    io.engine.close()
    await new Promise((resolve) => quick.close(resolve))
  }
})
