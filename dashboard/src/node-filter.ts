import { make } from './element.js'
import type { LiveNode } from './feed.js'
import { choice, filterInput } from './head.js'

export interface NodeFilter {
  name: string
  group: string
  state: string
}

const states = ['online', 'slow', 'draining', 'offline'] as const

export const isFiltered = ({ name, group, state }: NodeFilter): boolean => name !== '' || group !== '' || state !== ''

/** `*` at the end is allowed, as everywhere; without it any part of a name will do. */
export function passes({ name, group, state }: NodeFilter, node: LiveNode): boolean {
  if (state !== '' && node.state !== state) return false
  if (group !== '' && !node.groups.includes(group)) return false
  const wanted = name.toLowerCase()
  return wanted.endsWith('*') ? node.name.startsWith(wanted.slice(0, -1)) : node.name.includes(wanted)
}

/** Fields for name, group and state. @returns them, and what tells them of groups that exist now */
export function filterFields(filter: NodeFilter, changed: () => void) {
  const name = filterInput(
    'Find a node',
    (value) => {
      filter.name = value
      changed()
    },
    { class: 'grow' },
  )
  const group = choice('Group', [['', 'All groups']], (value) => {
    filter.group = value
    changed()
  })
  const state = choice('State', [['', 'All states'], ...states.map((one) => [one, one] as const)], (value) => {
    filter.state = value
    changed()
  })
  let known = ''
  return {
    element: make('div', { class: 'filters', role: 'search' }, name, group, state),
    know(nodes: Iterable<LiveNode>): void {
      const groups = [...new Set(Array.from(nodes, (node) => node.groups).flat())].sort()
      if (groups.join() === known) return
      known = groups.join()
      group.replaceChildren(
        make('option', { value: '' }, 'All groups'),
        ...groups.map((one) => make('option', { value: one }, one)),
      )
      if (filter.group !== '' && !groups.includes(filter.group))
        group.append(make('option', { value: filter.group }, filter.group))
      group.value = filter.group
    },
  }
}
