import { make, say } from '../element.js'
import type { LiveNode } from '../feed.js'
import { bytes, count, plural, span } from '../format.js'
import { command, empty, head } from '../head.js'
import { filterFields, type NodeFilter, passes } from '../node-filter.js'
import { type Context, onNextFrame, type Page, until } from '../page.js'
import { groupPath, nodePath } from '../routes.js'
import { type Column, Table } from '../table.js'

/** A cell that is a link to a node. */
export const nodeCell = (cell: HTMLElement, name: string): void => linkCell(cell, name, nodePath(name))

function linkCell(cell: HTMLElement, text: string, path: string): void {
  let link = cell.firstElementChild
  if (!link) {
    link = make('a', { class: 'strong' })
    cell.append(link)
  }
  say(link, text)
  if (link.getAttribute('href') !== path) link.setAttribute('href', path)
}

export function stateCell(cell: HTMLElement, state: string): void {
  const mark = cell.firstElementChild ?? cell.appendChild(make('span'))
  if (mark.className !== `state ${state}`) mark.className = `state ${state}`
  say(mark, state)
}

const columns = (now: () => number): readonly Column<LiveNode>[] => [
  { title: 'Name', fill: (cell, { name }) => nodeCell(cell, name), sort: ({ name }) => name },
  { title: 'State', fill: (cell, { state }) => stateCell(cell, state), sort: ({ state }) => state },
  {
    title: 'Groups',
    fill: (cell, { groups }) => say(cell, groups.join(', ')),
    sort: ({ groups }) => groups.join(),
    minor: true,
  },
  {
    title: 'Connected for',
    fill: (cell, { since }) => say(cell, since === null ? '–' : span(now() - since)),
    sort: ({ since }) => since ?? Number.POSITIVE_INFINITY,
    right: true,
    minor: true,
  },
  {
    title: 'Transport',
    fill: (cell, { transport }) => say(cell, transport ?? '–'),
    sort: ({ transport }) => transport ?? '',
    minor: true,
  },
  {
    title: 'Software',
    fill: (cell, { client }) => say(cell, client ?? '–'),
    sort: ({ client }) => client ?? '',
    minor: true,
  },
  {
    title: 'In/s',
    fill: (cell, { framesInPerSecond }) => say(cell, count(framesInPerSecond)),
    sort: ({ framesInPerSecond }) => framesInPerSecond,
    right: true,
    highestFirst: true,
  },
  {
    title: 'Out/s',
    fill: (cell, { framesOutPerSecond }) => say(cell, count(framesOutPerSecond)),
    sort: ({ framesOutPerSecond }) => framesOutPerSecond,
    right: true,
    highestFirst: true,
  },
  {
    title: 'Queue',
    fill: (cell, { queueBytes }) => say(cell, queueBytes === 0 ? '0' : bytes(queueBytes)),
    sort: ({ queueBytes }) => queueBytes,
    right: true,
    highestFirst: true,
    minor: true,
  },
  { title: 'Key ids', fill: (cell, { keyIds }) => say(cell, keyIds.join(' ') || '–'), minor: true },
  {
    title: 'Last error',
    fill: (cell, { lastErrors }) => say(cell, lastErrors[0]?.code ?? '–'),
    sort: ({ lastErrors }) => lastErrors[0]?.at ?? 0,
    highestFirst: true,
    minor: true,
  },
]

/** Every node that is or was here, to be found, sorted and opened. */
export function openNodes({ feed, query, left }: Context): Page {
  const filter: NodeFilter = { name: query.get('name') ?? '', group: '', state: query.get('state') ?? '' }
  const text = make('span', { 'aria-live': 'polite' })
  const groups = make('div', { class: 'tags' })
  const table = new Table<LiveNode>({
    label: 'Nodes',
    columns: columns(() => feed.health?.now ?? Date.now()),
    key: ({ name }) => name,
    sortedBy: { title: 'Name', descending: false },
  })
  const none = make('div', { class: 'card', hidden: true })
  const card = make('div', { class: 'card' }, table.element)
  const draw = onNextFrame(() => {
    const all = [...feed.nodes.values()]
    const rows = all.filter((node) => passes(filter, node))
    fields.know(all)
    table.set(rows)
    card.hidden = rows.length === 0
    none.hidden = rows.length > 0 || !feed.knowsNodes
    say(
      text,
      `${plural(all.length, 'node')}, ${count(all.filter(({ state }) => state !== 'offline').length)} connected${rows.length === all.length ? '' : `; ${count(rows.length)} match`}.`,
    )
    showGroups(groups, all)
    const what = all.length === 0 ? 'none' : 'no match'
    if (none.dataset.what === what) return
    none.dataset.what = what
    none.replaceChildren(
      all.length === 0
        ? empty('No node has ever been here', make('p', {}, 'Start one in another terminal:'), command('make client'))
        : empty('No node matches', make('p', {}, 'Clear the search, or choose another group or state.')),
    )
  }, left)
  const fields = filterFields(filter, draw)
  for (const name of ['nodes', 'health'] as const) until(left, feed.on(name, draw))
  draw()
  return {
    title: 'Nodes',
    topics: ['nodes'],
    element: make('div', { class: 'page' }, head('Nodes and groups', text, fields.element), groups, card, none),
  }
}

function showGroups(list: HTMLElement, nodes: readonly LiveNode[]): void {
  const members = new Map<string, number>()
  for (const { groups } of nodes) for (const group of groups) members.set(group, (members.get(group) ?? 0) + 1)
  const largest = [...members].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, 40)
  const words = largest.map(([group, total]) => `${group} ${total}`)
  if (list.dataset.words === words.join()) return
  list.dataset.words = words.join()
  list.replaceChildren(...largest.map(([group], at) => make('a', { class: 'tag', href: groupPath(group) }, words[at]!)))
}
