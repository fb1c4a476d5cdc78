import type { Route } from '../session/route.js'
import type { Session } from '../session/session.js'

interface GroupMember {
  readonly session: Session
  /** Bytes handed to it so far; the least loaded member is next. */
  load: number
}

/** The live links by name and by group. */
export class Presence {
  private readonly byName = new Map<string, Session>()
  private readonly groups = new Map<string, GroupMember[]>()
  /** Routes to a node, to be told when it comes or goes. */
  private readonly routesTo = new Map<string, Set<Route>>()

  get count(): number {
    return this.byName.size
  }

  get(name: string): Session | undefined {
    return this.byName.get(name)
  }

  all(): IterableIterator<Session> {
    return this.byName.values()
  }

  /** Group names that have a live member. */
  groupNames(): IterableIterator<string> {
    return this.groups.keys()
  }

  members(group: string): readonly { readonly session: Session }[] {
    return this.groups.get(group) ?? none
  }

  hasGroup(group: string): boolean {
    return this.groups.has(group)
  }

  join(session: Session): void {
    const member = session.member!
    this.byName.set(member.name, session)
    for (const group of member.groups) {
      const members = this.groups.get(group) ?? []
      this.groups.set(group, members)
      // As loaded as the least loaded: a newcomer must not get everything until it has caught up.
      const load = members.reduce((least, other) => Math.min(least, other.load), Number.POSITIVE_INFINITY)
      members.push({ session, load: Number.isFinite(load) ? load : 0 })
    }
  }

  /** @returns false where another session has taken the name by now */
  leave(session: Session): boolean {
    const member = session.member!
    const held = this.byName.get(member.name) === session
    if (held) this.byName.delete(member.name)
    this.leaveGroups(session)
    return held
  }

  inGroups(session: Session): boolean {
    return session.member!.groups.some((group) => this.groups.get(group)?.some((other) => other.session === session))
  }

  /** It can still be reached by its name, and not as any or every member of a group. */
  leaveGroups(session: Session): void {
    const member = session.member!
    for (const group of member.groups) {
      const members = this.groups.get(group)
      const at = members?.findIndex((other) => other.session === session) ?? -1
      if (at < 0) continue
      members!.splice(at, 1)
      if (members!.length === 0) this.groups.delete(group)
    }
  }

  /**
   * The member that has been given the fewest bytes so far, and reads what it gets. By bytes and not by turns,
   * because a frame may hold one message or hundreds, and only its size can be seen from here.
   */
  pick(group: string, bytes: number, except: Session): Session | undefined {
    const members = this.groups.get(group)
    if (!members) return undefined
    let best: GroupMember | undefined
    for (const member of members) {
      if (member.session === except && members.length > 1) continue
      if (best && member.load >= best.load) continue
      if (!member.session.outbox.hasRoom(bytes, 1) || member.session.outbox.lagging) continue
      best = member
    }
    if (!best) return undefined
    best.load += bytes
    return best.session
  }

  watch(name: string, route: Route): void {
    const routes = this.routesTo.get(name) ?? new Set()
    this.routesTo.set(name, routes.add(route))
  }

  unwatch(name: string, route: Route): void {
    const routes = this.routesTo.get(name)
    if (routes?.delete(route) && routes.size === 0) this.routesTo.delete(name)
  }

  routesToNode(name: string): ReadonlySet<Route> {
    return this.routesTo.get(name) ?? noRoutes
  }
}

const none: readonly { readonly session: Session }[] = []
const noRoutes: ReadonlySet<Route> = new Set()
