/** Groups that metrics name; traffic of the others is added up under one label. */
export const maxNamedGroups = 50
/** No group can have this name. */
const others = '(other)'

/** What one link has done so far. */
export interface LinkTotals {
  readonly groups: readonly string[]
  /** Written to it. */
  readonly frames: number
  readonly bytes: number
}

export interface GroupTotal {
  readonly group: string
  readonly nodes: number
  readonly frames: number
  readonly bytes: number
  readonly queuedBytes: number
}

interface Sum {
  nodes: number
  frames: number
  bytes: number
  queuedBytes: number
}

/**
 * What was written to the members of each group; a member of several counts for each. The first fifty groups since the
 * start keep their names as labels for good, so that a counter never falls; names without bound are no label.
 */
export class GroupTotals {
  /** Of links that are gone. */
  private readonly past = new Map<string, Sum>()

  /** A link is over: what it did stays counted. */
  left(link: LinkTotals): void {
    for (const sum of this.sumsOf(link.groups, this.past)) {
      sum.frames += link.frames
      sum.bytes += link.bytes
    }
  }

  /** Of all time, with what these links do now. */
  read(links: Iterable<LinkTotals & { readonly queuedBytes: number }>): GroupTotal[] {
    const now = new Map(Array.from(this.past, ([group, sum]) => [group, { ...sum }]))
    for (const link of links) {
      for (const sum of this.sumsOf(link.groups, now)) {
        sum.nodes++
        sum.frames += link.frames
        sum.bytes += link.bytes
        sum.queuedBytes += link.queuedBytes
      }
    }
    return Array.from(now, ([group, sum]) => ({ group, ...sum }))
  }

  private sumsOf(groups: readonly string[], sums: Map<string, Sum>): Set<Sum> {
    const labels = groups.map((group) => {
      if (this.past.has(group)) return group
      if (this.past.size >= maxNamedGroups) return others
      this.past.set(group, zero())
      return group
    })
    return new Set(
      labels.map((label) => {
        const sum = sums.get(label) ?? zero()
        sums.set(label, sum)
        return sum
      }),
    )
  }
}

const zero = (): Sum => ({ nodes: 0, frames: 0, bytes: 0, queuedBytes: 0 })
