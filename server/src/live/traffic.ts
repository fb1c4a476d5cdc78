import { type Code, headerBytes, offset, readU32 } from '@sealway/protocol'
import type { TrafficWatcher } from '../routing/router.js'
import type { Route } from '../session/route.js'
import type { Session } from '../session/session.js'
import { Edge, edgeWindowMs } from './edge.js'
import type { LiveEdge } from './events.js'
import type { ListedFrame, Listing } from './listing.js'
import { Sender } from './sender.js'

/** Pairs of nodes that are kept; others count for their nodes only, until one of these has been silent for a while. */
export const maxEdges = 2_000
/** Names of senders that are kept; one more forgets the oldest, which comes back with its next frame. */
export const maxSenders = 20_000

/** What one route to one target counts into, looked up once. */
interface Cell {
  readonly edge: Edge | undefined
  readonly sender: Sender
}

export interface TrafficParts {
  /** ms since 1970; coarse. */
  readonly now: () => number
  readonly monotonic: () => number
}

/** Gathers traffic while somebody watches: this object is made when the first one comes, and let go with the last. */
export class Traffic implements TrafficWatcher {
  /** Of those who watch frames, by filter. */
  listings: readonly Listing[] = []
  private readonly edges = new Map<string, Edge>()
  private readonly senders = new Map<string, Sender>()
  private readonly cells = new Map<Route, Map<Session | undefined, Cell>>()
  /** What was counted last: the next run is the same pair's more often than not. */
  private lastRoute: Route | undefined
  private lastTarget: Session | undefined
  private lastCell: Cell | undefined
  private gathersEdges = false
  private ticks = 0
  private readAt = 0

  constructor(private readonly parts: TrafficParts) {}

  /** Whether anybody watches edges: without, neither is counted by pair, nor is the time measured. */
  watchEdges(watched: boolean): void {
    if (watched === this.gathersEdges) return
    this.gathersEdges = watched
    this.readAt = this.parts.monotonic()
    this.edges.clear()
    this.forgetRoutes()
  }

  handed(route: Route, target: Session, run: Uint8Array, frames: number): void {
    const { edge, sender } =
      this.lastRoute === route && this.lastTarget === target ? this.lastCell! : this.cell(route, target)
    sender.frames += frames
    sender.sealedWith(readU32(run, headerBytes + offset.kid))
    let wantsTime = false
    if (edge) {
      edge.frames += frames
      edge.bytes += run.length
      wantsTime = edge.wantsTime(this.ticks)
    }
    const listed = this.list(route, target, run, frames, 'DELIVERED')
    if (wantsTime || listed !== undefined) this.measure(target, wantsTime ? edge : undefined, listed)
  }

  refused(route: Route, target: Session | undefined, code: Code, run: Uint8Array, frames: number): void {
    const { edge, sender } = this.cell(route, target)
    sender.frames += frames
    sender.sealedWith(readU32(run, headerBytes + offset.kid))
    sender.failed(this.parts.now(), target?.member?.name ?? route.to, code, frames)
    if (edge) edge.errors += frames
    this.list(route, target, run, frames, code)
  }

  private cell(route: Route, target: Session | undefined): Cell {
    let byTarget = this.cells.get(route)
    if (!byTarget) {
      byTarget = new Map()
      this.cells.set(route, byTarget)
    }
    let cell = byTarget.get(target)
    if (!cell) {
      cell = this.makeCell(route, target)
      byTarget.set(target, cell)
    }
    this.lastRoute = route
    this.lastTarget = target
    this.lastCell = cell
    return cell
  }

  private makeCell({ sender, to: address }: Route, target: Session | undefined): Cell {
    const from = sender.member!.name
    return {
      edge: this.gathersEdges ? this.edge(from, target?.member?.name ?? address) : undefined,
      sender: this.sender(from),
    }
  }

  private edge(from: string, to: string): Edge | undefined {
    const name = `${from} ${to}`
    const known = this.edges.get(name)
    if (known || this.edges.size >= maxEdges) return known
    const edge = new Edge(from, to)
    edge.seenAt = this.parts.monotonic()
    this.edges.set(name, edge)
    return edge
  }

  private sender(name: string): Sender {
    const known = this.senders.get(name)
    if (known) return known
    const sender = new Sender()
    if (this.senders.size >= maxSenders) this.senders.delete(this.senders.keys().next().value!)
    this.senders.set(name, sender)
    return sender
  }

  private list(route: Route, target: Session | undefined, run: Uint8Array, frames: number, outcome: string) {
    if (this.listings.length === 0) return undefined
    let listed: ListedFrame[] | undefined
    for (const listing of this.listings) {
      if (!listing.matches(route, target, outcome)) continue
      if (listing.isFull) {
        listing.skip(frames)
        continue
      }
      const more = listing.add(route, target, run, frames, outcome, this.parts.now())
      if (more.length > 0) listed = listed ? [...listed, ...more] : more
    }
    return listed
  }

  private measure({ outbox }: Session, edge: Edge | undefined, listed: readonly ListedFrame[] | undefined): void {
    const { monotonic } = this.parts
    const from = monotonic()
    outbox.whenWritten(() => {
      const now = monotonic()
      const ms = now - from
      edge?.add(ms, now)
      for (const frame of listed ?? []) frame.ms = Math.round(ms * 1_000) / 1_000
    })
  }

  of(name: string): Sender | undefined {
    return this.senders.get(name)
  }

  /** Four times a second. */
  tick(): void {
    this.ticks++
  }

  /** Routes and links that are gone must not be held: they are looked up anew when they are needed. Once a second. */
  forgetRoutes(): void {
    this.cells.clear()
    this.lastRoute = this.lastTarget = this.lastCell = undefined
  }

  /** Every edge with traffic in the last ten seconds, the busiest first. Once a second, while they are watched. */
  readEdges(): LiveEdge[] {
    const now = this.parts.monotonic()
    const ms = Math.max(1, now - this.readAt)
    this.readAt = now
    const edges: LiveEdge[] = []
    for (const [name, edge] of this.edges) {
      if (edge.frames > 0 || edge.errors > 0) edge.seenAt = now
      if (now - edge.seenAt > edgeWindowMs) this.edges.delete(name)
      else edges.push(edge.read(now, ms))
    }
    return edges.sort((a, b) => b.framesPerSecond - a.framesPerSecond)
  }
}
