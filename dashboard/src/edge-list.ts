import { make, say } from './element.js'
import type { LiveEdge, LiveNode } from './feed.js'
import { edgeWords } from './map/labels.js'
import { fails } from './map/scene.js'
import { edgePath } from './routes.js'

const maxListed = 8

/** The edges that matter most: those that fail, then the busiest. Each has a row of its own as long as it is listed. */
export class EdgeList {
  readonly element: HTMLElement
  private readonly title = make('h2')
  private readonly list = make('ul')
  private readonly quiet = make('p', {}, 'Nobody says anything right now.')
  private rows = new Map<string, HTMLElement>()

  constructor() {
    this.element = make(
      'section',
      { class: 'card busiest', 'aria-label': 'Busiest edges' },
      this.title,
      this.list,
      this.quiet,
    )
  }

  /** @param edges the busiest first */
  show(edges: readonly LiveEdge[], nodes: ReadonlyMap<string, LiveNode>): void {
    const busy = edges.filter(({ framesPerSecond, errorsPerSecond }) => framesPerSecond + errorsPerSecond > 0)
    const failing = busy.filter(fails)
    this.quiet.hidden = busy.length > 0
    say(this.title, failing.length > 0 ? 'Failing and busiest edges' : 'Busiest edges')
    const byRank = [...failing, ...busy.filter((edge) => !fails(edge))]
    // Nothing moves away under a finger or the focus: whoever is about to choose a row gets that one.
    const isInUse = this.list.matches(':hover, :focus-within')
    const kept = isInUse ? edges.filter((edge) => this.rows.has(pathOf(edge))) : []
    const listed = [...new Set([...kept, ...byRank])].slice(0, maxListed)
    const before = this.rows
    this.rows = new Map()
    for (const edge of listed) {
      const path = pathOf(edge)
      const row = before.get(path) ?? newRow(edge, path)
      this.rows.set(path, row)
      const words = row.querySelector('.fine')!
      say(words, edgeWords(edge, nodes.get(edge.to)))
      words.classList.toggle('bad', fails(edge))
    }
    for (const [path, row] of before) if (!this.rows.has(path)) row.remove()
    if (!isInUse) this.arrange()
    else for (const row of this.rows.values()) if (!row.isConnected) this.list.append(row)
  }

  private arrange(): void {
    let next = this.list.firstElementChild
    for (const row of this.rows.values()) {
      if (row === next) next = row.nextElementSibling
      else this.list.insertBefore(row, next)
    }
  }
}

const pathOf = ({ from, to }: LiveEdge): string => edgePath(from, to)

const newRow = ({ from, to }: LiveEdge, path: string): HTMLElement =>
  make(
    'li',
    {},
    make('a', { href: path }, make('span', { class: 'way' }, `${from} → ${to}`), make('span', { class: 'fine' })),
  )
