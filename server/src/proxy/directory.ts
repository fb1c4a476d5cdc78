import type { Code, PublicRoutes } from '@sealway/protocol'
import type { NodeRecord, Registry } from '../registry/registry.js'
import type { Session } from '../session/session.js'
import type { Caller } from './callers.js'
import type { Refusal } from './guard.js'
import type { Target } from './target.js'
import type { Destination, Upstream } from './upstream.js'

/** What is asked of the live links. */
export interface Links {
  get(name: string): Session | undefined
  members(group: string): Iterable<Session>
}

export interface DirectoryParts {
  readonly links: () => Links
  readonly registry: Pick<Registry, 'node' | 'nodes' | 'groupExists'>
  /** In the order in which they are tried. */
  readonly upstreams: readonly Upstream[]
  readonly publicRoutes: PublicRoutes
  /** Coarse clock, ms. */
  readonly now: () => number
}

/** Who asks for what, as far as it decides where it goes. */
export interface Question {
  readonly target: Target
  readonly method: string
  readonly caller: Caller | undefined
}

/** Where a request goes, and how. */
export interface Way {
  readonly destination: Destination
  readonly upstream: Upstream
}

/** What the database said of a name is believed for so long, ms: names that nobody holds must not keep it busy. */
const believedMs = 1_000
const maxBelieved = 1_000

/** Whom a request may go to. Says no more of who there is than the caller may know. */
export class Directory {
  private readonly parts: DirectoryParts
  private readonly destinations = new WeakMap<Session, Destination>()
  private readonly believed = new Map<
    string,
    { readonly until: number; readonly record: Promise<NodeRecord | undefined> }
  >()
  /** By group, who had its turn last, among those that have equally much to do. */
  private readonly turns = new WeakMap<Session, number>()
  private turn = 0

  constructor(parts: DirectoryParts) {
    this.parts = parts
  }

  /** Exactly this node. */
  one(question: Question): Way | Refusal | Promise<Way | Refusal> {
    const { target, caller } = question
    const session = this.parts.links().get(target.node)
    const there = session ? this.destinationOf(session) : undefined
    const destination = there?.groups.includes(target.group) ? there : undefined
    if (!this.mayAsk(question, target.node, session, destination)) return caller ? forbidden(target.node) : noToken
    if (destination) return this.wayTo(destination)
    return this.absent(target)
  }

  private mayAsk({ target, method, caller }: Question, name: string, session?: Session, there?: unknown): boolean {
    if (caller?.covers(name)) return true
    const exposed = there === undefined ? undefined : session!.member!.http
    return exposed !== undefined && this.parts.publicRoutes.allows(exposed, method, target.path)
  }

  private wayTo(destination: Destination): Way | Refusal {
    for (const upstream of this.parts.upstreams) {
      if (!upstream.serves(destination)) continue
      return upstream.free(destination) ? { destination, upstream } : busy(destination.name)
    }
    return destination.session ? noHttp(destination.name) : offline(destination.name)
  }

  /** It is not connected. Is it registered? */
  private async absent({ node, group }: Target): Promise<Way | Refusal> {
    const record = await this.record(node)
    if (record?.groups.includes(group)) return this.wayTo({ ...record, session: undefined })
    if (await this.parts.registry.groupExists(group)) {
      return { code: 'UNKNOWN_NODE', detail: `there is no node ${node} in the group ${group}` }
    }
    return unknownGroup(group)
  }

  private record(name: string): Promise<NodeRecord | undefined> {
    const now = this.parts.now()
    const known = this.believed.get(name)
    if (known && now < known.until) return known.record
    if (this.believed.size >= maxBelieved) this.believed.clear()
    const record = this.parts.registry.node(name)
    this.believed.set(name, { until: now + believedMs, record })
    record.catch(() => this.believed.delete(name))
    return record
  }

  /**
   * One member: the one with the least to do, and among equals the one whose turn is the longest ago.
   * @param tried not these
   */
  any(question: Question, tried: ReadonlySet<string>): Way | Refusal | Promise<Refusal> {
    const { target, caller } = question
    let best: Way | undefined
    let bestLoad = 0
    let bestTurn = 0
    let failure: Refusal | undefined
    for (const session of this.parts.links().members(target.group)) {
      const destination = this.destinationOf(session)
      const { name } = destination
      if (tried.has(name) || !this.mayAsk(question, name, session, destination)) continue
      const way = this.wayTo(destination)
      if ('code' in way) {
        // That one has too much to do says more than that another serves nothing.
        if (failure?.code !== 'BUSY') failure = way
        continue
      }
      const load = way.upstream.load(destination)
      const turn = this.turns.get(session) ?? 0
      if (best && (load > bestLoad || (load === bestLoad && turn > bestTurn))) continue
      best = way
      bestLoad = load
      bestTurn = turn
    }
    if (best) {
      this.turns.set(best.destination.session!, ++this.turn)
      return best
    }
    if (failure) return { code: failure.code, detail: `no member of ${target.group} can take this now` }
    return caller ? this.nobody(target.group, caller) : noToken
  }

  /** Every member that the caller may ask; with those that serve no HTTP, who are answered for. */
  many(question: Question): (Way | (Refusal & { readonly node: string }))[] | Refusal | Promise<Refusal> {
    const { target, caller } = question
    const found: (Way | (Refusal & { readonly node: string }))[] = []
    for (const session of this.parts.links().members(target.group)) {
      const destination = this.destinationOf(session)
      if (!this.mayAsk(question, destination.name, session, destination)) continue
      const way = this.wayTo(destination)
      found.push('code' in way ? { ...way, node: destination.name } : way)
    }
    if (found.length > 0) return found
    return caller ? this.nobody(target.group, caller) : noToken
  }

  /** No live member may be asked. Why not? */
  private async nobody(group: string, caller: Caller): Promise<Refusal> {
    if (!(await this.parts.registry.groupExists(group))) {
      return caller.coversAll ? unknownGroup(group) : forbidden(`any member of ${group}`)
    }
    const registered = await this.parts.registry.nodes({ group, limit: 1_000 })
    if (!registered.some(({ name }) => caller.covers(name))) return forbidden(`any member of ${group}`)
    return { code: 'OFFLINE', detail: `no member of ${group} is connected` }
  }

  private destinationOf(session: Session): Destination {
    let destination = this.destinations.get(session)
    if (!destination) {
      const { name, groups, peer } = session.member!
      destination = { name, groups, endpoints: peer.endpoints, session }
      this.destinations.set(session, destination)
    }
    return destination
  }
}

export const noToken: Refusal = {
  code: 'UNAUTHORIZED',
  detail: 'send a good token as Authorization: Bearer, or as Proxy-Authorization: Bearer where the app needs the other',
}
const forbidden = (whom: string): Refusal => ({
  code: 'FORBIDDEN',
  detail: `this token has no http: scope for ${whom}`,
})
const unknownGroup = (group: string): Refusal => ({ code: 'UNKNOWN_GROUP', detail: `there is no group ${group}` })
const refusalOf = (code: Code, node: string, what: string): Refusal => ({ code, detail: `${node} ${what}` })
const offline = (node: string) => refusalOf('OFFLINE', node, 'is registered, but not connected')
const noHttp = (node: string) => refusalOf('NO_HTTP', node, 'is connected, but serves no HTTP')
const busy = (node: string) => refusalOf('BUSY', node, 'has as many requests as it takes, or its link is full')
