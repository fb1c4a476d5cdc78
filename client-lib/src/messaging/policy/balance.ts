import type { Balance } from '@sealway/protocol'

/** Groups whose last choice is remembered. */
const maxGroups = 1_024

/** Chooses a member of a group. Knows names, and what the caller tells it of them. */
export class Balancer {
  private readonly lastOf = new Map<string, string>()

  constructor(
    /** 0 to 1. */
    private readonly random: () => number,
  ) {}

  /**
   * @param members those who may be chosen, at least one, sorted
   * @param key what `sticky` goes by
   * @param inFlight calls of this node that a member has not answered yet
   * @returns undefined where there is nothing to go by
   */
  pick(
    strategy: Exclude<Balance, 'mediator'>,
    group: string,
    members: readonly string[],
    key: string | undefined,
    inFlight: (member: string) => number,
  ): string | undefined {
    if (typeof strategy === 'object') return key === undefined ? undefined : highest(members, key)
    if (strategy === 'random') return this.anyOf(members)
    const pool = strategy === 'round-robin' ? members : least(members, inFlight)
    return this.next(group, pool)
  }

  private anyOf(members: readonly string[]): string {
    return members[Math.min(Math.floor(this.random() * members.length), members.length - 1)]!
  }

  /** The one after the last, by name: members that come and go do not upset the turn. */
  private next(group: string, members: readonly string[]): string {
    const last = this.lastOf.get(group)
    // Not all nodes begin with the same member.
    const member =
      last === undefined ? this.anyOf(members) : (members.find((candidate) => candidate > last) ?? members[0]!)
    if (last === undefined && this.lastOf.size >= maxGroups) this.lastOf.clear()
    this.lastOf.set(group, member)
    return member
  }
}

function least(members: readonly string[], inFlight: (member: string) => number): readonly string[] {
  let fewest = Number.POSITIVE_INFINITY
  let found: string[] = []
  for (const member of members) {
    const calls = inFlight(member)
    if (calls > fewest) continue
    if (calls < fewest) found = []
    fewest = calls
    found.push(member)
  }
  return found
}

/**
 * Highest random weight: each node that sees the same members finds the same one, and when one leaves, only its keys
 * move (D. Thaler and C. Ravishankar, 1998).
 */
function highest(members: readonly string[], key: string): string {
  let best = members[0]!
  let most = -1
  for (const member of members) {
    const weight = hash(`${member} ${key}`)
    if (weight <= most) continue
    most = weight
    best = member
  }
  return best
}

/** FNV-1a over UTF-16 units, then the finalizer of MurmurHash3: FNV alone leaves its low bits alike. 32 bits. */
function hash(text: string): number {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** The text at a path of fields in a body, `customer.id`; undefined where there is none. */
export function keyAt(body: unknown, path: string): string | undefined {
  let value = body
  for (const field of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, field)) return undefined
    value = (value as { readonly [field: string]: unknown })[field]
  }
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : undefined
}
