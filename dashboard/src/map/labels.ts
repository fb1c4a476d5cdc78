import type { LiveEdge, LiveNode } from '../feed.js'
import { bytes, count, millis } from '../format.js'
import type { Colours } from './colours.js'
import type { Area, Spot } from './layout.js'
import { Places } from './places.js'
import { along, bendOf, dotRadius, fails, isDim, isOver, type Scene } from './scene.js'

type Pen = CanvasRenderingContext2D

const font = (px: number, weight: number): string => `${weight} ${px}px "Inter Variable", system-ui, sans-serif`
/** With this few edges in sight each says its rate. */
const maxLabelledEdges = 14
/** Names that are written at all, where not every node has one. */
const maxNames = 400
/** Where along an edge its label may stand, the best first. */
const stops = [0.5, 0.38, 0.62, 0.28]
/** How far beside an edge that is too short for it. */
const beside = [18, 34]
/** Shorter edges have none. */
const minLabelledPx = 50

/** All that is written on the map. What finds no place is left out: it is said when somebody points at it. */
export function drawLabels(pen: Pen, scene: Scene, colours: Colours): void {
  const places = new Places()
  if (scene.layout.spots.size <= maxNames) keepDotsFree(scene, places)
  for (const area of scene.layout.areas) nameArea(pen, scene, colours, area, places)
  nameNodes(pen, scene, colours, places)
  if (scene.edges.length > maxLabelledEdges) return
  for (const edge of scene.edges) labelEdge(pen, scene, colours, edge, places)
}

function keepDotsFree({ layout, camera, nodes }: Scene, places: Places): void {
  for (const [name, spot] of layout.spots) {
    const node = nodes.get(name)
    if (!node) continue
    const { x, y } = camera.toView(spot)
    const size = 2 * dotRadius(node, camera.scale)
    places.take(x, y, size, size)
  }
}

function nameArea(pen: Pen, { camera, nodes }: Scene, colours: Colours, area: Area, places: Places): void {
  const { x, y } = camera.toView(area)
  const radius = area.radius * camera.scale
  if (radius < 16) return
  const size = Math.min(14, Math.max(11, radius / 8))
  const online = area.members.filter((name) => nodes.get(name)?.state !== 'offline').length
  const tail = ` ${count(online)}/${count(area.members.length)}`
  pen.font = font(size, 640)
  const nameWidth = Math.min(pen.measureText(area.group).width, Math.max(60, radius * 2.2))
  pen.font = font(size, 450)
  const tailWidth = pen.measureText(tail).width
  const width = nameWidth + tailWidth
  const top = y - radius - size
  if (!places.take(x, top, width + 8, size + 6)) return
  pen.textAlign = 'left'
  pen.textBaseline = 'middle'
  pen.font = font(size, 640)
  rimmed(pen, area.group, x - width / 2, top, colours.text, colours.surface, nameWidth)
  pen.font = font(size, 450)
  rimmed(pen, tail, x - width / 2 + nameWidth, top, colours.muted, colours.surface)
}

/** A rim in the colour of the ground keeps text readable where edges cross it. */
function rimmed(pen: Pen, text: string, x: number, y: number, colour: string, rim: string, maxWidth?: number): void {
  pen.lineWidth = 4
  pen.lineJoin = 'round'
  pen.strokeStyle = rim
  pen.strokeText(text, x, y, maxWidth)
  pen.fillStyle = colour
  pen.fillText(text, x, y, maxWidth)
}

function nameNodes(pen: Pen, scene: Scene, colours: Colours, places: Places): void {
  const { layout, camera, nodes, over, shown } = scene
  const here = over?.type === 'node' ? over.name : undefined
  const few = layout.spots.size <= 40 || (shown !== undefined && shown.size <= 40)
  const names = few || camera.scale >= 1.15 ? layout.spots.keys() : []
  pen.textAlign = 'center'
  pen.textBaseline = 'middle'
  let written = 0
  for (const name of here === undefined ? names : [here, ...names]) {
    const node = nodes.get(name)
    const spot = layout.spots.get(name)
    if (!node || !spot || isDim(scene, name) || (name === here && written > 0)) continue
    const { x, y } = camera.toView(spot)
    if (x < -40 || y < -20 || x > scene.width + 40 || y > scene.height + 20) continue
    pen.font = font(11.5, name === here ? 660 : 520)
    const below = y + dotRadius(node, camera.scale) + 12
    if (!places.take(x, below, pen.measureText(name).width + 6, 14)) continue
    rimmed(pen, name, x, below, colours.text, colours.area)
    if (++written >= maxNames) return
  }
}

/** In one line: rate, p95, and errors and queue where there are some. */
export function edgeWords(edge: LiveEdge, target: LiveNode | undefined): string {
  const parts: string[] = []
  if (edge.framesPerSecond > 0 || edge.errorsPerSecond === 0) parts.push(`${count(edge.framesPerSecond)}/s`)
  if (edge.p95Ms !== null) parts.push(`p95 ${millis(edge.p95Ms)}`)
  if (edge.errorsPerSecond > 0) parts.push(`${count(edge.errorsPerSecond)} errors/s`)
  if (target && target.queueBytes > 0) parts.push(`queue ${bytes(target.queueBytes)}`)
  return parts.join(' · ')
}

function labelEdge(pen: Pen, scene: Scene, colours: Colours, edge: LiveEdge, places: Places): void {
  const { layout, camera, nodes } = scene
  const begin = layout.spots.get(edge.from)
  const end = layout.spots.get(edge.to)
  if (!begin || !end || isDim(scene, edge.from, edge.to)) return
  const from = camera.toView(begin)
  const to = camera.toView(end)
  const words = edgeWords(edge, nodes.get(edge.to))
  pen.font = font(11, 560)
  const width = pen.measureText(words).width + 14
  const place = freePlace(from, to, width, places)
  if (!place) return
  const { x, y } = place
  pen.textAlign = 'center'
  pen.textBaseline = 'middle'
  pen.beginPath()
  pen.roundRect(x - width / 2, y - 10, width, 20, 6)
  pen.fillStyle = colours.surface
  pen.fill()
  pen.lineWidth = 1
  pen.strokeStyle = isOver(scene, edge) ? colours.accent : colours.line
  pen.stroke()
  pen.fillStyle = fails(edge) ? colours.bad : colours.text
  pen.fillText(words, x, y + 0.5)
}

function freePlace(from: Spot, to: Spot, width: number, places: Places): Spot | undefined {
  const bend = bendOf(from, to)
  const length = Math.hypot(to.x - from.x, to.y - from.y)
  const free = (spot: Spot): boolean => places.take(spot.x, spot.y, width + 4, 24)
  const on = length < width ? undefined : stops.map((stop) => along(from, bend, to, stop)).find(free)
  if (on || length < minLabelledPx) return on
  // Beside it, on the side to which it bends.
  const middle = along(from, bend, to, 0.5)
  const away = Math.hypot(bend.x - middle.x, bend.y - middle.y) || 1
  return beside
    .map((px) => ({ x: middle.x + ((bend.x - middle.x) / away) * px, y: middle.y + ((bend.y - middle.y) / away) * px }))
    .find(free)
}
