import type { LiveEdge, LiveNode } from '../feed.js'
import type { Colours } from './colours.js'
import { drawLabels } from './labels.js'
import type { Spot } from './layout.js'
import { along, bendOf, dotRadius, fails, isDim, isOver, maxCurved, type Scene } from './scene.js'

type Pen = CanvasRenderingContext2D

export function draw(pen: Pen, scene: Scene, colours: Colours): void {
  pen.clearRect(0, 0, scene.width, scene.height)
  drawAreas(pen, scene, colours)
  if (scene.edges.length > maxCurved) drawManyEdges(pen, scene, colours)
  else for (const edge of scene.edges) drawEdge(pen, scene, colours, edge)
  drawNodes(pen, scene, colours)
  drawLabels(pen, scene, colours)
}

function drawAreas(pen: Pen, { layout, camera }: Scene, colours: Colours): void {
  for (const area of layout.areas) {
    const { x, y } = camera.toView(area)
    pen.beginPath()
    pen.arc(x, y, area.radius * camera.scale, 0, 2 * Math.PI)
    pen.fillStyle = colours.area
    pen.fill()
    pen.lineWidth = 1
    pen.strokeStyle = colours.line
    pen.stroke()
  }
}

const widthOf = ({ framesPerSecond }: LiveEdge): number => 1 + Math.min(2.4, Math.log10(1 + framesPerSecond) * 0.6)

function drawEdge(pen: Pen, scene: Scene, colours: Colours, edge: LiveEdge): void {
  const { layout, camera, now, moves } = scene
  const begin = layout.spots.get(edge.from)
  const end = layout.spots.get(edge.to)
  if (!begin || !end) return
  const from = camera.toView(begin)
  const to = camera.toView(end)
  const bend = bendOf(from, to)
  const over = isOver(scene, edge)
  const colour = fails(edge) ? colours.bad : over ? colours.accent : colours.edge
  pen.globalAlpha = isDim(scene, edge.from, edge.to) ? 0.12 : over ? 1 : 0.62
  pen.strokeStyle = pen.fillStyle = colour
  pen.lineWidth = widthOf(edge) + (over ? 0.8 : 0)
  pen.beginPath()
  pen.moveTo(from.x, from.y)
  pen.quadraticCurveTo(bend.x, bend.y, to.x, to.y)
  pen.stroke()
  arrowHead(pen, bend, to, 7 + pen.lineWidth, dotRadius(scene.nodes.get(edge.to) ?? idle, camera.scale) + 3)
  if (moves && edge.framesPerSecond > 0) {
    const dots = Math.min(6, 1 + Math.floor(Math.log10(edge.framesPerSecond + 1) * 1.6))
    pen.fillStyle = fails(edge) ? colours.bad : colours.accent
    for (let dot = 0; dot < dots; dot++) {
      const at = along(from, bend, to, (now / 1_800 + dot / dots) % 1)
      pen.beginPath()
      pen.arc(at.x, at.y, 2.2, 0, 2 * Math.PI)
      pen.fill()
    }
  }
  pen.globalAlpha = 1
}

const idle = { framesInPerSecond: 0, framesOutPerSecond: 0 }

function arrowHead(pen: Pen, bend: Spot, to: Spot, size: number, off: number): void {
  const angle = Math.atan2(to.y - bend.y, to.x - bend.x)
  const x = to.x - Math.cos(angle) * off
  const y = to.y - Math.sin(angle) * off
  pen.beginPath()
  pen.moveTo(x, y)
  pen.lineTo(x - Math.cos(angle - 0.42) * size, y - Math.sin(angle - 0.42) * size)
  pen.lineTo(x - Math.cos(angle + 0.42) * size, y - Math.sin(angle + 0.42) * size)
  pen.fill()
}

/** Hundreds of edges: one stroke for all that look the same. */
function drawManyEdges(pen: Pen, scene: Scene, colours: Colours): void {
  const { layout, camera, edges } = scene
  const lots = { dim: new Path2D(), plain: new Path2D(), bad: new Path2D(), over: new Path2D() }
  for (const edge of edges) {
    const begin = layout.spots.get(edge.from)
    const end = layout.spots.get(edge.to)
    if (!begin || !end) continue
    const from = camera.toView(begin)
    const to = camera.toView(end)
    const lot = isDim(scene, edge.from, edge.to) ? 'dim' : isOver(scene, edge) ? 'over' : fails(edge) ? 'bad' : 'plain'
    lots[lot].moveTo(from.x, from.y)
    lots[lot].lineTo(to.x, to.y)
  }
  const strokes = [
    ['dim', colours.edge, 0.06, 1],
    ['plain', colours.edge, edges.length > 800 ? 0.22 : 0.4, 1],
    ['bad', colours.bad, 0.6, 1.2],
    ['over', colours.accent, 1, 1.6],
  ] as const
  for (const [lot, colour, alpha, width] of strokes) {
    pen.globalAlpha = alpha
    pen.strokeStyle = colour
    pen.lineWidth = width
    pen.stroke(lots[lot])
  }
  pen.globalAlpha = 1
}

function drawNodes(pen: Pen, scene: Scene, colours: Colours): void {
  const { layout, camera, nodes, over } = scene
  for (const [name, spot] of layout.spots) {
    const node = nodes.get(name)
    const { x, y } = camera.toView(spot)
    if (!node || x < -60 || y < -40 || x > scene.width + 60 || y > scene.height + 40) continue
    const dim = isDim(scene, name)
    const isHere = over?.type === 'node' && over.name === name
    const radius = dotRadius(node, camera.scale) + (isHere ? 1.5 : 0)
    pen.globalAlpha = dim ? 0.16 : 1
    dotOf(pen, node, x, y, radius, colours)
    if (isHere) {
      pen.beginPath()
      pen.arc(x, y, radius + 4, 0, 2 * Math.PI)
      pen.lineWidth = 2
      pen.strokeStyle = colours.accent
      pen.stroke()
    }
  }
  pen.globalAlpha = 1
}

const stateColour = { online: 'good', slow: 'slow', draining: 'warn', offline: 'idle' } as const

/** Each state has a shape of its own: colour alone is not for everybody. */
function dotOf(
  pen: Pen,
  { state, queueBytes }: LiveNode,
  x: number,
  y: number,
  radius: number,
  colours: Colours,
): void {
  const colour = colours[stateColour[state]]
  pen.beginPath()
  pen.arc(x, y, radius, 0, 2 * Math.PI)
  pen.fillStyle = state === 'online' ? colour : colours.surface
  pen.fill()
  if (state !== 'online') {
    pen.lineWidth = Math.max(1, Math.min(2, radius / 3))
    pen.strokeStyle = colour
    pen.stroke()
  }
  pen.fillStyle = colour
  if (state === 'slow') {
    pen.beginPath()
    pen.arc(x, y, radius * 0.45, 0, 2 * Math.PI)
    pen.fill()
  }
  if (state === 'draining') {
    pen.beginPath()
    pen.arc(x, y, radius, Math.PI / 2, -Math.PI / 2)
    pen.fill()
  }
  if (queueBytes > 0 && radius > 4) {
    // What waits for it: a rim that fills up with every tenfold, all of it at 10 MB.
    pen.beginPath()
    pen.arc(x, y, radius + 3, -Math.PI / 2, -Math.PI / 2 + Math.min(1, Math.log10(queueBytes) / 7) * 2 * Math.PI)
    pen.lineWidth = 2
    pen.strokeStyle = colours.slow
    pen.stroke()
  }
}
