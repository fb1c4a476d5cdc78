import type { Exposed, PublicRoutes } from '@sealway/protocol'
import type { Session } from '../session/session.js'

interface Gone {
  readonly groups: readonly string[]
  readonly http: Exposed
}

/** Those that left last are remembered. */
const maxDeparted = 1_000

/**
 * Which routes were public at nodes that have left: whoever asks for one is told that the node is away, and not to bring
 * a token. Kept in memory only.
 */
export class Departed {
  private readonly byName = new Map<string, Gone>()

  constructor(private readonly routes: PublicRoutes) {}

  left({ member }: Session): void {
    if (!member) return
    const { name, groups, http } = member
    // The one that left last is the last to be forgotten.
    this.byName.delete(name)
    if (!http || http.public.length === 0) return
    this.byName.set(name, { groups, http })
    if (this.byName.size > maxDeparted) this.byName.delete(this.byName.keys().next().value!)
  }

  /** Whether this route of that node was for anybody. */
  wasPublic(name: string, group: string, method: string, path: string): boolean {
    const gone = this.byName.get(name)
    return gone !== undefined && this.allows(gone, group, method, path)
  }

  /** Whether any node of the group had it. */
  anyWasPublic(group: string, method: string, path: string): boolean {
    for (const gone of this.byName.values()) if (this.allows(gone, group, method, path)) return true
    return false
  }

  private allows({ groups, http }: Gone, group: string, method: string, path: string): boolean {
    return groups.includes(group) && this.routes.allows(http, method, path)
  }
}
