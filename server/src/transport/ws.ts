import type { Server as HttpServer } from 'node:http'
import { type Connection, type ConnectionEvents, limits } from '@sealway/protocol'
import { type Socket, Server as SocketIoServer } from 'socket.io'

/** Path under which socket.io answers on the shared port. */
export const wsPath = '/socket.io'
/** One event carries the pipe; a message is a piece of the byte stream, cut anywhere. */
const pipeEvent = 'link'
/** Pieces this size bound what a stranger can make us buffer before the hello. */
const maxMessageBytes = 64 * 1024

/** How long the other side may take to read what was written, and to close, ms. */
const goodbyeMs = 2_000

/** socket.io as a plain pipe of binary frames, for browsers and for proxies that only pass WebSocket. */
export function acceptWebSockets(
  server: HttpServer,
  onConnection: (connection: Connection) => void,
  helloTimeoutMs: number = limits.helloTimeoutMs,
): SocketIoServer {
  const io = new SocketIoServer({
    path: wsPath,
    transports: ['websocket'],
    serveClient: false,
    perMessageDeflate: false,
    httpCompression: false,
    maxHttpBufferSize: maxMessageBytes + 1_024,
    // The link has its own pings; these only end pipes whose link never began.
    pingInterval: 20_000,
    pingTimeout: 20_000,
    connectTimeout: helloTimeoutMs,
    destroyUpgrade: false,
  })
  io.attach(server)
  const linked = new WeakSet<object>()
  io.engine.on('connection', (pipe: Pipe) => {
    cutUnlessLinked(pipe, () => linked.has(pipe), helloTimeoutMs + goodbyeMs / 4)
  })
  io.on('connection', (socket) => {
    linked.add(socket.conn)
    onConnection(new WebSocketConnection(socket))
  })
  return io
}

/** As much of an engine.io socket as is needed to cut its connection. */
interface Pipe {
  readonly transport: { readonly socket?: { readonly _socket?: RawSocket } }
}

/**
 * Cuts a WebSocket that has not become a link in time. socket.io closes it after `connectTimeout`, but then waits 30 s for
 * the other side to close as well.
 */
function cutUnlessLinked(pipe: Pipe, isLinked: () => boolean, afterMs: number): void {
  const raw = pipe.transport.socket?._socket
  const cut = (): void => {
    if (!isLinked()) raw?.destroy()
  }
  const timer = setTimeout(cut, afterMs).unref()
  raw?.once('close', () => clearTimeout(timer))
}

/** What this file needs of engine.io beyond its public types: whether a write still waits for the kernel. */
interface EngineTransport {
  readonly writable: boolean
  on(event: 'ready', listener: () => void): unknown
}

interface RawSocket {
  pause(): void
  resume(): void
  destroy(): void
  once(event: 'close', listener: () => void): unknown
}

class WebSocketConnection implements Connection {
  readonly transport = 'ws'
  readonly remoteAddress: string
  private readonly engine: EngineTransport
  private awaitsDrain = false
  private paused = false
  private closed = false
  private events: ConnectionEvents | undefined
  /** What came before the start. */
  private early: Buffer[] = []

  constructor(private readonly socket: Socket) {
    this.remoteAddress = socket.handshake.address
    this.engine = socket.conn.transport as unknown as EngineTransport
    socket.on(pipeEvent, (chunk: unknown) => {
      if (!Buffer.isBuffer(chunk)) socket.disconnect(true)
      else if (this.events) this.events.data(chunk)
      else if (!this.closed) this.early.push(chunk)
    })
    socket.on('disconnect', () => this.finish())
  }

  start(events: ConnectionEvents): void {
    this.events = events
    for (const chunk of this.early.splice(0)) events.data(chunk)
    this.engine.on('ready', () => {
      if (!this.awaitsDrain || !this.settled) return
      this.awaitsDrain = false
      events.drain()
    })
    if (this.closed) queueMicrotask(() => this.finish())
  }

  /** Exactly once, and nothing follows. */
  private finish(): void {
    this.closed = true
    const events = this.events
    this.events = undefined
    events?.close()
  }

  private get settled(): boolean {
    return this.engine.writable && (this.socket.conn as unknown as { writeBuffer: unknown[] }).writeBuffer.length === 0
  }

  write(parts: readonly Uint8Array[]): boolean {
    const bytes = Buffer.concat(parts)
    for (let at = 0; at < bytes.length; at += maxMessageBytes) {
      this.socket.emit(pipeEvent, bytes.subarray(at, at + maxMessageBytes))
    }
    if (this.settled) return true
    this.awaitsDrain = true
    return false
  }

  pause(): void {
    if (this.paused) return
    this.paused = true
    this.rawSocket?.pause()
  }

  resume(): void {
    if (!this.paused) return
    this.paused = false
    this.rawSocket?.resume()
  }

  private get rawSocket(): RawSocket | undefined {
    return (this.engine as unknown as { socket?: { _socket?: RawSocket } }).socket?._socket
  }

  end(): void {
    // socket.io sends what waits before it closes; it has no half-close, and would wait for the other side for long.
    const raw = this.rawSocket
    this.socket.disconnect(true)
    setTimeout(() => raw?.destroy(), goodbyeMs).unref()
  }

  destroy(): void {
    const raw = this.rawSocket
    this.socket.disconnect(true)
    raw?.destroy()
    this.finish()
  }
}
