import type { Duplex } from 'node:stream'
import type { BlockPool } from '../session/block.js'
import type { Exchange } from './exchange.js'
import { Taken } from './taken.js'
import type { Tunnel } from './tunnel.js'

/** What a client may send before the node has agreed to the switch, bytes; more waits in the kernel. */
const maxEarlyBytes = 64 * 1024

/** A client that asked for a switch of protocols: once it is granted, its socket and the exchange, bytes in both directions. */
export class Pipe {
  private exchange: Exchange | undefined
  private taken: Taken | undefined
  private early: Buffer[]
  private earlyBytes: number
  private blocks: BlockPool | undefined
  private onGone: (() => void) | undefined

  /** @param head what came behind the request */
  constructor(
    private readonly socket: Duplex,
    head: Buffer,
  ) {
    this.early = head.length > 0 ? [head] : []
    this.earlyBytes = head.length
    socket.on('data', this.sent)
    socket.on('end', this.ended)
    socket.on('close', this.closed)
  }

  /** The node agrees. @param onGone the socket is gone */
  open(exchange: Exchange, { budget, blocks }: Tunnel, onGone: () => void): void {
    this.exchange = exchange
    this.blocks = blocks
    this.onGone = onGone
    this.taken = new Taken(this.socket, budget, (bytes) => exchange.taken(bytes))
    this.socket.resume()
    const { early } = this
    this.early = []
    for (const chunk of early) this.sent(chunk)
  }

  private readonly sent = (chunk: Buffer): void => {
    if (this.exchange) {
      if (!this.exchange.send(chunk)) this.socket.pause()
      return
    }
    this.early.push(chunk)
    this.earlyBytes += chunk.length
    if (this.earlyBytes >= maxEarlyBytes) this.socket.pause()
  }

  private readonly ended = (): void => {
    // Half of a connection may end once it is one; a client that leaves before that waits for nothing.
    if (this.exchange) this.exchange.end()
    else this.socket.destroy()
  }

  private readonly closed = (): void => {
    this.taken?.close()
    this.onGone?.()
  }

  drain(): void {
    this.socket.resume()
  }

  /** From the node. */
  data(chunk: Uint8Array, end: boolean): void {
    const { socket, taken, blocks } = this
    if (chunk.length > 0 && socket.writable && taken && blocks) taken.write(chunk, blocks)
    if (end) socket.end()
  }

  /** There was no switch: the socket is somebody else's. */
  release(): void {
    const { socket } = this
    socket.off('data', this.sent)
    socket.off('end', this.ended)
    socket.off('close', this.closed)
    this.early = []
  }

  close(): void {
    this.taken?.close()
    this.socket.destroy()
  }
}
