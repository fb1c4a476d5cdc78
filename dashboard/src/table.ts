import { make, replace } from './element.js'

export interface Column<Row> {
  readonly title: string
  /** Fills a cell; called again for the same cell when the row changed. */
  readonly fill: (cell: HTMLTableCellElement, row: Row) => void
  readonly right?: boolean
  /** Left out where there is little room. */
  readonly minor?: boolean
  /** What it is sorted by; absent: it is not. */
  readonly sort?: (row: Row) => string | number
  /** Sorted so that the highest comes first, when it is first asked for. */
  readonly highestFirst?: boolean
}

export interface TableParts<Row> {
  readonly label: string
  readonly columns: readonly Column<Row>[]
  readonly key: (row: Row) => string
  readonly sortedBy?: { readonly title: string; readonly descending: boolean }
  /** A row was chosen. */
  readonly choose?: (row: Row) => void
}

/** Height of a row, px; as in the style sheet. */
const rowHeight = 38
/** Rows made beyond those in sight. */
const spare = 8

interface Line {
  readonly element: HTMLTableRowElement
  readonly cells: readonly HTMLTableCellElement[]
}

/** A table of which only the rows in sight exist, so that ten thousand cost as much as thirty. */
export class Table<Row> {
  readonly element: HTMLElement
  private readonly head = make('tr')
  private readonly body = make('tbody')
  private readonly table: HTMLTableElement
  private readonly before = gap()
  private readonly after = gap()
  private lines = new Map<string, Line>()
  private rows: readonly Row[] = []
  private sorted: Column<Row> | undefined
  private descending = false
  private chosen: string | undefined

  constructor(private readonly parts: TableParts<Row>) {
    const { label, columns, sortedBy } = parts
    this.sorted = columns.find(({ title }) => title === sortedBy?.title)
    this.descending = sortedBy?.descending ?? false
    this.table = make('table', { 'aria-label': label }, make('thead', {}, this.head), this.body)
    this.body.append(this.before.row, this.after.row)
    this.element = make(
      'div',
      {
        class: 'scroll window',
        tabindex: 0,
        role: 'region',
        'aria-label': `${label}, scrolls`,
        on: { scroll: () => this.draw() },
      },
      this.table,
    )
    this.drawHead()
    new ResizeObserver(() => this.draw()).observe(this.element)
  }

  set(rows: readonly Row[]): void {
    this.rows = rows
    this.draw()
  }

  /** Marks the row with this key as the chosen one. */
  mark(key: string | undefined): void {
    this.chosen = key
    this.draw()
  }

  private drawHead(): void {
    replace(this.head, ...this.parts.columns.map((column) => this.headCell(column)))
  }

  private headCell(column: Column<Row>): HTMLTableCellElement {
    const { title, right, minor, sort } = column
    const isSorted = column === this.sorted
    const cell = make('th', {
      scope: 'col',
      class: classes(right, minor),
      'aria-sort': isSorted ? (this.descending ? 'descending' : 'ascending') : undefined,
    })
    const turn = (): void => {
      this.descending = isSorted ? !this.descending : (column.highestFirst ?? false)
      this.sorted = column
      this.drawHead()
      this.draw()
      this.head.querySelector<HTMLElement>('[aria-sort] button')?.focus()
    }
    cell.append(sort ? make('button', { type: 'button', on: { click: turn } }, title) : title)
    return cell
  }

  private inOrder(): readonly Row[] {
    const { sorted, descending } = this
    if (!sorted?.sort) return this.rows
    const by = sorted.sort
    const sign = descending ? -1 : 1
    const keyed = this.rows.map((row) => ({ row, by: by(row), key: this.parts.key(row) }))
    keyed.sort((a, b) => sign * compare(a.by, b.by) || compare(a.key, b.key))
    return keyed.map(({ row }) => row)
  }

  private draw(): void {
    const rows = this.inOrder()
    const { scrollTop, clientHeight } = this.element
    const first = Math.max(0, Math.floor(scrollTop / rowHeight) - spare)
    const last = Math.min(rows.length, Math.ceil((scrollTop + (clientHeight || 600)) / rowHeight) + spare)
    this.table.setAttribute('aria-rowcount', String(rows.length + 1))
    this.before.set(first)
    this.after.set(rows.length - last)
    const focused = document.activeElement
    const hadFocus = focused !== null && this.body.contains(focused)
    const kept = new Map<string, Line>()
    let place: ChildNode = this.before.row
    for (let at = first; at < last; at++) {
      const row = rows[at]!
      const key = this.parts.key(row)
      const line = this.lines.get(key) ?? this.newLine(key)
      kept.set(key, line)
      for (const [index, column] of this.parts.columns.entries()) column.fill(line.cells[index]!, row)
      line.element.setAttribute('aria-rowindex', String(at + 2))
      if (key === this.chosen) line.element.setAttribute('aria-current', 'true')
      else line.element.removeAttribute('aria-current')
      if (place.nextSibling !== line.element) place.after(line.element)
      place = line.element
    }
    for (const [key, { element }] of this.lines) if (!kept.has(key)) element.remove()
    this.lines = kept
    // A row that moved has lost the focus.
    if (focused instanceof HTMLElement && focused !== document.activeElement && this.body.contains(focused)) {
      focused.focus({ preventScroll: true })
    }
    // And one that has gone by: the keyboard stays in the table.
    if (hadFocus && !focused.isConnected) this.element.focus({ preventScroll: true })
  }

  private newLine(key: string): Line {
    const cells = this.parts.columns.map(({ right, minor }) => make('td', { class: classes(right, minor) }))
    const element = make('tr', {}, ...cells)
    const { choose } = this.parts
    if (choose) {
      const chooseIt = (): void => {
        const row = this.rows.find((one) => this.parts.key(one) === key)
        if (row) choose(row)
      }
      element.tabIndex = 0
      element.addEventListener('click', chooseIt)
      element.addEventListener('keydown', (event) => {
        if (event.key !== 'Enter' || event.target !== element) return
        event.preventDefault()
        chooseIt()
      })
    }
    return { element, cells }
  }
}

const classes = (right: boolean | undefined, minor: boolean | undefined): string | undefined =>
  [right ? 'right' : '', minor ? 'minor' : ''].filter(Boolean).join(' ') || undefined

const compare = (a: string | number, b: string | number): number => (a < b ? -1 : a > b ? 1 : 0)

/** The room of rows that are not there. */
function gap() {
  const cell = make('td')
  const row = make('tr', { class: 'gap', 'aria-hidden': 'true' }, cell)
  return {
    row,
    set(rows: number) {
      row.hidden = rows === 0
      cell.style.height = `${rows * rowHeight}px`
    },
  }
}
