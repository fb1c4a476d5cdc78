import { layOut } from '../../../dashboard/src/map/layout'

const nodes = (groups: number, members: number) =>
  Array.from({ length: groups }, (_, group) =>
    Array.from({ length: members }, (_, member) => ({ name: `n-${group}-${member}`, groups: [`g-${group}`] })),
  ).flat()

describe('the map', () => {
  it('is empty without nodes', () => {
    expect(layOut([])).toMatchObject({ areas: [], width: 0, height: 0 })
  })

  it('is the same for the same nodes, in whatever order they come', () => {
    const some = nodes(5, 7)
    expect(layOut([...some].reverse())).toEqual(layOut(some))
  })

  it.each([
    [1, 1],
    [3, 2],
    [10, 6],
    [20, 50],
    [60, 3],
    [200, 5],
    [1, 1_000],
  ])('has no two areas of %d groups with %d nodes that overlap, and every node inside its own', (groups, members) => {
    const { areas, spots } = layOut(nodes(groups, members))
    expect(areas).toHaveLength(groups)
    for (const [at, area] of areas.entries()) {
      for (const other of areas.slice(at + 1)) {
        expect(Math.hypot(area.x - other.x, area.y - other.y)).toBeGreaterThan(area.radius + other.radius)
      }
      for (const name of area.members) {
        const spot = spots.get(name)!
        expect(Math.hypot(spot.x - area.x, spot.y - area.y)).toBeLessThan(area.radius)
      }
    }
  })

  it.each([2, 6, 7, 100, 1_000])('keeps %d nodes of one group apart', (members) => {
    const spots = [...layOut(nodes(1, members)).spots.values()]
    const nearest = Math.min(
      ...spots
        .slice(0, 60)
        .map((spot) =>
          Math.min(...spots.filter((other) => other !== spot).map(({ x, y }) => Math.hypot(x - spot.x, y - spot.y))),
        ),
    )
    expect(nearest).toBeGreaterThan(25)
  })

  it('is wider than high for a wide view, and the other way round', () => {
    const wide = layOut(nodes(20, 4), 1.7)
    const high = layOut(nodes(20, 4), 0.6)
    expect(wide.width).toBeGreaterThan(wide.height)
    expect(high.height).toBeGreaterThan(high.width)
  })

  it('puts a node into the area of its first group', () => {
    const { areas } = layOut([{ name: 'a', groups: ['x', 'y'] }])
    expect(areas).toMatchObject([{ group: 'x', members: ['a'] }])
  })
})
