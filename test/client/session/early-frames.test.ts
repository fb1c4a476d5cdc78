import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Connection, encodeJson, FrameType, type Hello, type SealwayError } from '@sealway/protocol'
import { Link, type LinkEvents } from '../../../client-lib/src/session/link.js'
import { ipcTransport, tcpTransport } from '../../../client-lib/src/transport/tcp.js'
import { rejection } from '../../support/until.js'

const hello = { versions: [1], groups: ['g'], token: 't', instance: '0'.repeat(32) } as unknown as Hello
const farewell = encodeJson(FrameType.close, { code: 'OVERLOADED', message: 'no place', reconnectInMs: 100 })
const answer = Buffer.from(
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: sealway/1\r\n\r\n',
  'latin1',
)
const bytes = Buffer.concat([answer, farewell])

const refusalOf = (connection: Connection): Promise<SealwayError> => {
  const link = new Link(connection, Date.now, (size) => new Uint8Array(size))
  return rejection(link.begin(hello, {} as LinkEvents, new AbortController().signal)) as Promise<SealwayError>
}

it.each([
  ['tcp', tcpTransport],
  ['ipc', ipcTransport],
] as const)(
  'over %s a link learns why it was refused, wherever the answer to the upgrade and the refusal are cut',
  async (name, transport) => {
    const folder = mkdtempSync(join(tmpdir(), 'sealway-early-'))
    let cut = 0
    const server: Server = createServer((socket) => {
      socket.setNoDelay()
      socket.on('error', () => {})
      socket.once('data', () => {
        socket.write(bytes.subarray(0, cut), () => socket.end(bytes.subarray(cut)))
      })
    })
    try {
      const path = join(folder, 's')
      await new Promise<void>((resolve) =>
        name === 'ipc' ? server.listen(path, resolve) : server.listen(0, '127.0.0.1', resolve),
      )
      const url = name === 'ipc' ? `unix:${path}` : `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      for (cut = 1; cut <= bytes.length; cut++) {
        const connection = await transport.connect(url, { signal: new AbortController().signal })
        const { code, data } = await refusalOf(connection)
        expect([cut, code, data]).toEqual([cut, 'OVERLOADED', { reconnectInMs: 100 }])
      }
    } finally {
      await new Promise((resolve) => server.close(resolve))
      rmSync(folder, { recursive: true, force: true })
    }
  },
)

describe('a connection that hands over what it has inside start()', () => {
  const handing = (
    inside: Parameters<Connection['start']>[0] extends infer Events ? (events: Events) => void : never,
  ) =>
    ({
      transport: 'memory',
      remoteAddress: 'memory',
      start: inside,
      write: () => true,
      pause() {},
      resume() {},
      end() {},
      destroy() {},
    }) as Connection

  it('refuses the link with the code of the close frame', async () => {
    expect((await refusalOf(handing((events) => events.data(farewell)))).code).toBe('OVERLOADED')
  })

  it('refuses the link with NOT_CONNECTED where it has ended', async () => {
    expect((await refusalOf(handing((events) => events.close()))).code).toBe('NOT_CONNECTED')
  })

  it('welcomes the link where the welcome is there', async () => {
    const welcome = encodeJson(FrameType.welcome, { version: 1, name: 'n', limits: {} })
    const link = new Link(
      handing((events) => events.data(welcome)),
      Date.now,
      (size) => new Uint8Array(size),
    )
    const events = { idle() {} } as unknown as LinkEvents
    expect(await link.begin(hello, events, new AbortController().signal)).toMatchObject({ name: 'n' })
  })
})
