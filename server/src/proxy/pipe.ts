import type { Duplex } from 'node:stream'
import type { Budget } from '../session/outbox.js'
import type { Exchange } from './exchange.js'
import { ownCopy, Taken } from './taken.js'

/** After 101: the client's socket and the exchange, bytes in both directions. */
export class Pipe {
  private readonly taken: Taken
  private closed = false

  constructor(
    private readonly socket: Duplex,
    private readonly exchange: Exchange,
    budget: Budget,
    /** The socket is gone. */
    private readonly onGone: () => void,
  ) {
    this.taken = new Taken(socket, budget, (bytes) => exchange.taken(bytes))
  }

  start(): void {
    const { socket, exchange } = this
    socket.on('data', (chunk: Buffer) => this.sent(chunk))
    socket.on('end', () => exchange.end())
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      this.taken.close()
      this.onGone()
    })
    socket.resume()
  }

  /** From the client. */
  sent(chunk: Buffer): void {
    if (!this.exchange.send(chunk)) this.socket.pause()
  }

  drain(): void {
    this.socket.resume()
  }

  /** From the node. */
  data(chunk: Uint8Array, end: boolean): void {
    const { socket, taken } = this
    if (chunk.length > 0 && socket.writable) {
      const part = taken.waits ? ownCopy(chunk) : chunk
      taken.wrote(chunk.length)
      socket.write(part, taken.settle)
    }
    if (end) socket.end()
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    this.taken.close()
    this.socket.destroy()
  }
}
