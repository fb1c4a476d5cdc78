import { type ClientTransport, type Connection, type ConnectionEvents, SealwayError } from '@sealway/protocol'
import type { Socket } from 'socket.io-client'

const pipeEvent = 'link'
/** The mediator takes no larger message; the pipe may be cut anywhere. */
const maxMessageBytes = 64 * 1024
const connectTimeoutMs = 5_000

/** Dials `ws://host:port` or `wss://host:port` over socket.io, for proxies that only pass WebSocket. */
export const wsTransport: ClientTransport = {
  name: 'ws',
  async connect(url, { signal }) {
    // Optional: only who uses this transport installs it.
    const { io } = await import('socket.io-client').catch((cause: unknown) => {
      throw new SealwayError('INVALID_ARGUMENT', {
        message: `${url} needs the package socket.io-client: npm install socket.io-client`,
        outcome: 'not-delivered',
        cause,
      })
    })
    const socket = io(url.replace(/^ws/, 'http'), {
      transports: ['websocket'],
      reconnection: false,
      forceNew: true,
      timeout: connectTimeoutMs,
    })
    return new Promise((resolve, reject) => {
      const fail = (message: string, cause?: unknown): void => {
        settle()
        socket.disconnect()
        reject(new SealwayError('NOT_CONNECTED', { message, outcome: 'not-delivered', hop: 'client', cause }))
      }
      const onError = (error: Error): void => fail(`${url} cannot be reached: ${error.message}`, error)
      const onAbort = (): void => fail('connecting was aborted', signal?.reason)
      const onConnect = (): void => {
        settle()
        resolve(new WebSocketConnection(socket, url))
      }
      function settle(): void {
        socket.off('connect', onConnect)
        socket.off('connect_error', onError)
        signal?.removeEventListener('abort', onAbort)
      }
      socket.on('connect', onConnect)
      socket.on('connect_error', onError)
      if (signal?.aborted) onAbort()
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  },
}

class WebSocketConnection implements Connection {
  readonly transport = 'ws'
  private closed = false
  private events: ConnectionEvents | undefined
  private early: Uint8Array[] = []
  private paused = false

  constructor(
    private readonly socket: Socket,
    readonly remoteAddress: string,
  ) {
    socket.on(pipeEvent, (chunk: Uint8Array) => {
      if (this.events && !this.paused) this.events.data(chunk)
      else this.early.push(chunk)
    })
    socket.on('disconnect', () => this.finish())
  }

  start(events: ConnectionEvents): void {
    this.events = events
    this.resume()
    this.socket.io.engine.on('drain', () => events.drain())
    if (this.closed) events.close()
  }

  write(parts: readonly Uint8Array[]): boolean {
    const bytes = parts.length === 1 ? parts[0]! : Buffer.concat(parts)
    for (let at = 0; at < bytes.length; at += maxMessageBytes) {
      this.socket.emit(pipeEvent, bytes.subarray(at, at + maxMessageBytes))
    }
    return (this.socket.io.engine as unknown as { writeBuffer: unknown[] }).writeBuffer.length === 0
  }

  /** socket.io cannot stop reading; what comes is bounded by the credit that this side grants. */
  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
    const waiting = this.early
    this.early = []
    for (const chunk of waiting) this.events?.data(chunk)
  }

  end(): void {
    this.socket.disconnect()
  }

  destroy(): void {
    this.socket.disconnect()
  }

  private finish(): void {
    if (this.closed) return
    this.closed = true
    this.events?.close()
  }
}
