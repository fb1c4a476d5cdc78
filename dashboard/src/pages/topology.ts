import { EdgeList } from '../edge-list.js'
import { make, say } from '../element.js'
import { count, plural } from '../format.js'
import { command, empty, head } from '../head.js'
import { NodeMap } from '../map/map.js'
import { filterFields, isFiltered, type NodeFilter, passes } from '../node-filter.js'
import { type Context, onNextFrame, type Page, until } from '../page.js'
import { edgePath, nodePath } from '../routes.js'

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
  const busiest = new EdgeList()
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
    busiest.show(edges, nodes)
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
      busiest.element,
    ),
  }
}
