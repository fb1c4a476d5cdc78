import type { Socket as IoSocket } from 'socket.io'
import type {
  ClientEvents,
  FrameFilter,
  LiveEdge,
  LiveFrame,
  LiveHealth,
  LiveNode,
  ServerEvents,
  Topic,
  Watch,
} from './events.js'
import type { NodesChange } from './nodes.js'
import type { Visitor } from './watchers.js'

/** Nodes in one message: some hundred KiB. */
export const nodesAtOnce = 1_000

export interface Batch {
  readonly frames: readonly LiveFrame[]
  readonly skipped: number
}

/** What this file needs of engine.io beyond its public types: whether a write still waits for the kernel. */
interface Engine {
  readonly writeBuffer: readonly unknown[]
  readonly transport: { readonly writable: boolean }
}

/**
 * One who watches. What is sent to it waits for the kernel; as long as anything does, it gets no more, so that what
 * lies here for it is one round at most.
 */
export class Watcher {
  /** How often it asked, since it was last looked at. */
  asked = 0
  private watch: Watch = { topics: [] }
  private listing: string | undefined
  private takes = true
  private missedRounds = 0
  private skippedFrames = 0
  /** Names of nodes that are still to be told; undefined: it was told all. */
  private due: string[] | 'all' | undefined

  constructor(
    private readonly socket: IoSocket<ClientEvents, ServerEvents>,
    readonly visitor: Visitor,
  ) {}

  get filter(): FrameFilter | undefined {
    return this.has('frames') ? (this.watch.filter ?? {}) : undefined
  }

  has(topic: Topic): boolean {
    return this.watch.topics.includes(topic)
  }

  watches(watch: Watch): void {
    const begins = watch.topics.includes('nodes') && !this.has('nodes')
    this.watch = watch
    this.listing = this.filter && JSON.stringify(this.filter)
    if (!this.has('nodes')) this.due = undefined
    else if (begins) this.due = 'all'
  }

  end(): void {
    this.socket.disconnect(true)
  }

  begin(): void {
    const engine = this.socket.conn as unknown as Engine
    this.takes = engine.transport.writable && engine.writeBuffer.length === 0
    if (!this.takes) {
      this.missedRounds++
      return
    }
    if (this.missedRounds === 0) return
    this.socket.emit('missed', { rounds: this.missedRounds })
    this.missedRounds = 0
    if (this.has('nodes')) this.due = 'all'
  }

  tellFrames(listing: string, { frames, skipped }: Batch): void {
    if (listing !== this.listing || frames.length + skipped === 0) return
    if (this.takes) {
      this.socket.emit('frames', { frames, skipped: skipped + this.skippedFrames })
      this.skippedFrames = 0
    } else this.skippedFrames += frames.length + skipped
  }

  tellNodes(change: NodesChange): void {
    if (!this.takes || !this.has('nodes') || this.due === 'all') return
    const more = this.due !== undefined
    for (let at = 0; at === 0 || at < change.nodes.length; at += nodesAtOnce) {
      const nodes = change.nodes.slice(at, at + nodesAtOnce)
      const removed = at === 0 ? change.removed : []
      if (nodes.length + removed.length > 0) this.socket.emit('nodes', { all: false, more, nodes, removed })
    }
  }

  /** The next thousand, where there are any to be told. */
  tellAllNodes(known: ReadonlyMap<string, LiveNode>): void {
    if (!this.takes || this.due === undefined) return
    const begins = this.due === 'all'
    if (this.due === 'all') this.due = [...known.keys()]
    const nodes = this.due.splice(0, nodesAtOnce).flatMap((name) => known.get(name) ?? [])
    if (this.due.length === 0) this.due = undefined
    this.socket.emit('nodes', { all: begins, more: this.due !== undefined, nodes, removed: [] })
  }

  tell(topic: 'edges', value: readonly LiveEdge[]): void
  tell(topic: 'health', value: LiveHealth): void
  tell(topic: 'edges' | 'health', value: readonly LiveEdge[] | LiveHealth): void {
    if (!this.takes || !this.has(topic)) return
    if (topic === 'edges') this.socket.emit('edges', value as readonly LiveEdge[])
    else this.socket.emit('health', value as LiveHealth)
  }
}
