import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClientTransport } from '@sealway/protocol'
import { httpTransport } from '../../../client-lib/src/transport/http.js'
import { ipcTransport, tcpTransport } from '../../../client-lib/src/transport/tcp.js'
import { wsTransport } from '../../../client-lib/src/transport/ws.js'
import { eventually, rejection } from '../../support/until.js'

type Scheme = 'http' | 'unix' | 'ws' | 'sealway+http'

/** Something that listens and is no mediator. */
interface Stranger {
  readonly url: string
  /** Connections that are open. */
  readonly sockets: Set<Socket>
  close(): Promise<void>
}

const open: Stranger[] = []
afterEach(async () => {
  for (const stranger of open.splice(0)) await stranger.close()
})

async function stranger(scheme: Scheme, serve: (socket: Socket) => void): Promise<Stranger> {
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    serve(socket)
  })
  const folder = mkdtempSync(join(tmpdir(), 'sealway-stranger-'))
  const path = join(folder, 's')
  await new Promise<void>((resolve) => {
    if (scheme === 'unix') server.listen(path, resolve)
    else server.listen(0, '127.0.0.1', resolve)
  })
  const it: Stranger = {
    url: scheme === 'unix' ? `unix:${path}` : `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sockets,
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
      rmSync(folder, { recursive: true, force: true })
    },
  }
  open.push(it)
  return it
}

/** Answers whatever comes first with this. */
const answering = (bytes: string | Buffer) => (socket: Socket) => {
  socket.once('data', () => socket.write(bytes))
}

const cases: readonly (readonly [Scheme, ClientTransport])[] = [
  ['http', tcpTransport],
  ['unix', ipcTransport],
  ['ws', wsTransport],
  ['sealway+http', httpTransport],
]

describe.each(cases)('dialling %s:', (scheme, transport) => {
  const notConnected = { code: 'NOT_CONNECTED', outcome: 'not-delivered', hop: 'client', retry: 'later' }

  it('says so where nobody listens, and where', async () => {
    const gone = await stranger(scheme, () => {})
    const { url } = gone
    await gone.close()
    open.length = 0
    const error = await rejection(transport.connect(url, {}))
    expect(error).toMatchObject(notConnected)
    expect(error.message).toContain(url.replace(/^(sealway\+http|http|ws):\/\/|^unix:/, ''))
    expect(error.message).toMatch(/cannot be reached: ./)
  })

  it.each<[string, (socket: Socket) => void, RegExp]>([
    ['404', answering('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n'), /404|cannot be reached/],
    ['426', answering('HTTP/1.1 426 Upgrade Required\r\nConnection: close\r\n\r\n{}'), /426|cannot be reached/],
    ['an ordinary page', answering('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi'), /200|cannot be reached/],
    ['bytes that are no HTTP', answering(Buffer.alloc(200, 0xff)), /did not answer like|cannot be reached|closed/],
    [
      'a head without end',
      answering(Buffer.alloc(1_000_000, 'x')),
      /did not answer like a Sealway mediator|cannot be reached/,
    ],
    [
      'an HTTP head without end',
      answering(`HTTP/1.1 101 Switching\r\n${'A: b\r\n'.repeat(20_000)}`),
      /did not answer like|cannot be reached/,
    ],
    [
      'nothing, and hangs up',
      (socket) => void socket.once('data', () => socket.end()),
      /closed the connection|cannot be reached/,
    ],
    ['nothing, and breaks', (socket) => void socket.once('data', () => socket.destroy()), /cannot be reached|closed/],
  ])('says so where the answer is %s, and holds no socket', async (_what, serve, text) => {
    const other = await stranger(scheme, serve)
    const error = await rejection(transport.connect(other.url, {}))
    expect(error).toMatchObject(notConnected)
    expect(error.message).toMatch(text)
    expect(error.message.length).toBeLessThan(500)
    await eventually(() => other.sockets.size === 0, 'the socket is let go')
  })

  it('is given up when the signal fires, and holds no socket', async () => {
    const silent = await stranger(scheme, (socket) => void socket.resume())
    const giveUp = new AbortController()
    const failed = rejection(transport.connect(silent.url, { signal: giveUp.signal }))
    await eventually(() => silent.sockets.size === 1, 'it dials')
    giveUp.abort(new Error('enough'))
    expect(await failed).toMatchObject({ ...notConnected, cause: { message: 'enough' } })
    await eventually(() => silent.sockets.size === 0, 'the socket is let go')
  })

  it('is not begun where the signal had fired before', async () => {
    let reached = 0
    const silent = await stranger(scheme, () => void reached++)
    const error = await rejection(transport.connect(silent.url, { signal: AbortSignal.abort() }))
    expect(error).toMatchObject(notConnected)
    await eventually(() => silent.sockets.size === 0, 'no socket is held')
  })

  it('leaves no listener on the signal', async () => {
    const other = await stranger(scheme, answering('HTTP/1.1 404 Not Found\r\n\r\n'))
    const giveUp = new AbortController()
    const added = jest.spyOn(giveUp.signal, 'addEventListener')
    const removed = jest.spyOn(giveUp.signal, 'removeEventListener')
    await rejection(transport.connect(other.url, { signal: giveUp.signal }))
    expect(removed.mock.calls.length).toBeGreaterThanOrEqual(added.mock.calls.length)
  })
})

describe('dialling a Unix socket', () => {
  it('says so where there is no such file, or one that is no socket', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sealway-file-'))
    try {
      const file = join(folder, 'plain')
      writeFileSync(file, 'text')
      for (const path of [join(folder, 'absent'), file, folder]) {
        const error = await rejection(ipcTransport.connect(`unix:${path}`, {}))
        expect(error).toMatchObject({ code: 'NOT_CONNECTED' })
        expect(error.message).toContain(path)
      }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
