import type { Route } from '../session/route.js'
import type { Session } from '../session/session.js'
import { Members } from './members.js'

/** The live links by name and by group. */
export class Presence {
  private readonly byName = new Map<string, Session>()
  private readonly groups = new Map<string, Members>()
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

  members(group: string): Iterable<Session> {
    return this.groups.get(group)?.sessions() ?? none
  }

  /** How many are in it now. */
  groupSize(group: string): number {
    return this.groups.get(group)?.size ?? 0
  }

  hasGroup(group: string): boolean {
    return this.groups.has(group)
  }

  join(session: Session): void {
    const member = session.member!
    this.byName.set(member.name, session)
    for (const group of member.groups) {
      const members = this.groups.get(group) ?? new Members()
      this.groups.set(group, members)
      members.add(session)
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
    return session.member!.groups.some((group) => this.groups.get(group)?.has(session))
  }

  /** It can still be reached by its name, and not as any or every member of a group. */
  leaveGroups(session: Session): void {
    for (const group of session.member!.groups) {
      const members = this.groups.get(group)
      if (members?.delete(session) && members.size === 0) this.groups.delete(group)
    }
  }

  /** The member whose turn it is, and who has room. */
  pick(group: string, bytes: number, except: Session): Session | undefined {
    return this.groups.get(group)?.pick(bytes, except)
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

const none: readonly Session[] = []
const noRoutes: ReadonlySet<Route> = new Set()
