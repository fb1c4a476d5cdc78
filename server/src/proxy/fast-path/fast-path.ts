import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { hasGone } from '../../transport/gone.js'
import { ReceiveBuffer } from '../../transport/received.js'
import { type ConnectionParts, FastConnection } from './connection.js'
import { Scratch } from './scratch.js'

export interface FastPathParts extends Pick<ConnectionParts, 'take' | 'draining'> {
  /** Coarse clock, ms since 1970. */
  readonly now: () => number
  /** Told of each read. */
  readonly arrived?: ((bytes: number) => void) | undefined
}

/**
 * What a tick counts for at most, ms: as often they come. After a longer time the process stood still, or the clock was
 * set, and no client has to pay for that.
 */
const maxStepMs = 250

type ConnectionListener = (this: Server, socket: Socket) => void

/**
 * Reads what clients send before Node's HTTP server does, and answers what is plain: requests for nodes that came whole
 * (docs/decisions/0018). Whatever else it meets, it hands the connection over to Node's server, and has no more to do with it.
 */
export class FastPath {
  private readonly connections = new Set<FastConnection>()
  private readonly received: ReceiveBuffer
  private readonly scratch = new Scratch()
  private readonly parts: FastPathParts
  private tickedAt: number
  /** Of all ticks, ms. */
  private elapsedMs = 0
  private dateText = ''
  private dateAt = -1

  constructor(parts: FastPathParts) {
    this.parts = parts
    this.tickedAt = parts.now()
    this.received = new ReceiveBuffer(parts.arrived)
  }

  get size(): number {
    return this.connections.size
  }

  /** Puts itself before the server's own reading. */
  attach(server: Server): void {
    // Node's own is the first: the server's constructor put it there.
    const [nodes] = server.listeners('connection') as [ConnectionListener]
    server.removeListener('connection', nodes)
    const parts: ConnectionParts = {
      ...this.parts,
      scratch: this.scratch,
      date: () => this.date(),
      elapsed: () => this.elapsedMs,
      over: (connection) => this.connections.delete(connection),
      handOver(socket, bytes) {
        nodes.call(server, socket)
        if (bytes.length > 0) socket.unshift(bytes)
        socket.resume()
      },
    }
    server.on('connection', (accepted: Socket) => {
      const socket = this.received.adopt(accepted)
      // Asked again of the new one, which keeps it from here on.
      if (hasGone(socket ?? accepted, server)) accepted.destroy()
      else if (socket) this.connections.add(new FastConnection(socket, parts))
      else nodes.call(server, accepted)
    })
  }

  /** RFC 9110 s5.6.7; its unit is the second. */
  private date(): string {
    const second = Math.floor(this.parts.now() / 1_000)
    if (second !== this.dateAt) {
      this.dateAt = second
      this.dateText = new Date(this.parts.now()).toUTCString()
    }
    return this.dateText
  }

  /** Called four times a second. @param now coarse clock, ms */
  tick(now: number): void {
    this.elapsedMs += Math.max(0, Math.min(now - this.tickedAt, maxStepMs))
    this.tickedAt = now
    for (const connection of this.connections) connection.tick(this.elapsedMs)
  }

  /** Ends the connections that wait for nothing. */
  close(): void {
    for (const connection of this.connections) connection.closeIfIdle()
  }
}
