import type { Layout, Spot } from './layout.js'

/** Nothing is drawn larger than this, so that two nodes do not fill a screen. */
const maxFitted = 1.9
const maxScale = 6
const minScale = 0.02
const margin = 44

/** Which part of the map is in sight. */
export class Camera {
  scale = 1
  x = 0
  y = 0
  /** Until somebody moves it, everything stays in sight. */
  follows = true

  fit({ left, top, width, height }: Layout, viewWidth: number, viewHeight: number): void {
    const room = { width: Math.max(50, viewWidth - 2 * margin), height: Math.max(50, viewHeight - 2 * margin) }
    this.scale = Math.min(maxFitted, room.width / Math.max(1, width), room.height / Math.max(1, height))
    this.x = viewWidth / 2 - (left + width / 2) * this.scale
    this.y = viewHeight / 2 - (top + height / 2) * this.scale
  }

  move(dx: number, dy: number): void {
    this.follows = false
    this.x += dx
    this.y += dy
  }

  /** Zooms around a point of the view, which stays where it is. */
  zoom(factor: number, x: number, y: number): void {
    this.follows = false
    const scale = Math.min(maxScale, Math.max(minScale, this.scale * factor))
    this.x = x - ((x - this.x) * scale) / this.scale
    this.y = y - ((y - this.y) * scale) / this.scale
    this.scale = scale
  }

  toView({ x, y }: Spot): Spot {
    return { x: x * this.scale + this.x, y: y * this.scale + this.y }
  }

  toMap({ x, y }: Spot): Spot {
    return { x: (x - this.x) / this.scale, y: (y - this.y) / this.scale }
  }
}
