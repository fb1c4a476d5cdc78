import { icon, make, replace, say } from '../element.js'
import type { LiveEdge, LiveNode } from '../feed.js'
import { bytes, count, millis } from '../format.js'
import { onThemeChange, readColours } from '../theme.js'
import { Camera } from './camera.js'
import { type Colours, colourNames } from './colours.js'
import { draw } from './draw.js'
import { type Layout, layOut, type Spot } from './layout.js'
import { maxMoving, type Scene, type Target, targetAt } from './scene.js'

export interface MapParts {
  /** A node or an edge was chosen. */
  readonly choose: (target: Target) => void
  readonly left: AbortSignal
}

/** A press that moves less than this is a click, px. */
const clickPx = 5

/** The picture of all nodes and what goes on between them, on a canvas. */
export class NodeMap {
  readonly element: HTMLElement
  private readonly canvas: HTMLCanvasElement
  private readonly pen: CanvasRenderingContext2D
  private readonly hint = make('div', { class: 'hint', hidden: true })
  private readonly spoken = make('p', { class: 'only-read', 'aria-live': 'polite' })
  private readonly camera = new Camera()
  private readonly still = matchMedia('(prefers-reduced-motion: reduce)').matches
  private readonly pointers = new Map<number, Spot>()
  private layout: Layout = layOut([])
  private layoutOf = ''
  private isStale = true
  private nodes: ReadonlyMap<string, LiveNode> = new Map()
  private edges: readonly LiveEdge[] = []
  private shown: ReadonlySet<string> | undefined
  private over: Target | undefined
  private colours: Colours
  private pressed: Spot | undefined
  private moved = false
  private asked = false

  constructor(private readonly parts: MapParts) {
    this.canvas = make('canvas', {
      tabindex: 0,
      role: 'application',
      'aria-roledescription': 'map of nodes',
      'aria-label': 'Map of nodes. Arrow keys go from node to node, Enter opens one, plus and minus zoom, 0 shows all.',
    })
    this.pen = this.canvas.getContext('2d')!
    this.colours = readColours(colourNames)
    this.element = make('div', { class: 'card map' }, this.canvas, this.zoomButtons(), this.hint, this.spoken)
    this.listen()
  }

  /** New nodes or edges; those that the filter leaves. */
  set(nodes: ReadonlyMap<string, LiveNode>, edges: readonly LiveEdge[], shown: ReadonlySet<string> | undefined): void {
    this.nodes = nodes
    // What a node says to itself is on its own page: an edge to its own dot would show nothing.
    this.edges = edges.filter(({ from, to }) => from !== to)
    this.shown = shown
    this.isStale = true
    this.showHint()
    this.redraw()
  }

  /** Anew only when somebody came or went, or the view was turned: it costs more than a picture. */
  private layOut(width: number, height: number): void {
    const shape = width / Math.max(1, height)
    const aspect = shape > 1.25 ? 1.7 : shape < 0.8 ? 0.6 : 1
    const key = `${aspect} ${Array.from(this.nodes.values(), ({ name, groups }) => `${groups[0]}/${name}`).join()}`
    if (key === this.layoutOf) return
    this.layoutOf = key
    this.layout = layOut(this.nodes.values(), aspect)
  }

  private scene(): Scene {
    const { layout, camera, nodes, edges, shown, over } = this
    const { clientWidth: width, clientHeight: height } = this.canvas
    const moves = !this.still && edges.length <= maxMoving
    return { layout, camera, nodes, edges, shown, over, width, height, now: performance.now(), moves }
  }

  /** Draws before the next picture is shown; goes on by itself while something moves. */
  private readonly redraw = (): void => {
    if (this.asked || this.parts.left.aborted) return
    this.asked = true
    requestAnimationFrame(() => {
      this.asked = false
      if (this.parts.left.aborted || !this.canvas.isConnected) return
      this.fitCanvas()
      if (this.isStale) this.layOut(this.canvas.clientWidth, this.canvas.clientHeight)
      this.isStale = false
      const scene = this.scene()
      if (this.camera.follows) this.camera.fit(this.layout, scene.width, scene.height)
      draw(this.pen, scene, this.colours)
      if (scene.moves && this.edges.length > 0) this.redraw()
    })
  }

  private fitCanvas(): void {
    const density = Math.min(2, devicePixelRatio)
    const { clientWidth, clientHeight } = this.canvas
    const width = Math.round(clientWidth * density)
    const height = Math.round(clientHeight * density)
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width
      this.canvas.height = height
    }
    this.pen.setTransform(density, 0, 0, density, 0, 0)
  }

  private zoomButtons(): HTMLElement {
    const button = (label: string, path: string, act: () => void) =>
      make(
        'button',
        { type: 'button', class: 'quiet', title: label, 'aria-label': label, on: { click: act } },
        icon(path),
      )
    return make(
      'div',
      { class: 'zoom' },
      button('Closer', 'M12 5v14M5 12h14', () => this.zoom(1.35)),
      button('Farther', 'M5 12h14', () => this.zoom(1 / 1.35)),
      button('Show all', 'M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5', () => this.showAll()),
    )
  }

  private zoom(factor: number): void {
    this.camera.zoom(factor, this.canvas.clientWidth / 2, this.canvas.clientHeight / 2)
    this.redraw()
  }

  private showAll(): void {
    this.camera.follows = true
    this.redraw()
  }

  private listen(): void {
    const { canvas } = this
    const { left } = this.parts
    const options = { signal: left }
    new ResizeObserver(() => {
      this.isStale = true
      this.redraw()
    }).observe(canvas)
    const stop = onThemeChange(() => {
      this.colours = readColours(colourNames)
      this.redraw()
    })
    left.addEventListener('abort', stop)
    void document.fonts.ready.then(this.redraw)
    canvas.addEventListener('pointerdown', (event) => this.press(event), options)
    canvas.addEventListener('pointermove', (event) => this.point(event), options)
    canvas.addEventListener('pointerup', (event) => this.release(event), options)
    canvas.addEventListener('pointercancel', (event) => void this.pointers.delete(event.pointerId), options)
    canvas.addEventListener('pointerleave', () => this.pointers.size === 0 && this.hover(undefined), options)
    canvas.addEventListener('wheel', (event) => this.wheel(event), { passive: false, signal: left })
    canvas.addEventListener('keydown', (event) => this.key(event), options)
    canvas.addEventListener('blur', () => this.hover(undefined), options)
  }

  private press(event: PointerEvent): void {
    this.canvas.setPointerCapture(event.pointerId)
    this.pointers.set(event.pointerId, spotOf(event))
    this.pressed = spotOf(event)
    this.moved = false
  }

  private point(event: PointerEvent): void {
    const before = this.pointers.get(event.pointerId)
    const at = spotOf(event)
    if (!before) return this.hover(targetAt(this.scene(), at), at)
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, spot]) => spot)
    this.pointers.set(event.pointerId, at)
    if (Math.hypot(at.x - this.pressed!.x, at.y - this.pressed!.y) > clickPx) this.moved = true
    if (others.length === 0) {
      if (!this.moved) return
      this.camera.move(at.x - before.x, at.y - before.y)
    } else {
      const other = others[0]!
      const wide = Math.hypot(at.x - other.x, at.y - other.y)
      const was = Math.max(1, Math.hypot(before.x - other.x, before.y - other.y))
      this.camera.zoom(wide / was, (at.x + other.x) / 2, (at.y + other.y) / 2)
    }
    this.hover(undefined)
    this.redraw()
  }

  private release(event: PointerEvent): void {
    const wasAlone = this.pointers.size === 1
    this.pointers.delete(event.pointerId)
    if (this.moved || !wasAlone) return
    const target = targetAt(this.scene(), spotOf(event))
    if (target) this.parts.choose(target)
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault()
    const { x, y } = spotOf(event)
    this.camera.zoom(Math.exp(-Math.max(-80, Math.min(80, event.deltaY)) * 0.0035), x, y)
    this.redraw()
  }

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const acts: { readonly [key: string]: () => void } = {
      '+': () => this.zoom(1.35),
      '=': () => this.zoom(1.35),
      '-': () => this.zoom(1 / 1.35),
      '0': () => this.showAll(),
      Enter: () => this.over && this.parts.choose(this.over),
      Escape: () => this.hover(undefined),
      ArrowLeft: () => this.step(-1, 0),
      ArrowRight: () => this.step(1, 0),
      ArrowUp: () => this.step(0, -1),
      ArrowDown: () => this.step(0, 1),
    }
    const act = acts[event.key]
    if (!act) return
    event.preventDefault()
    act()
  }

  /** To the nearest node in that direction; what lies aside counts as farther away. */
  private step(dx: number, dy: number): void {
    const here = this.over?.type === 'node' ? this.layout.spots.get(this.over.name) : undefined
    let best: string | undefined
    let bestFar = Number.POSITIVE_INFINITY
    for (const [name, spot] of this.layout.spots) {
      if (this.shown && !this.shown.has(name)) continue
      const x = spot.x - (here?.x ?? this.layout.left)
      const y = spot.y - (here?.y ?? this.layout.top)
      const ahead = x * dx + y * dy
      const far = here ? Math.abs(ahead) + 2.2 * Math.abs(x * dy + y * dx) : Math.hypot(x, y)
      if ((here && ahead <= 1) || far >= bestFar) continue
      best = name
      bestFar = far
    }
    if (best === undefined) return
    const at = this.camera.toView(this.layout.spots.get(best)!)
    this.hover({ type: 'node', name: best }, at)
    const node = this.nodes.get(best)
    if (node) say(this.spoken, `${best}, ${node.state}, in ${node.groups.join(', ')}`)
  }

  private hover(target: Target | undefined, at?: Spot): void {
    this.canvas.classList.toggle('over', target !== undefined)
    if (keyOf(target) !== keyOf(this.over)) this.redraw()
    this.over = target
    if (at) {
      const right = at.x > this.canvas.clientWidth - 300
      this.hint.style.left = right ? '' : `${at.x + 16}px`
      this.hint.style.right = right ? `${this.canvas.clientWidth - at.x + 16}px` : ''
      this.hint.style.top = `${Math.min(at.y + 14, this.canvas.clientHeight - 110)}px`
    }
    this.showHint()
  }

  private showHint(): void {
    const { over } = this
    const lines = over && (over.type === 'node' ? this.nodeLines(over.name) : this.edgeLines(over.from, over.to))
    this.hint.hidden = !lines
    if (lines)
      replace(
        this.hint,
        make('b', {}, lines[0]!),
        ...lines.slice(1).map((line) => make('div', { class: 'muted' }, line)),
      )
  }

  private nodeLines(name: string): string[] | undefined {
    const node = this.nodes.get(name)
    if (!node) return undefined
    const lines = [
      name,
      `${node.state}${node.transport ? ` over ${node.transport}` : ''}, in ${node.groups.join(', ')}`,
    ]
    if (node.state !== 'offline')
      lines.push(`${count(node.framesInPerSecond)} in, ${count(node.framesOutPerSecond)} out per second`)
    if (node.queueBytes > 0) lines.push(`${bytes(node.queueBytes)} wait for it`)
    return lines
  }

  private edgeLines(from: string, to: string): string[] | undefined {
    const edge = this.edges.find((one) => one.from === from && one.to === to)
    if (!edge) return undefined
    return [
      `${from} to ${to}`,
      `${count(edge.framesPerSecond)} frames/s, ${bytes(edge.bytesPerSecond)}/s, ${count(edge.errorsPerSecond)} errors/s`,
      `p50 ${millis(edge.p50Ms)}, p95 ${millis(edge.p95Ms)} in the mediator`,
      `${bytes(this.nodes.get(to)?.queueBytes ?? 0)} wait for ${to}`,
    ]
  }
}

const keyOf = (target: Target | undefined): string =>
  target === undefined ? '' : target.type === 'node' ? target.name : `${target.from} ${target.to}`

const spotOf = ({ offsetX, offsetY }: MouseEvent): Spot => ({ x: offsetX, y: offsetY })
