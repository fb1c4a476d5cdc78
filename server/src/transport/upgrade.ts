import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type Connection, linkPath, problemOf, problemType, StreamConnection, upgradeProtocol } from '@sealway/protocol'
import { ReceiveBuffer } from './received.js'

export interface UpgradeOptions {
  readonly transport: 'tcp' | 'ipc'
  /** Folders whose upgrades belong to somebody else on the same server (socket.io). */
  readonly leaveAlone: readonly string[]
  /** Told of each read. */
  readonly arrived?: ((bytes: number) => void) | undefined
}

const switching = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${upgradeProtocol}\r\n\r\n`

/** How long whoever is refused may take to read why, ms. */
const refusalMs = 1_000

/** Turns `Upgrade: sealway/1` requests of an HTTP server into links: after the 101 the socket carries raw frames. */
export function acceptUpgrades(
  server: Server,
  options: UpgradeOptions,
  onConnection: (connection: Connection) => void,
): void {
  const received = new ReceiveBuffer(options.arrived)
  server.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    const path = (request.url ?? '').split('?', 1)[0]!
    if (options.leaveAlone.some((folder) => path.startsWith(`${folder}/`))) return
    const socket = stream as Socket
    if (path !== linkPath || request.headers.upgrade?.toLowerCase() !== upgradeProtocol) {
      refuse(socket)
      return
    }
    const remoteAddress = options.transport === 'ipc' ? 'ipc' : (socket.remoteAddress ?? 'unknown')
    socket.setTimeout(0)
    socket.setNoDelay(true)
    const adopted = received.adopt(socket)
    const link = adopted ?? socket
    link.write(switching)
    onConnection(
      new StreamConnection(link, {
        transport: options.transport,
        remoteAddress,
        head,
        ...(adopted ? { subscribe: (listener) => adopted.subscribe(listener) } : {}),
      }),
    )
  })
}

function refuse(socket: Socket): void {
  const detail = `a link begins with GET ${linkPath} and Upgrade: ${upgradeProtocol}`
  const body = JSON.stringify(problemOf('UNSUPPORTED_VERSION', detail, 426))
  socket.on('error', () => socket.destroy())
  // The HTTP server has let go of this socket: nobody else reads it to its end, or ends it if its other side does not.
  socket.resume()
  setTimeout(() => socket.destroy(), refusalMs).unref()
  socket.end(
    `HTTP/1.1 426 Upgrade Required\r\nUpgrade: ${upgradeProtocol}\r\nConnection: close\r\n` +
      `Content-Type: ${problemType}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
}
