import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import type { Connection } from '@sealway/protocol'
import { acceptUpgrades } from '../../../server/src/transport/upgrade'
import { eventually } from '../../support/until'

let server: Server
let accepted: Connection[]
let onAccepted: (connection: Connection) => void
const sockets: Socket[] = []

beforeEach(async () => {
  accepted = []
  onAccepted = () => {}
  server = createServer((_request, response) => response.end('plain'))
  acceptUpgrades(server, { transport: 'tcp', leaveAlone: ['/socket.io'] }, (connection) => {
    accepted.push(connection)
    onAccepted(connection)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  for (const connection of accepted) connection.destroy()
  await new Promise((resolve) => server.close(resolve))
})

/** A client that keeps its half open whatever the server does. */
function client(text: string) {
  const socket = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true })
  sockets.push(socket)
  let received = ''
  const ended = new Promise<string>((resolve) => socket.once('end', () => resolve(received)))
  socket.on('error', () => {})
  socket.on('data', (chunk) => {
    received += chunk.toString('latin1')
  })
  socket.write(text)
  return { socket, ended }
}

const request = (path: string, upgrade: string, more = '') =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: ${upgrade}\r\n${more}\r\n`

const connections = () => new Promise<number>((resolve) => server.getConnections((_error, count) => resolve(count)))

describe('an upgrade to sealway/1', () => {
  it('becomes a pipe in both directions, and what came with the request is its beginning', async () => {
    const heard: string[] = []
    const first = new Promise<void>((resolve) => {
      onAccepted = (connection) =>
        connection.start({
          data: (chunk) => {
            heard.push(Buffer.from(chunk).toString())
            connection.write([Buffer.from('to '), Buffer.from('you')])
            connection.end()
          },
          drain: () => {},
          close: () => resolve(),
        })
    })
    const { ended, socket } = client(`${request('/link', 'sealway/1')}to me`)
    const answer = await ended
    expect(answer).toBe('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: sealway/1\r\n\r\nto you')
    expect(heard).toEqual(['to me'])
    expect(accepted.map(({ transport, remoteAddress }) => [transport, remoteAddress])).toEqual([['tcp', '127.0.0.1']])
    socket.end()
    await first
  })

  it.each([
    ['/link?token=x', 'sealway/1'],
    ['/link', 'Sealway/1'],
  ])('may be asked for as %s, %s', async (path, name) => {
    const taken = new Promise<void>((resolve) => {
      onAccepted = () => resolve()
    })
    client(request(path, name))
    await taken
  })
})

describe('any other upgrade', () => {
  it.each([
    ['/', 'sealway/1'],
    ['/link/', 'sealway/1'],
    ['/LINK', 'sealway/1'],
    ['/link', 'sealway/2'],
    ['/link', 'websocket'],
    ['/socket.iox', 'websocket'],
    ['/socket.io', 'websocket'],
  ])('of %s to %s is refused with 426, and says what would be right', async (path, name) => {
    const { ended } = client(request(path, name))
    const answer = await ended
    expect(answer).toMatch(/^HTTP\/1\.1 426 Upgrade Required\r\n/)
    expect(JSON.parse(answer.split('\r\n\r\n')[1]!)).toMatchObject({ status: 426, code: 'UNSUPPORTED_VERSION' })
    expect(accepted).toEqual([])
  })

  it('holds no connection, though its client never ends and goes on sending', async () => {
    const clients = Array.from({ length: 20 }, () => client(`${request('/x', 'websocket')}${'x'.repeat(100_000)}`))
    await Promise.all(clients.map(({ ended }) => ended))
    await eventually(async () => (await connections()) === 0, 'no connection is left')
  })

  it('on a path of socket.io is left to socket.io', async () => {
    server.on('upgrade', (request, socket) => {
      if (request.url!.startsWith('/socket.io/')) socket.end('from socket.io')
    })
    const { ended, socket } = client(request('/socket.io/?EIO=4&transport=websocket', 'websocket'))
    expect(await ended).toBe('from socket.io')
    socket.end()
  })
})

it('a request without an upgrade is answered as ever', async () => {
  const { ended } = client('GET /link HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  expect(await ended).toMatch(/^HTTP\/1\.1 200 OK[\s\S]*plain/)
})

it('a link that is reset ends once, with its error', async () => {
  const over = new Promise<Error | undefined>((resolve) => {
    onAccepted = (connection) => connection.start({ data: () => {}, drain: () => {}, close: resolve })
  })
  const { socket } = client(request('/link', 'sealway/1'))
  await new Promise<void>((resolve) => socket.once('data', () => resolve()))
  socket.resetAndDestroy()
  expect(await over).toMatchObject({ code: 'ECONNRESET' })
})
