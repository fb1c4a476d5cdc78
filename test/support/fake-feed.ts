import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Server as SocketIoServer } from 'socket.io'
import { createAdminApp } from '../../server/src/gateway/admin-app'
import { Pages } from '../../server/src/gateway/pages'
import {
  type ClientEvents,
  type History,
  type LiveEdge,
  type LiveFrame,
  type LiveHealth,
  type LiveNode,
  livePath,
  type ServerEvents,
} from '../../server/src/live/events'
import { startGateway } from './gateway'

/** What a feed tells of itself: nodes, edges and frames as a test makes them up. */
export interface Told {
  readonly nodes: readonly LiveNode[]
  readonly edges: readonly LiveEdge[]
  readonly frames: readonly LiveFrame[]
  /** On their way when something else is asked for. */
  readonly late?: readonly LiveFrame[]
  readonly health: LiveHealth
  readonly history: History
}

/** The real operators' port and dashboard, with a live feed that says what the test wants. */
export class FakeFeed {
  private constructor(
    readonly gateway: Awaited<ReturnType<typeof startGateway>>,
    private readonly server: Server,
    private readonly io: SocketIoServer<ClientEvents, ServerEvents>,
    readonly url: string,
  ) {}

  static async start(dashboard: string, told: () => Told): Promise<FakeFeed> {
    const gateway = await startGateway()
    const server = createServer(createAdminApp({ ...gateway.deps, pages: Pages.in(dashboard) }))
    const io = new SocketIoServer<ClientEvents, ServerEvents>(server, { path: livePath, transports: ['websocket'] })
    io.on('connection', (socket) => {
      socket.on('watch', ({ topics }, answer) => {
        const { nodes, edges, frames, late, health, history } = told()
        if (late) socket.emit('frames', { frames: late, skipped: 0 })
        answer(history)
        socket.emit('health', health)
        if (topics.includes('nodes')) {
          // As the real one: the first thousand with `all`, the others after it.
          for (let at = 0; at === 0 || at < nodes.length; at += 1_000) {
            const more = at + 1_000 < nodes.length
            socket.emit('nodes', { all: at === 0, more, nodes: nodes.slice(at, at + 1_000), removed: [] })
          }
        }
        if (topics.includes('edges')) socket.emit('edges', edges)
        if (topics.includes('frames')) socket.emit('frames', { frames, skipped: 0 })
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return new FakeFeed(gateway, server, io, `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  }

  /** Everybody is told these edges now. */
  tellEdges(edges: readonly LiveEdge[]): void {
    this.io.emit('edges', edges)
  }

  /** Everybody is told these frames now. */
  tellFrames(frames: readonly LiveFrame[]): void {
    this.io.emit('frames', { frames, skipped: 0 })
  }

  /** The address that logs a browser in, and shows this page. */
  link(path = '/'): string {
    return `${this.url}/login?next=${encodeURIComponent(path)}#${this.gateway.deps.operators.links.make()}`
  }

  async close(): Promise<void> {
    await this.io.close()
    this.server.closeAllConnections()
    await this.gateway.close()
  }
}

export const fakeNode = (name: string, over: Partial<LiveNode> = {}): LiveNode => ({
  name,
  groups: ['g'],
  state: 'online',
  transport: 'tcp',
  since: 1_700_000_000_000,
  client: 'sealway-client/0.1.0',
  http: false,
  framesInPerSecond: 10,
  framesOutPerSecond: 10,
  errorsPerSecond: 0,
  queueBytes: 0,
  queueFrames: 0,
  keyIds: ['0badcafe'],
  lastErrors: [],
  ...over,
})

export const fakeEdge = (from: string, to: string, over: Partial<LiveEdge> = {}): LiveEdge => ({
  from,
  to,
  framesPerSecond: 10,
  bytesPerSecond: 2_000,
  errorsPerSecond: 0,
  p50Ms: 0.1,
  p95Ms: 0.4,
  ...over,
})

export const fakeFrame = (from: string, to: string, over: Partial<LiveFrame> = {}): LiveFrame => ({
  at: 1_700_000_000_000,
  from,
  to,
  taker: to,
  bytes: 200,
  outcome: 'DELIVERED',
  ms: 0.2,
  sealed: '5a'.repeat(128),
  ...over,
})

export const fakeHealth = (over: Partial<LiveHealth> = {}): LiveHealth => ({
  now: 1_700_000_100_000,
  startedAt: 1_700_000_000_000,
  version: '9.9.9',
  draining: false,
  database: 'up',
  links: { tcp: 2 },
  rssBytes: 100_000_000,
  heapBytes: 50_000_000,
  lagP50Ms: 0.2,
  lagMaxMs: 4,
  overload: 'none',
  queuedBytes: 0,
  budgetBytes: 268_435_456,
  framesPerSecond: 20,
  bytesPerSecond: 4_000,
  errorsPerSecond: 0,
  httpPerSecond: 0,
  ...over,
})

/** An hour of them, or less. */
export function fakeHistory(steps = 360): History {
  const column = (of: (at: number) => number): number[] => Array.from({ length: steps }, (_, at) => of(at))
  return {
    stepMs: 10_000,
    at: column((at) => 1_700_000_000_000 + at * 10_000),
    frames: column((at) => 100 + (at % 17)),
    bytes: column((at) => 10_000 + at),
    errors: column((at) => at % 3),
    links: column(() => 2),
    lagMaxMs: column((at) => at % 7),
    rssBytes: column(() => 100_000_000),
    queuedBytes: column(() => 0),
  }
}
