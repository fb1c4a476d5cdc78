import { connect as connectTcp, type NetConnectOpts, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import {
  type ClientTransport,
  type Connection,
  linkPath,
  SealwayError,
  StreamConnection,
  upgradeProtocol,
} from '@sealway/protocol'

/**
 * One receive buffer for all links of this process: what is read is worked off before anything else is read, and frames are
 * opened where they lie, so nothing keeps it. 256 KiB hold four frames; in 64 KiB every frame of a bulk straddled two
 * reads and was copied (docs/performance.md).
 */
const receiveBuffer = Buffer.allocUnsafeSlow(256 * 1024)
const maxResponseHeadBytes = 16 * 1024
const connectTimeoutMs = 5_000

/** Dials `http://host:port` or `https://host:port`: an HTTP upgrade that goes on as raw frames. */
export const tcpTransport: ClientTransport = {
  name: 'tcp',
  connect(url, { signal }) {
    const target = new URL(url)
    const secure = target.protocol === 'https:'
    const port = Number(target.port || (secure ? 443 : 80))
    const host = target.hostname.replace(/^\[|\]$/g, '')
    return upgrade('tcp', { host, port }, target.host, signal, secure)
  },
}

/** Dials `unix:/path/to/sealway.sock`: the same upgrade on a Unix socket. */
export const ipcTransport: ClientTransport = {
  name: 'ipc',
  connect(url, { signal }) {
    return upgrade('ipc', { path: url.replace(/^(?:unix|ipc):(?:\/\/)?/, '') }, 'localhost', signal, false)
  },
}

function upgrade(
  transport: 'tcp' | 'ipc',
  where: { host: string; port: number } | { path: string },
  hostHeader: string,
  signal: AbortSignal | undefined,
  secure: boolean,
): Promise<Connection> {
  const place = 'path' in where ? where.path : `${where.host}:${where.port}`
  return new Promise((resolve, reject) => {
    let head: Buffer | undefined = Buffer.alloc(0)
    let deliver: ((chunk: Uint8Array) => void) | undefined
    let early: Buffer[] = []

    const receive = (chunk: Buffer): void => {
      if (head === undefined) {
        if (deliver) deliver(chunk)
        else early.push(Buffer.from(chunk))
        return
      }
      head = Buffer.concat([head, chunk])
      const end = head.indexOf('\r\n\r\n')
      if (end < 0) {
        const isHttp = 'HTTP/'.startsWith(head.subarray(0, 5).toString('latin1'))
        if (!isHttp || head.length > maxResponseHeadBytes) fail(`${place} did not answer like a Sealway mediator`)
        return
      }
      const statusLine = head.subarray(0, head.indexOf('\r\n')).toString('latin1')
      if (!/^HTTP\/1\.1 101 /.test(statusLine)) {
        fail(`${place} refused the link: ${statusLine}`)
        return
      }
      const rest = head.subarray(end + 4)
      if (rest.length > 0) early.push(rest)
      head = undefined
      settle()
      resolve(
        new StreamConnection(socket, {
          transport,
          remoteAddress: place,
          subscribe: (listener) => {
            deliver = listener
            for (const waiting of early) listener(waiting)
            early = []
          },
        }),
      )
    }

    // A TLS socket has no `onread`; it delivers `data` events, each in a buffer of its own.
    const socket: Socket = secure
      ? connectTls({ ...where, servername: 'host' in where ? where.host : undefined } as never)
      : connectTcp({
          ...where,
          onread: {
            buffer: receiveBuffer,
            callback: (bytes: number, buffer: Uint8Array) => {
              receive(Buffer.from(buffer.buffer, buffer.byteOffset, bytes))
              return true
            },
          },
        } as NetConnectOpts)
    if (secure) socket.on('data', receive)

    const onError = (error: Error): void => fail(`${place} cannot be reached: ${error.message}`, error)
    const onClose = (): void => fail(`${place} closed the connection during the upgrade`)
    const onAbort = (): void => fail('connecting was aborted', signal?.reason)
    const timer = setTimeout(() => fail(`${place} did not answer within ${connectTimeoutMs} ms`), connectTimeoutMs)
    function settle(): void {
      clearTimeout(timer)
      socket.removeListener('error', onError)
      socket.removeListener('close', onClose)
      signal?.removeEventListener('abort', onAbort)
    }
    function fail(message: string, cause?: unknown): void {
      settle()
      socket.on('error', () => {})
      socket.destroy()
      reject(new SealwayError('NOT_CONNECTED', { message, outcome: 'not-delivered', hop: 'client', cause }))
    }

    socket.on('error', onError)
    socket.on('close', onClose)
    if (signal?.aborted) return onAbort()
    signal?.addEventListener('abort', onAbort, { once: true })
    socket.setNoDelay(true)
    socket.write(
      `GET ${linkPath} HTTP/1.1\r\nHost: ${hostHeader}\r\nConnection: Upgrade\r\nUpgrade: ${upgradeProtocol}\r\n\r\n`,
    )
  })
}
