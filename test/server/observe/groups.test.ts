import { GroupTotals, maxNamedGroups } from '../../../server/src/observe/groups'

const link = (groups: readonly string[], frames = 1, bytes = 10, queuedBytes = 0) => ({
  groups,
  frames,
  bytes,
  queuedBytes,
})
const of = (totals: GroupTotals, group: string, links: ReturnType<typeof link>[] = []) =>
  totals.read(links).find((each) => each.group === group)

describe('totals of groups', () => {
  it('count a link for each of its groups, and keep what it did when it is gone', () => {
    const totals = new GroupTotals()
    const first = link(['a', 'b'], 3, 30, 5)
    expect(totals.read([first, link(['b'], 2, 20)])).toEqual([
      { group: 'a', nodes: 1, frames: 3, bytes: 30, queuedBytes: 5 },
      { group: 'b', nodes: 2, frames: 5, bytes: 50, queuedBytes: 5 },
    ])
    totals.left(first)
    expect(totals.read([])).toEqual([
      { group: 'a', nodes: 0, frames: 3, bytes: 30, queuedBytes: 0 },
      { group: 'b', nodes: 0, frames: 3, bytes: 30, queuedBytes: 0 },
    ])
  })

  it('name the first fifty groups for good, and add up all others', () => {
    const totals = new GroupTotals()
    for (let i = 0; i < maxNamedGroups; i++) totals.left(link([`g${i}`]))
    totals.left(link(['late-1', 'late-2']))
    totals.left(link(['late-3', 'g0']))
    expect(totals.read([])).toHaveLength(maxNamedGroups + 1)
    expect(of(totals, '(other)')).toMatchObject({ frames: 2, bytes: 20 })
    expect(of(totals, 'g0', [link(['g0'])])).toMatchObject({ nodes: 1, frames: 3 })
    expect(of(totals, '(other)', [link(['late-9'])])).toMatchObject({ nodes: 1, frames: 3 })
  })
})
