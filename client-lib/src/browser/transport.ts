import { type ClientTransport, type Connection, type ConnectionEvents, SealwayError } from '@sealway/protocol'
import { io, type Socket } from 'socket.io-client'
import { joined } from './bytes.js'

const pipeEvent = 'link'
/** The mediator takes no larger message; the pipe may be cut anywhere (SPEC.md, "How a link begins"). */
const maxMessageBytes = 64 * 1024
const connectTimeoutMs = 5_000
/** What may wait in the browser's WebSocket before the link is told to wait. */
const highWaterBytes = 1024 * 1024
/** A browser tells nobody when its buffer has emptied, so it is asked. */
const askEveryMs = 10

/** Dials the mediator over socket.io's WebSocket, which every browser has. */
export const webSocketTransport: ClientTransport = {
  name: 'ws',
  connect(url, { signal }) {
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
        resolve(new SocketConnection(socket, url))
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

class SocketConnection implements Connection {
  readonly transport = 'ws'
  private events: ConnectionEvents | undefined
  private early: Uint8Array[] = []
  private closed = false
  private paused = false
  private asking = false
  /** Given to socket.io, which hands it to the WebSocket in a later turn. */
  private handedBytes = 0

  constructor(
    private readonly socket: Socket,
    readonly remoteAddress: string,
  ) {
    socket.on(pipeEvent, (chunk: unknown) => {
      const bytes = bytesOf(chunk)
      if (!bytes) socket.disconnect()
      else if (this.events && !this.paused) this.events.data(bytes)
      else this.early.push(bytes)
    })
    socket.on('disconnect', () => this.finish())
    socket.io.engine.on('drain', () => {
      this.handedBytes = 0
    })
  }

  start(events: ConnectionEvents): void {
    this.events = events
    this.resume()
    if (this.closed) queueMicrotask(() => events.close())
  }

  write(parts: readonly Uint8Array[]): boolean {
    if (this.closed) return true
    const bytes = parts.length === 1 ? parts[0]! : joined(parts)
    for (let at = 0; at < bytes.length; at += maxMessageBytes) {
      // A copy: socket.io would send the whole buffer that a view lies in.
      this.socket.emit(pipeEvent, bytes.slice(at, at + maxMessageBytes))
    }
    this.handedBytes += bytes.length
    if (this.bufferedBytes < highWaterBytes) return true
    this.askUntilDrained()
    return false
  }

  private get bufferedBytes(): number {
    const { engine } = this.socket.io as { engine?: { transport?: { ws?: { bufferedAmount?: number } } } }
    return this.handedBytes + (engine?.transport?.ws?.bufferedAmount ?? 0)
  }

  private askUntilDrained(): void {
    if (this.asking) return
    this.asking = true
    const timer = setInterval(() => {
      if (!this.closed && this.bufferedBytes >= highWaterBytes / 2) return
      clearInterval(timer)
      this.asking = false
      if (!this.closed) this.events?.drain()
    }, askEveryMs)
  }

  /** A browser cannot stop reading its socket; what arrives waits here. */
  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
    while (this.early.length > 0 && !this.paused) this.events?.data(this.early.shift()!)
  }

  /** Not `disconnect`: its packet overtakes the last messages at the other end, which hands them on a turn later. */
  end(): void {
    this.socket.io.engine?.close()
  }

  destroy(): void {
    this.early = []
    this.socket.disconnect()
    this.finish()
  }

  private finish(): void {
    if (this.closed) return
    this.closed = true
    this.events?.close()
  }
}

/** A browser hands on an ArrayBuffer, Node (in tests) a Buffer. */
function bytesOf(chunk: unknown): Uint8Array | undefined {
  if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk)
  return ArrayBuffer.isView(chunk) ? new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength) : undefined
}
