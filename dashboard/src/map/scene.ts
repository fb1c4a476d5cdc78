import type { LiveEdge, LiveNode } from '../feed.js'
import type { Camera } from './camera.js'
import type { Layout, Spot } from './layout.js'

export type Target =
  | { readonly type: 'node'; readonly name: string }
  | { readonly type: 'edge'; readonly from: string; readonly to: string }

/** All that one picture is made of. */
export interface Scene {
  readonly layout: Layout
  readonly camera: Camera
  readonly nodes: ReadonlyMap<string, LiveNode>
  readonly edges: readonly LiveEdge[]
  /** Names that the filter leaves; undefined: there is none. */
  readonly shown: ReadonlySet<string> | undefined
  readonly over: Target | undefined
  readonly width: number
  readonly height: number
  /** ms, for what moves. */
  readonly now: number
  /** Dots run along the edges. */
  readonly moves: boolean
}

/** Beyond this edges are straight lines without heads, drawn in a few strokes. */
export const maxCurved = 240
/** Beyond this nothing moves along them. */
export const maxMoving = 80

export const isDim = ({ shown }: Scene, ...names: readonly string[]): boolean =>
  shown !== undefined && !names.every((name) => shown.has(name))

/** It is pointed at, or one of its ends is. */
export const isOver = ({ over }: Scene, { from, to }: LiveEdge): boolean =>
  over?.type === 'edge' ? over.from === from && over.to === to : over?.name === from || over?.name === to

/** More than one frame in a hundred was not delivered. */
export const fails = ({ errorsPerSecond, framesPerSecond }: LiveEdge): boolean =>
  errorsPerSecond > 0 && errorsPerSecond * 100 > framesPerSecond

/** Two nodes that talk to one another have two edges, which bend away from each other. */
export function bendOf(from: Spot, to: Spot): Spot {
  const dx = to.x - from.x
  const dy = to.y - from.y
  return { x: (from.x + to.x) / 2 - dy * 0.14, y: (from.y + to.y) / 2 + dx * 0.14 }
}

/** A point of the curve, 0 at its begin and 1 at its end. */
export function along(from: Spot, bend: Spot, to: Spot, part: number): Spot {
  const rest = 1 - part
  return {
    x: rest * rest * from.x + 2 * rest * part * bend.x + part * part * to.x,
    y: rest * rest * from.y + 2 * rest * part * bend.y + part * part * to.y,
  }
}

/** Of a node's dot, in pixels: busier nodes are a little larger, and none is too small to be seen. */
export function dotRadius(node: Pick<LiveNode, 'framesInPerSecond' | 'framesOutPerSecond'>, scale: number): number {
  const busy = Math.log10(1 + node.framesInPerSecond + node.framesOutPerSecond)
  return Math.max(1.6, Math.min(9, 6.5 * scale) * (1 + busy * 0.12))
}

const reachPx = 9
/** Among hundreds of edges one has to be pointed at more closely. */
const denseReachPx = 4

/** What is under a point of the view: a node before an edge. */
export function targetAt(scene: Scene, point: Spot): Target | undefined {
  const { layout, camera, nodes, edges, shown } = scene
  let best: Target | undefined
  let bestFar = Number.POSITIVE_INFINITY
  for (const [name, spot] of layout.spots) {
    const node = nodes.get(name)
    if (!node || (shown && !shown.has(name))) continue
    const at = camera.toView(spot)
    const far = Math.hypot(at.x - point.x, at.y - point.y)
    if (far > Math.max(reachPx, dotRadius(node, camera.scale) + 4) || far >= bestFar) continue
    best = { type: 'node', name }
    bestFar = far
  }
  if (best) return best
  const isDense = edges.length > maxCurved
  const reach = isDense ? denseReachPx : reachPx
  for (const { from, to } of edges) {
    if (shown && !(shown.has(from) && shown.has(to))) continue
    const far = isDense ? lineDistance(scene, from, to, point) : edgeDistance(scene, from, to, point)
    if (far > reach || far >= bestFar) continue
    best = { type: 'edge', from, to }
    bestFar = far
  }
  return best
}

function edgeDistance({ layout, camera }: Scene, from: string, to: string, point: Spot): number {
  const begin = layout.spots.get(from)
  const end = layout.spots.get(to)
  if (!begin || !end) return Number.POSITIVE_INFINITY
  const bend = bendOf(begin, end)
  let far = Number.POSITIVE_INFINITY
  const steps = 24
  for (let step = 0; step <= steps; step++) {
    const at = camera.toView(along(begin, bend, end, step / steps))
    far = Math.min(far, Math.hypot(at.x - point.x, at.y - point.y))
  }
  return far
}

/** To an edge as it is drawn among hundreds: a straight line. */
function lineDistance({ layout, camera }: Scene, from: string, to: string, point: Spot): number {
  const begin = layout.spots.get(from)
  const end = layout.spots.get(to)
  if (!begin || !end) return Number.POSITIVE_INFINITY
  const a = camera.toView(begin)
  const b = camera.toView(end)
  const [dx, dy] = [b.x - a.x, b.y - a.y]
  const part = Math.max(0, Math.min(1, ((point.x - a.x) * dx + (point.y - a.y) * dy) / (dx * dx + dy * dy || 1)))
  return Math.hypot(a.x + part * dx - point.x, a.y + part * dy - point.y)
}
