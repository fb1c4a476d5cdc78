import type { LiveNode, NodesTold } from '../../../server/src/live/events'
import { KnownNodes } from '../../../server/src/live/known-nodes'

const told = (names: string, over: Partial<NodesTold> = {}): NodesTold => ({
  all: false,
  more: false,
  nodes: [...names].map((name) => ({ name }) as LiveNode),
  removed: [],
  ...over,
})

describe('the nodes that a watcher was told', () => {
  const namesOf = ({ nodes }: KnownNodes) => [...nodes.keys()].join('')

  it('are shown as they come the first time, and whole with the last', () => {
    const known = new KnownNodes()
    known.take(told('ab', { all: true, more: true }))
    expect([namesOf(known), known.isWhole]).toEqual(['ab', false])
    known.take(told('cd', { more: true }))
    expect([namesOf(known), known.isWhole]).toEqual(['abcd', false])
    known.take(told('e'))
    expect([namesOf(known), known.isWhole]).toEqual(['abcde', true])
  })

  it('stay until all of those told anew have come', () => {
    const known = new KnownNodes()
    known.take(told('abc', { all: true }))
    known.take(told('a', { all: true, more: true }))
    expect([namesOf(known), known.isWhole]).toEqual(['abc', true])
    known.take(told('d'))
    expect(namesOf(known)).toBe('ad')
  })

  it('change and go, also while they are told anew', () => {
    const known = new KnownNodes()
    known.take(told('abc', { all: true }))
    known.take(told('d', { removed: ['a'] }))
    expect(namesOf(known)).toBe('bcd')
    known.take(told('bc', { all: true, more: true }))
    known.take(told('', { more: true, removed: ['b'] }))
    known.take(told('de'))
    expect(namesOf(known)).toBe('cde')
  })

  it('begin anew where the link broke before all were told', () => {
    const known = new KnownNodes()
    known.take(told('abc', { all: true }))
    known.take(told('xy', { all: true, more: true }))
    known.take(told('a', { all: true }))
    expect(namesOf(known)).toBe('a')
  })
})
