import { io, type Socket } from 'socket.io-client'
import {
  type ClientEvents,
  type FrameFilter,
  type History,
  type LiveEdge,
  type LiveFrame,
  type LiveHealth,
  type LiveNode,
  livePath,
  type ServerEvents,
  type Topic,
  type Watch,
} from '../../server/src/live/events.js'
import { KnownNodes } from '../../server/src/live/known-nodes.js'

export type { FrameFilter, History, LiveEdge, LiveFrame, LiveHealth, LiveNode, Topic, Watch }

export type LinkState = 'connecting' | 'live' | 'lost'

/** What changed. */
export interface FeedEvents {
  readonly state: LinkState
  readonly nodes: undefined
  readonly edges: undefined
  readonly frames: { readonly frames: readonly LiveFrame[]; readonly skipped: number }
  readonly health: LiveHealth
  readonly history: History
  readonly missed: number
  /** The link is back; `restarted`: to a mediator that began after the one it was lost to. */
  readonly back: { readonly restarted: boolean }
}

type Listener<Name extends keyof FeedEvents> = (value: FeedEvents[Name]) => void

/** What the mediator tells live, and the last of it. It connects again by itself. */
export class Feed {
  edges: readonly LiveEdge[] = []
  health: LiveHealth | undefined
  history: History | undefined
  state: LinkState = 'connecting'
  private readonly socket: Socket<ServerEvents, ClientEvents>
  private readonly listeners = new Map<keyof FeedEvents, Set<Listener<never>>>()
  private known = new KnownNodes()
  private watched: Watch = { topics: ['health'] }
  /** Of what was asked for, what was answered last. */
  private answered: Watch | undefined
  /** Health was heard since the link was made. */
  private wasLive = false
  private wasLost = false
  private startedAt: number | undefined

  /** @param refused asks whether the session is over, when a link could not be made */
  constructor(private readonly refused: () => Promise<boolean>) {
    this.socket = io({
      path: livePath,
      transports: ['websocket'],
      reconnectionDelay: 300,
      reconnectionDelayMax: 2_000,
      autoConnect: false,
    })
    this.listen()
  }

  get nodes(): ReadonlyMap<string, LiveNode> {
    return this.known.nodes
  }

  /** All nodes were told; before, that one is not among them says nothing. */
  get knowsNodes(): boolean {
    return this.known.isWhole
  }

  on<Name extends keyof FeedEvents>(name: Name, listener: Listener<Name>): () => void {
    const listeners = this.listeners.get(name) ?? new Set()
    this.listeners.set(name, listeners.add(listener))
    return () => void listeners.delete(listener)
  }

  /** @param startedAt of the mediator that answers now, ms since 1970 */
  open(startedAt: number): void {
    this.startedAt = startedAt
    this.setState('connecting')
    this.socket.connect()
  }

  close(): void {
    this.socket.disconnect()
    this.known = new KnownNodes()
    this.edges = []
    this.wasLive = false
    this.wasLost = false
  }

  /** From now on these are told; health always is. */
  watch(topics: readonly Topic[], filter: FrameFilter = {}): void {
    this.watched = { topics: [...new Set<Topic>(['health', ...topics])], filter }
    if (this.socket.connected) this.send()
  }

  /** Reads the last hour anew. */
  refresh(): void {
    if (this.socket.connected) this.send()
  }

  private send(): void {
    const { watched } = this
    this.socket.emit('watch', watched, (history) => {
      this.answered = watched
      this.history = history
      this.tell('history', history)
    })
  }

  private listen(): void {
    const { socket } = this
    socket.on('connect', () => {
      this.send()
      this.setState('live')
    })
    socket.on('disconnect', (reason) => {
      if (reason === 'io client disconnect') return
      this.setState('lost')
      // The mediator ended it: a draining one, or the session is over. socket.io leaves it to us to come back.
      if (reason === 'io server disconnect') void this.comeBack()
    })
    socket.on('connect_error', () => {
      this.setState('lost')
      void this.comeBack()
    })
    socket.on('nodes', (told) => {
      this.known.take(told)
      this.tell('nodes', undefined)
    })
    socket.on('edges', (edges) => {
      this.edges = edges
      this.tell('edges', undefined)
    })
    socket.on('frames', (batch) => {
      // Before the answer come frames that were on their way for the filter before.
      if (this.answered === this.watched) this.tell('frames', batch)
    })
    socket.on('missed', ({ rounds }) => this.tell('missed', rounds))
    socket.on('health', (health) => this.heard(health))
  }

  private heard(health: LiveHealth): void {
    const before = this.startedAt
    this.health = health
    this.startedAt = health.startedAt
    if (this.wasLost && !this.wasLive) this.tell('back', { restarted: before !== health.startedAt })
    this.wasLive = true
    this.wasLost = false
    this.tell('health', health)
  }

  private async comeBack(): Promise<void> {
    this.wasLive = false
    if (await this.refused()) this.close()
    else if (!this.socket.active) setTimeout(() => this.socket.connect(), 500)
  }

  private setState(state: LinkState): void {
    if (state === 'lost') {
      this.wasLive = false
      this.wasLost = true
    }
    if (state === this.state) return
    this.state = state
    this.tell('state', state)
  }

  private tell<Name extends keyof FeedEvents>(name: Name, value: FeedEvents[Name]): void {
    for (const listener of this.listeners.get(name) ?? []) (listener as Listener<Name>)(value)
  }
}
