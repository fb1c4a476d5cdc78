import type { NodeRecord, Registry } from '../registry/registry.js'

/** What the database said is believed for so long, ms: names that nobody holds must not keep it busy. */
const believedMs = 1_000
/** Answers that are kept at once. Of groups fewer: each is up to 1,000 rows. */
const maxNodes = 1_000
const maxGroups = 16
/** Of a group that is larger, the first are looked at. */
const maxMembers = 1_000

/** Who is registered, connected or not, as it was a second ago at most. */
export class Registered {
  private readonly nodes = new Map<string, Believed<NodeRecord | undefined>>()
  private readonly groups = new Map<string, Believed<readonly NodeRecord[]>>()

  /** @param now coarse clock, ms */
  constructor(
    private readonly registry: Pick<Registry, 'node' | 'nodes'>,
    private readonly now: () => number,
  ) {}

  node(name: string): Promise<NodeRecord | undefined> {
    return this.believed(this.nodes, maxNodes, name, () => this.registry.node(name))
  }

  /** At most the first 1,000. */
  members(group: string): Promise<readonly NodeRecord[]> {
    return this.believed(this.groups, maxGroups, group, () => this.registry.nodes({ group, limit: maxMembers }))
  }

  private believed<T>(all: Map<string, Believed<T>>, most: number, key: string, ask: () => Promise<T>): Promise<T> {
    const now = this.now()
    const known = all.get(key)
    if (known && now < known.until) return known.answer
    if (all.size >= most) all.clear()
    const answer = ask()
    all.set(key, { until: now + believedMs, answer })
    answer.catch(() => all.delete(key))
    return answer
  }
}

interface Believed<T> {
  readonly until: number
  readonly answer: Promise<T>
}
