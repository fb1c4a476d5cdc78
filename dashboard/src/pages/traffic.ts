import { make, say } from '../element.js'
import type { FrameFilter } from '../feed.js'
import { clockTime, count, plural } from '../format.js'
import { frameDetail } from '../frame-detail.js'
import { FrameList } from '../frame-list.js'
import { empty, filterInput, head } from '../head.js'
import { type Context, onNextFrame, type Page, until } from '../page.js'

/** After the last key before the filter is used, ms. */
const settleMs = 250

/** A live tail of frames: who, to whom, how large, what became of it. */
export function openTraffic({ feed, left }: Context): Page {
  const filter: { from?: string; to?: string; group?: string; outcome?: string } = {}
  const text = make('span')
  const detail = make('section', { class: 'card padded', hidden: true, 'aria-label': 'The chosen frame' })
  let paused = false
  let skipped = 0
  let waiting = 0
  const list = new FrameList('Frames', (frame) => {
    list.mark(frame)
    detail.hidden = false
    detail.replaceChildren(make('h2', {}, `Frame of ${clockTime(frame.frame.at)}`), frameDetail(frame.frame))
    detail.scrollIntoView({ block: 'nearest' })
  })
  const card = make('div', { class: 'card' }, list.table.element)
  const none = make(
    'div',
    { class: 'card' },
    empty(
      'No frame has gone by yet',
      make(
        'p',
        {},
        'Frames show up here as nodes send them. Nothing is kept: this is what passes while you look. No traffic at all? ',
        make('a', { href: '/try' }, 'Send something'),
        '.',
      ),
    ),
  )
  const draw = onNextFrame(() => {
    card.hidden = list.size === 0
    none.hidden = list.size > 0
    if (!paused) list.draw()
    const more = skipped > 0 ? ` ${count(skipped)} more went by too fast to be shown.` : ''
    say(
      text,
      paused
        ? `Paused. ${plural(waiting, 'frame')} went by since.`
        : `${plural(list.size, 'frame')}, newest first.${more}`,
    )
  }, left)
  until(
    left,
    feed.on('frames', (batch) => {
      if (paused) waiting += batch.frames.length + batch.skipped
      else {
        list.add(batch.frames)
        skipped += batch.skipped
      }
      draw()
    }),
  )
  const pause = make('button', { type: 'button', class: 'button', 'aria-pressed': 'false' }, 'Pause')
  pause.addEventListener('click', () => {
    paused = !paused
    waiting = 0
    pause.setAttribute('aria-pressed', String(paused))
    say(pause, paused ? 'Go on' : 'Pause')
    draw()
  })
  const clear = make(
    'button',
    {
      type: 'button',
      class: 'button',
      on: {
        click: () => {
          list.clear()
          skipped = 0
          detail.hidden = true
          draw()
        },
      },
    },
    'Clear',
  )
  const download = make('button', { type: 'button', class: 'button', on: { click: () => save(list) } }, 'Export')
  draw()
  return {
    title: 'Traffic',
    topics: ['frames'],
    element: make(
      'div',
      { class: 'page traffic' },
      head('Traffic', text, pause, clear, download),
      filters(filter, left, () => {
        feed.watch(['frames'], filter)
        list.clear()
        skipped = 0
        draw()
      }),
      card,
      none,
      detail,
    ),
  }
}

function filters(
  filter: { -readonly [Field in keyof FrameFilter]: string },
  left: AbortSignal,
  changed: () => void,
): HTMLElement {
  let timer: ReturnType<typeof setTimeout> | undefined
  const input = (field: keyof FrameFilter, label: string) =>
    filterInput(label, (value) => {
      if (value === '') delete filter[field]
      else filter[field] = field === 'outcome' ? value.toUpperCase() : value.toLowerCase()
      clearTimeout(timer)
      timer = setTimeout(() => !left.aborted && changed(), settleMs)
    })
  return make(
    'div',
    { class: 'filters', role: 'search' },
    input('from', 'From'),
    input('to', 'To'),
    input('group', 'Group'),
    input('outcome', 'Outcome'),
  )
}

/** One frame a line, as JSON. */
function save(list: FrameList): void {
  const lines = list.frames.map((frame) => `${JSON.stringify(frame)}\n`)
  const url = URL.createObjectURL(new Blob(lines, { type: 'application/x-ndjson' }))
  const link = make('a', {
    href: url,
    download: `sealway-frames-${new Date().toISOString().replace(/[:.]/g, '-')}.jsonl`,
  })
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 1_000)
}
