import type { Server as HttpServer, IncomingMessage } from 'node:http'
import { type Socket as IoSocket, Server as SocketIoServer } from 'socket.io'
import type { Log } from '../observe/log.js'
import type {
  ClientEvents,
  FrameFilter,
  History,
  LiveEdge,
  LiveHealth,
  LiveNode,
  ServerEvents,
  Topic,
  Watch,
} from './events.js'
import { livePath } from './events.js'
import type { NodesChange } from './nodes.js'
import { readWatch } from './watch.js'
import { type Batch, Watcher } from './watcher.js'

/** Who comes with a request. */
export interface Visitor {
  /** Asked once a second: still logged in? */
  readonly stays: () => boolean
}

export interface Visitors {
  /** By session, Basic or token, and from this origin or from no page. @throws SealwayError */
  admit(request: IncomingMessage): Promise<Visitor>
}

export interface WatchersParts {
  readonly visitors: Visitors
  /** One watches something else now. @returns what is answered */
  readonly watched: (watch: Watch) => History
  readonly left: () => void
  readonly log: Log
}

export const maxWatchers = 32
/** What a client says is a few names. */
const maxMessageBytes = 16 * 1024
/** Changes of what one watches, within a second. */
const maxWatchesPerSecond = 20

type Socket = IoSocket<ClientEvents, ServerEvents>

/** Those who are logged in and watch, over socket.io. */
export class Watchers {
  private readonly io = new SocketIoServer<ClientEvents, ServerEvents>({
    path: livePath,
    transports: ['websocket'],
    serveClient: false,
    perMessageDeflate: false,
    httpCompression: false,
    maxHttpBufferSize: maxMessageBytes,
    connectTimeout: 5_000,
    allowRequest: (request, answer) => void this.admit(request, answer),
  })
  private readonly admitted = new WeakMap<IncomingMessage, Visitor>()
  private readonly watchers = new Set<Watcher>()

  constructor(private readonly parts: WatchersParts) {
    this.io.use((_socket, next) => {
      next(this.watchers.size < maxWatchers ? undefined : new Error(`at most ${maxWatchers} watch at once`))
    })
    this.io.on('connection', (socket) => this.add(socket))
  }

  get count(): number {
    return this.watchers.size
  }

  attach(server: HttpServer): void {
    this.io.attach(server)
  }

  close(): void {
    this.io.disconnectSockets(true)
    this.io.engine?.close()
  }

  private async admit(request: IncomingMessage, answer: (error: string | null | undefined, ok: boolean) => void) {
    try {
      this.admitted.set(request, await this.parts.visitors.admit(request))
      answer(null, true)
    } catch (error) {
      this.parts.log.debug({ error }, 'a watcher was refused')
      answer('log in first', false)
    }
  }

  private add(socket: Socket): void {
    const visitor = this.admitted.get(socket.request)
    if (!visitor?.stays()) {
      socket.disconnect(true)
      return
    }
    const watcher = new Watcher(socket, visitor)
    this.watchers.add(watcher)
    socket.on('watch', (asked: unknown, answer: unknown) => {
      const watch = readWatch(asked)
      if (!watch || typeof answer !== 'function' || ++watcher.asked > maxWatchesPerSecond) {
        socket.disconnect(true)
        return
      }
      watcher.watches(watch)
      answer(this.parts.watched(watch))
    })
    socket.on('disconnect', () => {
      this.watchers.delete(watcher)
      this.parts.left()
    })
  }

  /** Whether anybody watches that. */
  watch(topic: Topic): boolean {
    for (const watcher of this.watchers) if (watcher.has(topic)) return true
    return false
  }

  /** Of those who watch frames. */
  filters(): FrameFilter[] {
    return Array.from(this.watchers, (watcher) => watcher.filter).filter((filter) => filter !== undefined)
  }

  /** Whose session has ended, by time or by log-out. */
  dismissStrangers(): void {
    for (const watcher of [...this.watchers]) {
      watcher.asked = 0
      if (!watcher.visitor.stays()) watcher.end()
    }
  }

  /** A round begins: those who have not taken the last one get nothing in this one. */
  begin(): void {
    for (const watcher of this.watchers) watcher.begin()
  }

  tellFrames(listing: string, batch: Batch): void {
    for (const watcher of this.watchers) watcher.tellFrames(listing, batch)
  }

  tellNodes(change: NodesChange): void {
    for (const watcher of this.watchers) watcher.tellNodes(change)
  }

  tellAllNodes(known: ReadonlyMap<string, LiveNode>): void {
    for (const watcher of this.watchers) watcher.tellAllNodes(known)
  }

  tellEdges(edges: readonly LiveEdge[]): void {
    for (const watcher of this.watchers) watcher.tell('edges', edges)
  }

  tellHealth(health: LiveHealth): void {
    for (const watcher of this.watchers) watcher.tell('health', health)
  }
}
