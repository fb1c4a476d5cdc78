import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Connection } from '@sealway/protocol'
import { webSocketTransport } from '../../../client-lib/src/browser/transport'
import { acceptWebSockets } from '../../../server/src/transport/ws'
import { eventually, rejection } from '../../support/until'

let server: Server
let close: () => Promise<void>
let url: string
const arrived: Connection[] = []

beforeAll(async () => {
  server = createServer()
  const io = acceptWebSockets(server, (connection) => void arrived.push(connection))
  close = async () => void (await io.close())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(async () => {
  await close()
  server.closeAllConnections()
})

/** What one end has heard. */
class End {
  readonly chunks: Uint8Array[] = []
  drains = 0
  closes = 0

  constructor(readonly connection: Connection) {}

  start(): this {
    this.connection.start({
      data: (chunk) => void this.chunks.push(new Uint8Array(chunk)),
      drain: () => void this.drains++,
      close: () => void this.closes++,
    })
    return this
  }

  get received(): Buffer {
    return Buffer.concat(this.chunks)
  }
}

async function connected(): Promise<{ near: End; far: End }> {
  const near = new End(await webSocketTransport.connect(url, {}))
  await eventually(() => arrived.length > 0, 'it arrives')
  return { near, far: new End(arrived.shift()!) }
}

const bytes = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 7) % 251)

it('carries bytes in order in both directions, however they are cut, and what comes before the start', async () => {
  const { near, far } = await connected()
  const sent = [bytes(1), bytes(70_000), bytes(0), bytes(300_000)]
  for (const [from, to] of [
    [near, far],
    [far, near],
  ] as const) {
    from.connection.write(sent)
    for (const piece of sent) from.connection.write([piece])
    to.start()
    const all = Buffer.concat([...sent, ...sent])
    await eventually(() => to.received.length === all.length, 'all are there')
    expect(to.received.equals(all)).toBe(true)
  }
  near.connection.destroy()
})

it('takes a bounded amount where the other end does not read, and says when it goes on', async () => {
  const { near, far } = await connected()
  near.start()
  far.start()
  far.connection.pause()
  let written = 0
  while (written < 256 * 1024 * 1024 && near.connection.write([bytes(64 * 1024)])) written += 64 * 1024
  expect(written).toBeLessThan(2 * 1024 * 1024)
  far.connection.resume()
  await eventually(() => near.drains === 1, 'it goes on')
  near.connection.destroy()
})

it('sends what was written before an end, and closes both ends once', async () => {
  const { near, far } = await connected()
  near.start()
  far.start()
  near.connection.write([bytes(200_000)])
  near.connection.end()
  near.connection.destroy()
  await eventually(() => near.closes === 1 && far.closes === 1, 'both are closed')
  const again = await connected()
  again.near.start()
  again.far.start()
  again.near.connection.write([bytes(200_000)])
  again.near.connection.end()
  await eventually(() => again.near.closes === 1 && again.far.closes === 1, 'both are closed')
  expect(again.far.received.length).toBe(200_000)
  expect(again.near.connection.write([bytes(1)])).toBe(true)
})

it('hands nothing on while it is paused, and all of it afterwards', async () => {
  const { near, far } = await connected()
  near.start()
  near.connection.pause()
  far.start().connection.write([bytes(100_000)])
  near.connection.write([bytes(1)])
  await eventually(() => far.chunks.length > 0, 'the other direction goes on')
  expect(near.chunks).toEqual([])
  near.connection.resume()
  await eventually(() => near.received.length === 100_000, 'all is there')
  near.connection.destroy()
})

it('says that nobody is there, and can be given up', async () => {
  expect(await rejection(webSocketTransport.connect('ws://127.0.0.1:9', {}))).toMatchObject({ code: 'NOT_CONNECTED' })
  const aborted = webSocketTransport.connect(url, { signal: AbortSignal.abort() })
  expect(await rejection(aborted)).toMatchObject({ code: 'NOT_CONNECTED', message: 'connecting was aborted' })
})
