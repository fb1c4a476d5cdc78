import { make, say } from '../element.js'
import { bytes, clockTime, count, millis } from '../format.js'
import { frameDetail } from '../frame-detail.js'
import { FrameList } from '../frame-list.js'
import { head } from '../head.js'
import { type Context, onNextFrame, type Page, until } from '../page.js'
import { nodePath } from '../routes.js'
import { Tiles } from '../tiles.js'

/** What one node says to another, as far as the mediator can tell. */
export function openEdge({ feed, params, left }: Context): Page {
  const from = params.get('from')!
  const to = params.get('to')!
  const tiles = new Tiles()
  const detail = make(
    'section',
    { class: 'card padded', 'aria-label': 'A frame' },
    make('h2', {}, 'What the mediator sees'),
    make('p', { class: 'muted' }, 'The next frame of this edge is shown here.'),
  )
  let chosen = false
  const show = (frame: Parameters<typeof frameDetail>[0]): void =>
    detail.replaceChildren(make('h2', {}, `What the mediator sees, ${clockTime(frame.at)}`), frameDetail(frame))
  const list = new FrameList(
    `Frames from ${from} to ${to}`,
    (listed) => {
      chosen = true
      list.mark(listed)
      show(listed.frame)
    },
    300,
  )
  const card = make('div', { class: 'card', hidden: true }, list.table.element)
  const draw = onNextFrame(() => {
    const edge = feed.edges.find((one) => one.from === from && one.to === to)
    const target = feed.nodes.get(to)
    tiles.set('Frames', `${count(edge?.framesPerSecond ?? 0)}/s`)
    tiles.set('Bytes', `${bytes(edge?.bytesPerSecond ?? 0)}/s`)
    tiles.set('p50', millis(edge?.p50Ms ?? null), 'read to written')
    tiles.set('p95', millis(edge?.p95Ms ?? null), 'last ten seconds')
    const errors = edge?.errorsPerSecond ?? 0
    tiles.set('Errors', `${count(errors)}/s`, '', errors > 0 ? 'bad' : '')
    tiles.set('Queue', bytes(target?.queueBytes ?? 0), `waits for ${to}`)
    card.hidden = list.size === 0
    list.draw()
  }, left)
  until(
    left,
    feed.on('frames', ({ frames }) => {
      const own = frames.filter((frame) => frame.from === from && (frame.taker ?? frame.to) === to)
      if (own.length === 0) return
      list.add(own)
      if (!chosen) {
        chosen = true
        show(own.at(-1)!)
      }
      draw()
    }),
  )
  for (const event of ['nodes', 'edges'] as const) until(left, feed.on(event, draw))
  draw()
  const text = make(
    'span',
    {},
    'From ',
    make('a', { href: nodePath(from) }, from),
    ' to ',
    make('a', { href: nodePath(to) }, to),
    '.',
  )
  say(text.firstElementChild!, from)
  return {
    title: `${from} to ${to}`,
    topics: ['nodes', 'edges', 'frames'],
    filter: { from, to },
    element: make('div', { class: 'page traffic' }, head(`${from} → ${to}`, text), tiles.element, detail, card),
  }
}
