import type { LinkEnd } from './link-end.js'
import type { Route } from './route.js'

interface Seat {
  readonly link: LinkEnd
  /** Bytes handed to it so far, and those that it was passed over for. */
  load: number
}

/** The live links by name and by group. */
export class Presence {
  private readonly byName = new Map<string, LinkEnd>()
  private readonly groups = new Map<string, Seat[]>()
  private readonly routes = new Map<string, Set<Route>>()

  get(name: string): LinkEnd | undefined {
    return this.byName.get(name)
  }

  members(group: string): readonly LinkEnd[] {
    return (this.groups.get(group) ?? []).map(({ link }) => link)
  }

  join(link: LinkEnd): void {
    const { name, groups } = link.member!
    this.byName.set(name, link)
    for (const group of groups) {
      const seats = this.groups.get(group) ?? []
      this.groups.set(group, seats)
      // As loaded as the least loaded: a newcomer must not get everything until it has caught up.
      seats.push({ link, load: seats.length > 0 ? Math.min(...seats.map(({ load }) => load)) : 0 })
    }
  }

  /** @returns false where another link holds the name by now */
  leave(link: LinkEnd): boolean {
    const { name } = link.member!
    this.leaveGroups(link)
    return this.byName.get(name) === link && this.byName.delete(name)
  }

  inGroups(link: LinkEnd): boolean {
    return link.member!.groups.some((group) => this.groups.get(group)?.some((seat) => seat.link === link))
  }

  leaveGroups(link: LinkEnd): void {
    for (const group of link.member!.groups) {
      const left = (this.groups.get(group) ?? []).filter((seat) => seat.link !== link)
      if (left.length > 0) this.groups.set(group, left)
      else this.groups.delete(group)
    }
  }

  /**
   * Of those that read what they get, the member that was given the fewest bytes; the sender only where it is alone.
   * One that is passed over counts as having been given its share.
   */
  pick(group: string, bytes: number, sender: LinkEnd): LinkEnd | undefined {
    const seats = (this.groups.get(group) ?? []).toSorted((a, b) => a.load - b.load)
    const at = seats.findIndex(
      ({ link }) => (link !== sender || seats.length === 1) && !link.outbox.lagging && link.outbox.hasRoom(bytes),
    )
    const chosen = seats[at]
    if (!chosen) return undefined
    chosen.load += bytes
    for (const passed of seats.slice(0, at)) passed.load = Math.max(passed.load, chosen.load)
    return chosen.link
  }

  /** Routes to a node, whose senders hear when it comes or goes. */
  routesTo(name: string): Set<Route> {
    const routes = this.routes.get(name) ?? new Set()
    this.routes.set(name, routes)
    return routes
  }
}
