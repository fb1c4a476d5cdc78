import type { ClientTransport } from '@sealway/protocol'
import { io, type Socket } from 'socket.io-client'
import { dialSocket, pipe, type SocketWay } from '../transport/socket-connection.js'
import { joined } from './bytes.js'

/** What may wait in the browser's WebSocket before the link is told to wait. */
const highWaterBytes = 1024 * 1024
/** A browser tells nobody when its buffer has emptied, so it is asked. */
const askEveryMs = 10

/** Dials the mediator over socket.io's WebSocket, which every browser has. */
export const webSocketTransport: ClientTransport = {
  name: 'ws',
  connect: (url, { signal }) => dialSocket(io, url, signal, (socket, drained) => new PageSocket(socket, drained)),
}

class PageSocket implements SocketWay {
  private asking: ReturnType<typeof setInterval> | undefined
  /** Given to socket.io, which hands it to the WebSocket in a later turn. */
  private handedBytes = 0

  constructor(
    private readonly socket: Socket,
    private readonly drained: () => void,
  ) {
    socket.io.engine.on('drain', () => {
      this.handedBytes = 0
    })
    socket.on('disconnect', () => this.cut())
  }

  write(parts: readonly Uint8Array[]): boolean {
    const bytes = parts.length === 1 ? parts[0]! : joined(parts)
    // A copy: socket.io would send the whole buffer that a view lies in.
    pipe(this.socket, bytes, (start, end) => bytes.slice(start, end))
    this.handedBytes += bytes.length
    if (this.bufferedBytes < highWaterBytes) return true
    this.asking ??= setInterval(() => this.ask(), askEveryMs)
    return false
  }

  private get bufferedBytes(): number {
    const { engine } = this.socket.io as { engine?: { transport?: { ws?: { bufferedAmount?: number } } } }
    return this.handedBytes + (engine?.transport?.ws?.bufferedAmount ?? 0)
  }

  private ask(): void {
    if (this.bufferedBytes >= highWaterBytes / 2) return
    this.cut()
    this.drained()
  }

  /** A browser cannot stop reading its socket; what arrives waits in the connection. */
  pause(): void {}

  resume(): void {}

  /** Nobody asks any more. */
  cut(): void {
    clearInterval(this.asking)
    this.asking = undefined
  }
}
