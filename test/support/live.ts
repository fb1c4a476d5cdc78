import { io, type Socket } from 'socket.io-client'
import {
  type ClientEvents,
  type History,
  type LiveEdge,
  type LiveFrame,
  type LiveHealth,
  livePath,
  type ServerEvents,
  type Watch,
} from '../../server/src/live/events'
import { KnownNodes } from '../../server/src/live/known-nodes'
import { patienceMs } from './patience'

/** What one who watches was told, put together. */
export class LiveView {
  private readonly known = new KnownNodes()
  edges: readonly LiveEdge[] = []
  readonly frames: LiveFrame[] = []
  skipped = 0
  health: LiveHealth | undefined
  missedRounds = 0
  /** Messages with all nodes. */
  wholes = 0
  ended: string | undefined

  constructor(readonly socket: Socket<ServerEvents, ClientEvents>) {
    socket.on('nodes', (told) => {
      if (told.all) this.wholes++
      this.known.take(told)
    })
    socket.on('edges', (edges) => {
      this.edges = edges
    })
    socket.on('frames', ({ frames, skipped }) => {
      this.frames.push(...frames)
      this.skipped += skipped
    })
    socket.on('health', (health) => {
      this.health = health
    })
    socket.on('missed', ({ rounds }) => {
      this.missedRounds += rounds
    })
    socket.on('disconnect', (reason) => {
      this.ended = reason
    })
  }

  get nodes(): KnownNodes['nodes'] {
    return this.known.nodes
  }

  watch(watch: Watch): Promise<History> {
    return this.socket.timeout(patienceMs).emitWithAck('watch', watch)
  }

  close(): void {
    this.socket.disconnect()
  }
}

/** Connects to the operators' port. Rejects where it is refused. */
export function openLive(adminUrl: string, headers: { readonly [name: string]: string }): Promise<LiveView> {
  const socket: Socket<ServerEvents, ClientEvents> = io(adminUrl, {
    path: livePath,
    transports: ['websocket'],
    extraHeaders: { ...headers },
    reconnection: false,
    forceNew: true,
  })
  const view = new LiveView(socket)
  return new Promise((resolve, reject) => {
    socket.once('connect', () => resolve(view))
    socket.once('connect_error', (error) => {
      socket.disconnect()
      reject(error)
    })
  })
}

export const basicOf = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
