/** Where things are, in units of the map; the camera makes pixels of them. */
export interface Spot {
  readonly x: number
  readonly y: number
}

export interface Area extends Spot {
  readonly group: string
  readonly radius: number
  readonly members: readonly string[]
}

export interface Layout {
  readonly areas: readonly Area[]
  readonly spots: ReadonlyMap<string, Spot>
  readonly left: number
  readonly top: number
  readonly width: number
  readonly height: number
}

/** Between two nodes of a group. */
const spacing = 46
const rim = 34
const between = 36
/** The turn from one seed of a sunflower to the next: no two lie on one ray. */
const golden = Math.PI * (3 - Math.sqrt(5))
/** So many directions are tried for each area. */
const directions = 24
/** With more groups than this they stand in rows: trying all places would take too long. */
const maxPacked = 60

/**
 * Groups as circles with their nodes in them; the same nodes always give the same picture.
 * @param aspect width by height of the view, whose shape the areas are pressed into
 */
export function layOut(
  nodes: Iterable<{ readonly name: string; readonly groups: readonly string[] }>,
  aspect = 1.7,
): Layout {
  const byGroup = new Map<string, string[]>()
  for (const { name, groups } of nodes) {
    const group = groups[0] ?? ''
    const members = byGroup.get(group)
    if (members) members.push(name)
    else byGroup.set(group, [name])
  }
  const circles = Array.from(byGroup, ([group, members]) => ({
    group,
    members: members.sort(),
    radius: radiusOf(members.length),
  }))
  circles.sort((a, b) => b.members.length - a.members.length || (a.group < b.group ? -1 : 1))
  const areas = circles.length > maxPacked ? inRows(circles, aspect) : packed(circles, aspect)
  const spots = new Map<string, Spot>()
  for (const area of areas) {
    area.members.forEach((name, at) => {
      const { x, y } = seed(at, area.members.length)
      spots.set(name, { x: area.x + x, y: area.y + y })
    })
  }
  const left = Math.min(0, ...areas.map(({ x, radius }) => x - radius))
  const top = Math.min(0, ...areas.map(({ y, radius }) => y - radius))
  const right = Math.max(0, ...areas.map(({ x, radius }) => x + radius))
  const bottom = Math.max(0, ...areas.map(({ y, radius }) => y + radius))
  return { areas, spots, left, top, width: right - left, height: bottom - top }
}

type Circle = Omit<Area, 'x' | 'y'>

const radiusOf = (members: number): number =>
  members === 1 ? 48 : members <= 6 ? ring(members) + rim : spacing * 0.6 * Math.sqrt(members) + rim

/** Few nodes stand on a ring. */
const ring = (members: number): number => Math.max(spacing * 0.9, (spacing * 0.6) / Math.sin(Math.PI / members))

/** The place of one of `total` nodes, from the middle of their area. */
function seed(at: number, total: number): Spot {
  if (total === 1) return { x: 0, y: 0 }
  if (total <= 6) {
    const angle = (at / total) * 2 * Math.PI - (total === 2 ? 0 : Math.PI / 2)
    return { x: Math.cos(angle) * ring(total), y: Math.sin(angle) * ring(total) }
  }
  const reach = spacing * 0.6 * Math.sqrt(at + 0.5)
  return { x: Math.cos(at * golden) * reach, y: Math.sin(at * golden) * reach }
}

/** The largest in the middle, and each further one where it is nearest to it. */
function packed(circles: readonly Circle[], aspect: number): Area[] {
  const placed: Area[] = []
  for (const circle of circles) {
    let best: Spot | undefined
    let bestFar = Number.POSITIVE_INFINITY
    for (const near of placed) {
      const reach = near.radius + circle.radius + between
      for (let step = 0; step < directions; step++) {
        const angle = (step / directions) * 2 * Math.PI
        const spot = { x: near.x + Math.cos(angle) * reach, y: near.y + Math.sin(angle) * reach }
        const far = Math.hypot(spot.x, spot.y * aspect)
        if (far >= bestFar || placed.some((other) => overlaps(spot, circle.radius, other))) continue
        best = spot
        bestFar = far
      }
    }
    placed.push({ ...circle, x: best?.x ?? 0, y: best?.y ?? 0 })
  }
  return placed
}

const overlaps = (spot: Spot, radius: number, other: Area): boolean =>
  Math.hypot(spot.x - other.x, spot.y - other.y) < radius + other.radius + between - 1

function inRows(circles: readonly Circle[], aspect: number): Area[] {
  const total = circles.reduce((sum, { radius }) => sum + (2 * radius + between) ** 2, 0)
  const width = Math.sqrt(total * aspect)
  const areas: Area[] = []
  let x = 0
  let y = 0
  let rowHeight = 0
  for (const circle of circles) {
    const size = 2 * circle.radius + between
    if (x > 0 && x + size > width) {
      y += rowHeight
      x = 0
      rowHeight = 0
    }
    areas.push({ ...circle, x: x + size / 2, y: y + size / 2 })
    x += size
    rowHeight = Math.max(rowHeight, size)
  }
  return areas
}
