import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClientTransport, Connection } from '@sealway/protocol'
import { httpTransport } from '../../client-lib/src/transport/http.js'
import { ipcTransport, tcpTransport } from '../../client-lib/src/transport/tcp.js'
import { wsTransport } from '../../client-lib/src/transport/ws.js'
import { acceptHttpLinks } from '../../server/src/transport/http.js'
import { acceptUpgrades } from '../../server/src/transport/upgrade.js'
import { acceptWebSockets } from '../../server/src/transport/ws.js'
import type { TransportUnderTest } from '../contract/transport.js'

/** A transport of the client library against its counterpart of the mediator, on loopback. */
export async function dialled(name: 'tcp' | 'ipc' | 'ws' | 'http'): Promise<TransportUnderTest> {
  const arrived: Connection[] = []
  const waiting: ((connection: Connection) => void)[] = []
  const accept = (connection: Connection): void => {
    const next = waiting.shift()
    if (next) next(connection)
    else arrived.push(connection)
  }
  const server = createServer()
  const folder = mkdtempSync(join(tmpdir(), 'sealway-link-'))
  let transport: ClientTransport = tcpTransport
  let closeSockets = async () => {}
  if (name === 'ws') {
    transport = wsTransport
    const io = acceptWebSockets(server, accept)
    closeSockets = async () => void (await io.close())
  } else if (name === 'http') {
    transport = httpTransport
    const links = acceptHttpLinks({ idleMs: 25_000, now: () => performance.now() }, accept)
    server.on('request', (request, response) => void links.handle(request, response))
    closeSockets = async () => links.close()
  } else {
    if (name === 'ipc') transport = ipcTransport
    acceptUpgrades(server, { transport: name, leaveAlone: [] }, accept)
  }
  const path = join(folder, 's')
  await new Promise<void>((resolve) => {
    if (name === 'ipc') server.listen(path, resolve)
    else server.listen(0, '127.0.0.1', resolve)
  })
  const port = name === 'ipc' ? 0 : (server.address() as AddressInfo).port
  const schemes = { tcp: 'http', ws: 'ws', http: 'sealway+http' }
  const url = name === 'ipc' ? `unix:${path}` : `${schemes[name]}://127.0.0.1:${port}`
  return {
    name,
    async open() {
      const far = new Promise<Connection>((resolve) => {
        const early = arrived.shift()
        if (early) resolve(early)
        else waiting.push(resolve)
      })
      const near = await transport.connect(url, {})
      return { near, far: await far }
    },
    async close() {
      await closeSockets()
      await closed(server)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
