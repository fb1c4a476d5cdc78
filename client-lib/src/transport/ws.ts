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

/** What this file needs of the WebSocket under socket.io, beyond its public types. */
interface RawSocket {
  pause(): void
  resume(): void
  terminate(): void
  readonly _socket?: { readonly writableNeedDrain: boolean; once(event: 'drain', listener: () => void): unknown }
}

class WebSocketConnection implements Connection {
  readonly transport = 'ws'
  private readonly raw: RawSocket | undefined
  private closed = false
  private events: ConnectionEvents | undefined
  private early: Uint8Array[] = []
  private paused = false
  private awaitsDrain = false

  constructor(
    private readonly socket: Socket,
    readonly remoteAddress: string,
  ) {
    this.raw = (socket.io.engine.transport as unknown as { ws?: RawSocket }).ws
    socket.on(pipeEvent, (chunk: Uint8Array) => {
      if (this.events && !this.paused) this.events.data(chunk)
      else this.early.push(chunk)
    })
    socket.on('disconnect', () => this.finish())
    socket.io.engine.on('drain', () => this.onEngineDrain())
  }

  start(events: ConnectionEvents): void {
    this.events = events
    this.resume()
    if (this.closed) queueMicrotask(() => events.close())
  }

  /** Always false: socket.io hands its packets on in the next turn. */
  write(parts: readonly Uint8Array[]): boolean {
    if (this.closed) return true
    const bytes = parts.length === 1 ? parts[0]! : Buffer.concat(parts)
    for (let at = 0; at < bytes.length; at += maxMessageBytes) {
      this.socket.emit(pipeEvent, bytes.subarray(at, at + maxMessageBytes))
    }
    this.awaitsDrain = true
    return false
  }

  /** To socket.io everything has left as soon as it was handed to the socket, which may keep it for long. */
  private onEngineDrain(): void {
    const stream = this.raw?._socket
    if (stream?.writableNeedDrain) stream.once('drain', () => this.drained())
    else this.drained()
  }

  private drained(): void {
    if (!this.awaitsDrain) return
    this.awaitsDrain = false
    this.events?.drain()
  }

  pause(): void {
    this.paused = true
    this.raw?.pause()
  }

  resume(): void {
    this.paused = false
    while (this.early.length > 0 && !this.paused) this.events?.data(this.early.shift()!)
    if (!this.paused) this.raw?.resume()
  }

  /** Not `disconnect`: its packet overtakes the last messages at the other end, which hands them on a turn later. */
  end(): void {
    this.socket.io.engine.close()
  }

  destroy(): void {
    this.early = []
    this.raw?.terminate()
    this.socket.disconnect()
  }

  private finish(): void {
    if (this.closed) return
    this.closed = true
    this.events?.close()
  }
}
