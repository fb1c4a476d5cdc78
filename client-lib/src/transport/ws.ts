import { type ClientTransport, SealwayError } from '@sealway/protocol'
import type { Socket } from 'socket.io-client'
import { dialSocket, pipe, type SocketWay } from './socket-connection.js'

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
    return dialSocket(io, url, signal, (socket, drained) => new NodeSocket(socket, drained))
  },
}

/** What this file needs of the WebSocket under socket.io, beyond its public types. */
interface RawSocket {
  pause(): void
  resume(): void
  terminate(): void
  readonly _socket?: { readonly writableNeedDrain: boolean; once(event: 'drain', listener: () => void): unknown }
}

class NodeSocket implements SocketWay {
  private readonly raw: RawSocket | undefined
  private awaitsDrain = false

  constructor(
    private readonly socket: Socket,
    private readonly onDrained: () => void,
  ) {
    this.raw = (socket.io.engine.transport as unknown as { ws?: RawSocket }).ws
    socket.io.engine.on('drain', () => this.onEngineDrain())
  }

  /** Always false: socket.io hands its packets on in the next turn. */
  write(parts: readonly Uint8Array[]): boolean {
    const bytes = parts.length === 1 ? parts[0]! : Buffer.concat(parts)
    pipe(this.socket, bytes, (start, end) => bytes.subarray(start, end))
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
    this.onDrained()
  }

  pause(): void {
    this.raw?.pause()
  }

  resume(): void {
    this.raw?.resume()
  }

  cut(): void {
    this.raw?.terminate()
  }
}
