import type { LiveNode } from '../../dashboard/src/feed'
import { isFiltered, passes } from '../../dashboard/src/node-filter'

const node = { name: 'orders-1', groups: ['orders', 'eu'], state: 'slow' } as unknown as LiveNode
const all = { name: '', group: '', state: '' }

describe('the filter of nodes', () => {
  it('lets all through when nothing is asked', () => {
    expect([isFiltered(all), passes(all, node)]).toEqual([false, true])
  })

  it.each([
    [{ ...all, name: 'DERS' }, true],
    [{ ...all, name: 'ord*' }, true],
    [{ ...all, name: 'ders*' }, false],
    [{ ...all, name: 'billing' }, false],
    [{ ...all, group: 'eu' }, true],
    [{ ...all, group: 'e' }, false],
    [{ ...all, state: 'slow' }, true],
    [{ ...all, state: 'online' }, false],
    [{ name: 'orders', group: 'orders', state: 'online' }, false],
  ])('%j says %p', (filter, passed) => {
    expect([isFiltered(filter), passes(filter, node)]).toEqual([true, passed])
  })
})
