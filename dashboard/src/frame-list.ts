import { make, say } from './element.js'
import type { LiveFrame } from './feed.js'
import { bytes, clockTime, millis } from './format.js'
import { headerDigits } from './frame-detail.js'
import { type Column, Table } from './table.js'

/** A frame and a number of its own: two frames can be alike in everything. */
export interface Listed {
  readonly id: number
  readonly frame: LiveFrame
}

const columns: readonly Column<Listed>[] = [
  { title: 'Time', fill: (cell, { frame }) => say(cell, clockTime(frame.at)) },
  { title: 'From', fill: (cell, { frame }) => say(cell, frame.from) },
  {
    title: 'To',
    fill: (cell, { frame }) =>
      say(cell, frame.taker && frame.taker !== frame.to ? `${frame.to} → ${frame.taker}` : frame.to),
  },
  { title: 'Size', fill: (cell, { frame }) => say(cell, bytes(frame.bytes)), right: true, minor: true },
  {
    title: 'Outcome',
    fill(cell, { frame }) {
      const tag = cell.firstElementChild ?? cell.appendChild(make('span'))
      tag.className = frame.outcome === 'DELIVERED' ? 'tag good' : 'tag bad'
      say(tag, frame.outcome)
    },
  },
  { title: 'Latency', fill: (cell, { frame }) => say(cell, millis(frame.ms)), right: true, minor: true },
  {
    title: 'Sealed body',
    fill(cell, { frame }) {
      cell.classList.add('sealed')
      // Behind the header, which is alike in all frames of a flow.
      say(cell, frame.sealed.slice(headerDigits, headerDigits + 40))
    },
    minor: true,
  },
]

/** The last frames, newest first, at most so many. */
export class FrameList {
  readonly table: Table<Listed>
  private listed: Listed[] = []
  private lastId = 0

  constructor(
    label: string,
    choose: (frame: Listed) => void,
    private readonly most = 2_000,
  ) {
    this.table = new Table<Listed>({ label, columns, key: ({ id }) => String(id), choose })
  }

  get frames(): readonly LiveFrame[] {
    return this.listed.map(({ frame }) => frame)
  }

  get size(): number {
    return this.listed.length
  }

  add(frames: readonly LiveFrame[]): void {
    const fresh = frames.map((frame) => ({ id: ++this.lastId, frame })).reverse()
    this.listed = [...fresh, ...this.listed].slice(0, this.most)
  }

  clear(): void {
    this.listed = []
    this.draw()
  }

  draw(): void {
    this.table.set(this.listed)
  }

  mark(frame: Listed | undefined): void {
    this.table.mark(frame && String(frame.id))
  }
}
