import type { LiveEdge, LiveHealth, LiveNode } from '../live/events.js'
import { KnownNodes } from '../live/known-nodes.js'
import type { LiveSocket } from './live-feed.js'

/** What the rows of `top` are sorted by: most first, or by name. */
export type Sort = 'frames' | 'errors' | 'queue' | 'name'

/** The room that there is, and what to put into it. */
export interface View {
  readonly rows: number
  readonly columns: number
  /** Default: frames. */
  readonly sort?: Sort
  /** A last line under the head. */
  readonly hint?: string
}

/** What `top` shows, as it was told last. */
export class Snapshot {
  private readonly known = new KnownNodes()
  edges: readonly LiveEdge[] = []
  health: LiveHealth | undefined
  missedRounds = 0

  get nodes(): ReadonlyMap<string, LiveNode> {
    return this.known.nodes
  }

  listen(socket: LiveSocket): void {
    socket.on('nodes', (told) => this.known.take(told))
    socket.on('edges', (edges) => {
      this.edges = edges
    })
    socket.on('health', (health) => {
      this.health = health
    })
    socket.on('missed', ({ rounds }) => {
      this.missedRounds += rounds
    })
  }

  /**
   * Waits for all nodes, and for the rates of a second: the first health has those of no full second, the second one has.
   * @returns false: they were not told within this time, ms
   */
  complete(socket: LiveSocket, withinMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      let left = 2
      const end = (isComplete: boolean): void => {
        clearTimeout(late)
        socket.off('health', heard)
        resolve(isComplete)
      }
      const late = setTimeout(() => end(false), withinMs)
      const heard = (): void => {
        if (--left <= 0 && this.known.isWhole) end(true)
      }
      socket.on('health', heard)
    })
  }

  json(): object {
    return { health: this.health ?? null, nodes: [...this.nodes.values()], edges: this.edges }
  }

  /** Returns lines that fit: nodes and edges, sorted alike. */
  lines({ rows, columns, sort = 'frames', hint }: View): string[] {
    const nodes = [...this.nodes.values()].sort(by(nodeWeight[sort], ({ name }) => name))
    const edges = [...this.edges].sort(by(edgeWeight[sort], ({ from, to }) => `${from} ${to}`))
    const room = Math.max(4, rows - (hint === undefined ? 8 : 9))
    const edgeRows = Math.min(edges.length, Math.floor(room / 3))
    const nodeRows = Math.max(1, room - edgeRows)
    const more = nodes.length > nodeRows ? [`  and ${nodes.length - nodeRows} more`] : []
    return [
      ...this.head(),
      ...(hint === undefined ? [] : [hint]),
      '',
      ...table(nodeHead, nodes.slice(0, nodeRows).map(nodeRow)),
      ...more,
      ...(edgeRows > 0 ? ['', ...table(edgeHead, edges.slice(0, edgeRows).map(edgeRow))] : []),
    ].map((line) => line.slice(0, columns))
  }

  private head(): string[] {
    const { health, missedRounds } = this
    if (!health) return ['waiting for the mediator']
    const links = Object.values(health.links).reduce((sum, count) => sum + count, 0)
    const state = health.draining ? 'draining' : health.overload === 'none' ? 'ok' : health.overload
    return [
      `sealway ${health.version}  up ${uptime(health.now - health.startedAt)}  ${state}  database ${health.database}  ` +
        `${links} links  ${this.nodes.size} nodes${missedRounds > 0 ? `  missed ${missedRounds} rounds` : ''}`,
      `${health.framesPerSecond} frames/s  ${bytes(health.bytesPerSecond)}/s  ${health.errorsPerSecond} errors/s  ` +
        `${health.httpPerSecond} http/s  queue ${bytes(health.queuedBytes)} of ${bytes(health.budgetBytes)}  ` +
        `lag ${health.lagMaxMs.toFixed(0)} ms  rss ${bytes(health.rssBytes)}`,
    ]
  }
}

const nodeHead = ['NODE', 'STATE', 'VIA', 'IN/S', 'OUT/S', 'ERRORS/S', 'QUEUE', 'KEY', 'GROUPS', 'LAST ERROR']

const nodeRow = (node: LiveNode): string[] => {
  const error = node.lastErrors[0]
  return [
    node.name,
    node.state,
    node.transport ?? '-',
    String(node.framesInPerSecond),
    String(node.framesOutPerSecond),
    String(node.errorsPerSecond),
    bytes(node.queueBytes),
    node.keyIds[0] ?? '-',
    node.groups.join(','),
    error ? `${error.code} to ${error.to}` : '-',
  ]
}

const edgeHead = ['FROM', 'TO', 'FRAMES/S', 'BYTES/S', 'ERRORS/S', 'P50', 'P95']

const edgeRow = (edge: LiveEdge): string[] => [
  edge.from,
  edge.to,
  String(edge.framesPerSecond),
  bytes(edge.bytesPerSecond),
  String(edge.errorsPerSecond),
  milliseconds(edge.p50Ms),
  milliseconds(edge.p95Ms),
]

/** A node that is not connected comes behind those that are. */
const offlineLast = ({ state }: LiveNode): number => (state === 'offline' ? -1 : 0)

const nodeWeight: { readonly [sort in Sort]: (node: LiveNode) => number } = {
  frames: (node) => node.framesInPerSecond + node.framesOutPerSecond + offlineLast(node),
  errors: (node) => node.errorsPerSecond + offlineLast(node),
  queue: (node) => node.queueBytes + offlineLast(node),
  name: () => 0,
}

const edgeWeight: { readonly [sort in Sort]: (edge: LiveEdge) => number } = {
  // Frames that failed are not among those that were delivered.
  frames: (edge) => edge.framesPerSecond + edge.errorsPerSecond,
  errors: (edge) => edge.errorsPerSecond,
  queue: (edge) => edge.p95Ms ?? -1,
  name: () => 0,
}

const by =
  <T>(weight: (row: T) => number, name: (row: T) => string) =>
  (a: T, b: T): number =>
    weight(b) - weight(a) || (name(a) < name(b) ? -1 : 1)

export const milliseconds = (ms: number | null): string => (ms === null ? '-' : `${ms.toFixed(ms < 10 ? 2 : 0)} ms`)

const uptime = (ms: number): string => {
  const minutes = Math.floor(Math.max(0, ms) / 60_000)
  if (minutes < 1) return `${Math.floor(Math.max(0, ms) / 1_000)} s`
  if (minutes < 120) return `${minutes} min`
  return minutes < 2_880 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1_440)} d`
}

export function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB']
  let unit = 0
  let left = count
  while (left >= 1_024 && unit < units.length - 1) {
    left /= 1_024
    unit++
  }
  return `${unit === 0 ? left : left.toFixed(1)} ${units[unit]}`
}

/** Columns as wide as their longest cell. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)))
  return [head, ...rows].map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('  ')
      .trimEnd(),
  )
}
