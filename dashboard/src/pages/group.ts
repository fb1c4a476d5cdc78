import { make, say } from '../element.js'
import type { LiveNode } from '../feed.js'
import { count, plural } from '../format.js'
import { empty, head } from '../head.js'
import { type Context, onNextFrame, type Page, until } from '../page.js'
import { Table } from '../table.js'
import { nodeCell, stateCell } from './nodes.js'

/** The members of one group. */
export function openGroup({ feed, params, left }: Context): Page {
  const group = params.get('name')!
  const text = make('span')
  const table = new Table<LiveNode>({
    label: `Members of ${group}`,
    key: ({ name }) => name,
    sortedBy: { title: 'Name', descending: false },
    columns: [
      { title: 'Name', fill: (cell, { name }) => nodeCell(cell, name), sort: ({ name }) => name },
      { title: 'State', fill: (cell, { state }) => stateCell(cell, state), sort: ({ state }) => state },
      { title: 'Transport', fill: (cell, { transport }) => say(cell, transport ?? '–'), minor: true },
      {
        title: 'In/s',
        fill: (cell, node) => say(cell, count(node.framesInPerSecond)),
        sort: (node) => node.framesInPerSecond,
        right: true,
        highestFirst: true,
      },
      {
        title: 'Out/s',
        fill: (cell, node) => say(cell, count(node.framesOutPerSecond)),
        sort: (node) => node.framesOutPerSecond,
        right: true,
        highestFirst: true,
      },
    ],
  })
  const card = make('div', { class: 'card' }, table.element)
  const none = make(
    'div',
    { class: 'card', hidden: true },
    empty(
      `Nobody is in ${group}`,
      make(
        'p',
        {},
        'A group exists as long as a node is registered in it. ',
        make('a', { href: '/nodes' }, 'To all nodes'),
      ),
    ),
  )
  const draw = onNextFrame(() => {
    const members = [...feed.nodes.values()].filter(({ groups }) => groups.includes(group))
    table.set(members)
    card.hidden = members.length === 0
    none.hidden = members.length > 0 || !feed.knowsNodes
    const online = members.filter(({ state }) => state !== 'offline').length
    const rate = members.reduce((sum, node) => sum + node.framesInPerSecond, 0)
    say(
      text,
      `${plural(members.length, 'node')}, ${count(online)} connected; ${count(rate)} frames/s arrive. A message to any:${group} goes to one of them, one to group:${group} to all.`,
    )
  }, left)
  for (const name of ['nodes', 'health'] as const) until(left, feed.on(name, draw))
  draw()
  return {
    title: group,
    topics: ['nodes'],
    element: make('div', { class: 'page' }, head(`Group ${group}`, text), card, none),
  }
}
