import { make, replace, say } from '../element.js'
import type { LiveEdge } from '../feed.js'
import { count, plural } from '../format.js'
import { command, empty, head } from '../head.js'
import { edgeWords } from '../map/labels.js'
import { NodeMap } from '../map/map.js'
import { fails } from '../map/scene.js'
import { filterFields, isFiltered, type NodeFilter, passes } from '../node-filter.js'
import { type Context, onNextFrame, type Page, until } from '../page.js'
import { edgePath, nodePath } from '../routes.js'

const maxBusiest = 8
const legendStates = ['online', 'slow', 'draining', 'offline'] as const

/** All nodes in their groups, and what goes on between them. */
export function openTopology({ feed, go, left }: Context): Page {
  const filter: NodeFilter = { name: '', group: '', state: '' }
  const map = new NodeMap({
    left,
    choose: (target) => go(target.type === 'node' ? nodePath(target.name) : edgePath(target.from, target.to)),
  })
  const counts = legendStates.map((state) => make('span', { class: `state ${state}` }))
  const legend = make('div', { class: 'legend' }, ...counts)
  const nothing = empty(
    'No node is here yet',
    make('p', {}, 'Start one in another terminal, and it appears by itself:'),
    command('make client'),
    make(
      'p',
      {},
      'Then let another talk to it with ',
      make('code', {}, 'make sender'),
      ', or ',
      make('a', { href: '/try' }, 'make this page a node'),
      '.',
    ),
  )
  nothing.hidden = true
  map.element.append(legend, nothing)
  const title = make('h2', {}, 'Busiest edges')
  const busiest = make('ul')
  const quiet = make('p', {}, 'Nobody says anything right now.')
  const text = make('span')

  const draw = onNextFrame(() => {
    const { nodes, edges, state } = feed
    const shown = isFiltered(filter)
      ? new Set([...nodes.values()].filter((node) => passes(filter, node)).map(({ name }) => name))
      : undefined
    fields.know(nodes.values())
    map.set(nodes, edges, shown)
    nothing.hidden = nodes.size > 0 || state !== 'live' || !feed.knowsNodes
    legend.hidden = nodes.size === 0
    legendStates.forEach((one, at) => {
      const all = [...nodes.values()].filter((node) => node.state === one).length
      counts[at]!.hidden = all === 0 && one !== 'online'
      say(counts[at]!, `${count(all)} ${one}`)
    })
    const groups = new Set(Array.from(nodes.values(), (node) => node.groups).flat()).size
    say(
      text,
      shown
        ? `${count(shown.size)} of ${plural(nodes.size, 'node')} match.`
        : `${plural(nodes.size, 'node')} in ${plural(groups, 'group')}. Choose one to open it.`,
    )
    const busy = edges.filter(({ framesPerSecond, errorsPerSecond }) => framesPerSecond + errorsPerSecond > 0)
    quiet.hidden = busy.length > 0
    const failing = busy.filter(fails)
    say(title, failing.length > 0 ? 'Failing and busiest edges' : 'Busiest edges')
    const first = [...failing, ...busy.filter((edge) => !fails(edge))]
    showBusiest(busiest, first.slice(0, maxBusiest), feed.nodes)
  }, left)
  const fields = filterFields(filter, draw)
  for (const name of ['nodes', 'edges', 'state', 'health'] as const) until(left, feed.on(name, draw))
  draw()

  return {
    title: 'Topology',
    topics: ['nodes', 'edges'],
    element: make(
      'div',
      { class: 'page map-page' },
      head('Topology', text, fields.element),
      map.element,
      make('section', { class: 'card busiest', 'aria-label': 'Busiest edges' }, title, busiest, quiet),
    ),
  }
}

/** Rows stay and only their text changes, so that the focus stays too. */
function showBusiest(list: HTMLElement, edges: readonly LiveEdge[], nodes: Context['feed']['nodes']): void {
  while (list.childElementCount > edges.length) list.lastElementChild!.remove()
  edges.forEach((edge, at) => {
    let item = list.children[at]
    if (!item) {
      item = make('li', {}, make('a', {}, make('span', { class: 'way' }), make('span', { class: 'fine' })))
      list.append(item)
    }
    const link = item.firstElementChild as HTMLAnchorElement
    const path = edgePath(edge.from, edge.to)
    if (link.getAttribute('href') !== path) {
      link.setAttribute('href', path)
      replace(link.firstElementChild!, `${edge.from} → ${edge.to}`)
    }
    say(link.lastElementChild!, edgeWords(edge, nodes.get(edge.to)))
    link.lastElementChild!.classList.toggle('bad', fails(edge))
  })
}
