import { messageOf } from '../api.js'
import { confirm } from '../confirm.js'
import { make, replace, say } from '../element.js'
import type { LiveEdge, LiveNode } from '../feed.js'
import { bytes, clockTime, count, dateTime, millis, span } from '../format.js'
import { empty, head } from '../head.js'
import { type Context, onNextFrame, type Page, until } from '../page.js'
import { edgePath, groupPath } from '../routes.js'
import { Tiles } from '../tiles.js'
import { stateCell } from './nodes.js'

/** One node: how it is, with whom it talks, what went wrong; it can be drained and removed. */
export function openNode(context: Context): Page {
  const { feed, params, left } = context
  const name = params.get('name')!
  const tiles = new Tiles()
  const facts = make('dl', { class: 'facts' })
  const errors = make('div')
  const partners = make('div')
  const state = make('span')
  const drain = make(
    'button',
    { type: 'button', class: 'button', on: { click: () => void drainNode(context, name) } },
    'Drain',
  )
  const remove = make(
    'button',
    { type: 'button', class: 'button danger', on: { click: () => void removeNode(context, name) } },
    'Remove',
  )
  const body = make(
    'div',
    { class: 'page' },
    tiles.element,
    make(
      'div',
      { class: 'split' },
      make('section', { class: 'card padded' }, make('h2', {}, 'About it'), facts),
      make('section', { class: 'card padded' }, make('h2', {}, 'Talks with'), partners),
      make('section', { class: 'card padded' }, make('h2', {}, 'Last errors'), errors),
    ),
  )
  const none = make(
    'div',
    { class: 'card', hidden: true },
    empty(
      `No node ${name} is registered`,
      make(
        'p',
        {},
        'It was removed, or never was here. It is back as soon as it connects. ',
        make('a', { href: '/nodes' }, 'To all nodes'),
      ),
    ),
  )
  const draw = onNextFrame(() => {
    const node = feed.nodes.get(name)
    body.hidden = !node
    none.hidden = node !== undefined || !feed.knowsNodes
    drain.disabled = !node || node.state === 'offline' || node.state === 'draining'
    remove.disabled = !node
    stateCell(state, node?.state ?? 'unknown')
    if (!node) return
    showTiles(tiles, node, feed.health?.now ?? Date.now())
    showFacts(facts, node)
    showErrors(errors, node)
    showPartners(partners, name, feed.edges)
  }, left)
  for (const event of ['nodes', 'edges', 'health'] as const) until(left, feed.on(event, draw))
  draw()
  return {
    title: name,
    topics: ['nodes', 'edges'],
    element: make('div', { class: 'page' }, head(name, state, drain, remove), body, none),
  }
}

function showTiles(tiles: Tiles, node: LiveNode, now: number): void {
  tiles.set('Frames in', `${count(node.framesInPerSecond)}/s`)
  tiles.set('Frames out', `${count(node.framesOutPerSecond)}/s`)
  tiles.set(
    'Queue',
    bytes(node.queueBytes),
    `${count(node.queueFrames)} frames wait for it`,
    node.state === 'slow' ? 'warn' : '',
  )
  tiles.set(
    'Connected for',
    node.since === null ? '–' : span(now - node.since),
    node.since === null ? '' : `since ${dateTime(node.since)}`,
  )
}

function showFacts(list: HTMLElement, node: LiveNode): void {
  const rows = [
    ['Transport', node.transport ?? 'not connected'],
    ['Software', node.client ?? 'not said'],
    ['Serves HTTP', node.http ? 'yes, by its name' : 'no'],
    ['Key ids seen', node.keyIds.join(' ') || 'none yet'],
  ] as const
  const words = JSON.stringify([rows, node.groups])
  if (list.dataset.words === words) return
  list.dataset.words = words
  replace(
    list,
    make('dt', {}, 'Groups'),
    make(
      'dd',
      {},
      make(
        'span',
        { class: 'tags' },
        ...node.groups.map((group) => make('a', { class: 'tag', href: groupPath(group) }, group)),
      ),
    ),
    ...rows.flatMap(([title, value]) => [make('dt', {}, title), make('dd', {}, value)]),
  )
}

function showErrors(place: HTMLElement, { lastErrors }: LiveNode): void {
  const words = JSON.stringify(lastErrors)
  if (place.dataset.words === words) return
  place.dataset.words = words
  replace(
    place,
    lastErrors.length === 0
      ? make('p', { class: 'muted' }, 'None of what it sent was refused since somebody looks.')
      : make(
          'dl',
          { class: 'facts' },
          ...lastErrors.flatMap(({ at, to, code }) => [
            make('dt', { class: 'number' }, clockTime(at)),
            make('dd', {}, make('span', { class: 'tag bad' }, code), ` to ${to}`),
          ]),
        ),
  )
}

function showPartners(place: HTMLElement, name: string, edges: readonly LiveEdge[]): void {
  const busiest = edges.filter(({ from, to }) => from === name || to === name).slice(0, 12)
  // By name: rates change every second, and what one is about to choose must stay where it is.
  const own = busiest.sort((a, b) => (edgePath(a.from, a.to) < edgePath(b.from, b.to) ? -1 : 1))
  const link = (edge: LiveEdge) =>
    make('a', { href: edgePath(edge.from, edge.to) }, edge.from === name ? `to ${edge.to}` : `from ${edge.from}`)
  const words = own.map(({ from, to }) => `${from} ${to}`).join()
  if (place.dataset.words !== words || own.length === 0) {
    place.dataset.words = words
    replace(
      place,
      own.length === 0
        ? make('p', { class: 'muted' }, 'Nobody in the last ten seconds.')
        : make('dl', { class: 'facts' }, ...own.flatMap((edge) => [make('dt', {}, link(edge)), make('dd', {})])),
    )
  }
  const cells = place.querySelectorAll('dd')
  for (const [at, edge] of own.entries()) {
    say(cells[at]!, `${count(edge.framesPerSecond)}/s, p95 ${millis(edge.p95Ms)}`)
  }
}

async function drainNode({ api, notices }: Context, name: string): Promise<void> {
  const sure = await confirm({
    title: `Drain ${name}?`,
    text: 'It takes no new work from its groups, finishes what it has, leaves, and comes back after 10 seconds.',
    verb: 'Drain it',
  })
  if (!sure) return
  try {
    await api.post(`/api/nodes/${encodeURIComponent(name)}/drain`, { awayMs: 10_000 })
    notices.show(`${name} was asked to finish and leave.`, 'good')
  } catch (error) {
    notices.show(messageOf(error), 'bad')
  }
}

async function removeNode({ api, notices, go }: Context, name: string): Promise<void> {
  const sure = await confirm({
    title: `Remove ${name}?`,
    text: 'Its link is closed and its registration deleted. A process that still runs may register again; revoke its token to keep it away.',
    verb: 'Remove it',
    dangerous: true,
  })
  if (!sure) return
  try {
    await api.delete(`/api/nodes/${encodeURIComponent(name)}`)
    notices.show(`${name} was removed.`, 'good')
    go('/nodes')
  } catch (error) {
    notices.show(messageOf(error), 'bad')
  }
}
