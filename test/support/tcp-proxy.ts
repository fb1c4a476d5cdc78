import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface TcpProxy {
  readonly port: number
  /** `blackhole`: bytes go nowhere, connections stay. `refuse`: every connection is reset, new ones too. */
  mode: 'pass' | 'blackhole' | 'refuse'
  /** When somebody next connects, whatever the mode. */
  nextConnection(): Promise<void>
  /** Resets every connection there is. */
  reset(): void
  close(): Promise<void>
}

/**
 * Opens a port on loopback in front of another one, to break the way between them.
 * @param seen is handed every piece that passes, in both directions
 */
export async function tcpProxy(host: string, port: number, seen?: (piece: Buffer) => void): Promise<TcpProxy> {
  const sockets = new Set<Socket>()
  const awaited = new Set<() => void>()
  const keep = (socket: Socket) => {
    // As between nodes and mediator: what passes must not wait for more.
    socket.setNoDelay()
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
  }
  const server = createServer((near) => {
    keep(near)
    for (const tell of awaited) tell()
    awaited.clear()
    if (proxy.mode === 'refuse') {
      near.resetAndDestroy()
      return
    }
    const far = connect(port, host)
    keep(far)
    const forward = (from: Socket, to: Socket) => {
      from.on('data', (chunk) => {
        seen?.(chunk)
        if (proxy.mode === 'pass') to.write(chunk)
      })
      from.on('close', () => to.destroy())
    }
    forward(near, far)
    forward(far, near)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const proxy: TcpProxy = {
    port: (server.address() as AddressInfo).port,
    mode: 'pass',
    nextConnection: () => new Promise((resolve) => awaited.add(resolve)),
    reset() {
      for (const socket of sockets) socket.resetAndDestroy()
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return proxy
}
