import { type Connection, type ConnectionEvents, SealwayError } from '@sealway/protocol'
import type { io as Io, Socket } from 'socket.io-client'

const pipeEvent = 'link'
/** The mediator takes no larger message; the pipe may be cut anywhere (SPEC.md, "How a link begins"). */
const maxMessageBytes = 64 * 1024
const connectTimeoutMs = 5_000

/** What Node and browsers do not do alike with the WebSocket under socket.io. */
export interface SocketWay {
  /** Takes bytes by {@link pipe}. @returns false where it is to wait until `drained` was called */
  write(parts: readonly Uint8Array[]): boolean
  pause(): void
  resume(): void
  /** Ends it at once. */
  cut(): void
}

/** Hands bytes to socket.io in messages that the mediator takes. */
export function pipe(socket: Socket, bytes: Uint8Array, messageOf: (start: number, end: number) => Uint8Array): void {
  for (let at = 0; at < bytes.length; at += maxMessageBytes) socket.emit(pipeEvent, messageOf(at, at + maxMessageBytes))
}

/**
 * Dials the mediator over socket.io.
 * @throws SealwayError `NOT_CONNECTED`
 */
export function dialSocket(
  io: typeof Io,
  url: string,
  signal: AbortSignal | undefined,
  wayOf: (socket: Socket, drained: () => void) => SocketWay,
): Promise<Connection> {
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
      resolve(new SocketConnection(socket, url, wayOf))
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
}

class SocketConnection implements Connection {
  readonly transport = 'ws'
  private readonly way: SocketWay
  private events: ConnectionEvents | undefined
  private early: Uint8Array[] = []
  private closed = false
  private paused = false

  constructor(
    private readonly socket: Socket,
    readonly remoteAddress: string,
    wayOf: (socket: Socket, drained: () => void) => SocketWay,
  ) {
    this.way = wayOf(socket, () => {
      if (!this.closed) this.events?.drain()
    })
    socket.on(pipeEvent, (chunk: unknown) => {
      const bytes = bytesOf(chunk)
      if (!bytes) socket.disconnect()
      else if (this.events && !this.paused) this.events.data(bytes)
      else this.early.push(bytes)
    })
    socket.on('disconnect', () => this.finish())
  }

  start(events: ConnectionEvents): void {
    this.events = events
    this.resume()
    if (this.closed) queueMicrotask(() => events.close())
  }

  write(parts: readonly Uint8Array[]): boolean {
    return this.closed || this.way.write(parts)
  }

  pause(): void {
    this.paused = true
    this.way.pause()
  }

  resume(): void {
    this.paused = false
    while (this.early.length > 0 && !this.paused) this.events?.data(this.early.shift()!)
    if (!this.paused) this.way.resume()
  }

  /** Not `disconnect`: its packet overtakes the last messages at the other end, which hands them on a turn later. */
  end(): void {
    this.socket.io.engine?.close()
  }

  destroy(): void {
    this.early = []
    this.way.cut()
    this.socket.disconnect()
    this.finish()
  }

  private finish(): void {
    if (this.closed) return
    this.closed = true
    this.events?.close()
  }
}

/** A browser hands on an ArrayBuffer, Node a Buffer. */
function bytesOf(chunk: unknown): Uint8Array | undefined {
  if (chunk instanceof Uint8Array) return chunk
  return chunk instanceof ArrayBuffer ? new Uint8Array(chunk) : undefined
}
