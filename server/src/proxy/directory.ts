import type { Code, PublicRoutes } from '@sealway/protocol'
import type { NodeRecord, Registry } from '../registry/registry.js'
import type { Session } from '../session/session.js'
import type { Caller } from './callers.js'
import type { Departed } from './departed.js'
import type { Refusal } from './guard.js'
import { Registered } from './registered.js'
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
  readonly departed: Departed
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

/** Whom a request to all goes to, and why not to the others. */
export type Members = (Way | (Refusal & { readonly node: string }))[]

type WhenAbsent = (node: string, record: NodeRecord) => Way | Refusal

/** Names of which it is known when they had their turn; beyond it all begin anew. */
const maxTurns = 1_000

/** Whom a request may go to. Says no more of who there is than the caller may know. */
export class Directory {
  private readonly parts: DirectoryParts
  private readonly destinations = new WeakMap<Session, Destination>()
  private readonly registered: Registered
  /** By name, when it had its turn last, among those that have equally much to do. */
  private readonly turns = new Map<string, number>()
  private turn = 0

  constructor(parts: DirectoryParts) {
    this.parts = parts
    this.registered = new Registered(parts.registry, parts.now)
  }

  /** Exactly this node. */
  one(question: Question): Way | Refusal | Promise<Way | Refusal> {
    const { target, caller } = question
    const session = this.parts.links().get(target.node)
    const there = session ? this.destinationOf(session) : undefined
    const destination = there?.groups.includes(target.group) ? there : undefined
    if (!this.mayAsk(question, target.node, session, destination)) {
      // A route that was for anybody: it is the node that is missing, and not the token.
      if (!session && this.wasPublic(question)) return this.absent(target, offline)
      return caller ? forbidden(target.node) : noToken
    }
    if (destination) return this.wayTo(destination)
    return this.absent(target, (_name, record) => this.wayTo({ ...record, session: undefined }))
  }

  private wasPublic({ target: { node, group, path }, method }: Question): boolean {
    return this.parts.departed.wasPublic(node, group, method, path)
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
  private async absent({ node, group }: Target, found: WhenAbsent): Promise<Way | Refusal> {
    const record = await this.registered.node(node)
    if (record?.groups.includes(group)) return found(node, record)
    if (await this.parts.registry.groupExists(group)) {
      return { code: 'UNKNOWN_NODE', detail: `there is no node ${node} in the group ${group}` }
    }
    return unknownGroup(group)
  }

  /**
   * One member: the one with the least to do, and among equals the one whose turn is the longest ago.
   * @param tried not these
   */
  any(question: Question, tried: ReadonlySet<string>): Way | Refusal | Promise<Way | Refusal> {
    if (!this.looksForAbsent(question)) return this.best(question, tried, [])
    return this.absentMembers(question).then((absent) => this.best(question, tried, absent))
  }

  private best(
    question: Question,
    tried: ReadonlySet<string>,
    absent: readonly Destination[],
  ): Way | Refusal | Promise<Refusal> {
    const { target } = question
    let best: Way | undefined
    let bestLoad = 0
    let bestTurn = 0
    let failure: Refusal | undefined
    for (const destination of this.askable(question, absent)) {
      if (tried.has(destination.name)) continue
      const way = this.wayTo(destination)
      if ('code' in way) {
        // That one has too much to do says more than that another serves nothing.
        if (failure?.code !== 'BUSY') failure = way
        continue
      }
      const load = way.upstream.load(destination)
      const turn = this.turns.get(destination.name) ?? 0
      if (best && (load > bestLoad || (load === bestLoad && turn > bestTurn))) continue
      best = way
      bestLoad = load
      bestTurn = turn
    }
    if (best) {
      if (this.turns.size >= maxTurns) this.turns.clear()
      this.turns.set(best.destination.name, ++this.turn)
      return best
    }
    if (failure) return { code: failure.code, detail: `no member of ${target.group} can take this now` }
    return this.nobody(question)
  }

  /** Every member that the caller may ask; with those that serve no HTTP, who are answered for. */
  many(question: Question): Members | Refusal | Promise<Members | Refusal> {
    if (!this.looksForAbsent(question)) return this.all(question, [])
    return this.absentMembers(question).then((absent) => this.all(question, absent))
  }

  private all(question: Question, absent: readonly Destination[]): Members | Refusal | Promise<Refusal> {
    const found: Members = []
    for (const destination of this.askable(question, absent)) {
      const way = this.wayTo(destination)
      found.push('code' in way ? { ...way, node: destination.name } : way)
    }
    return found.length > 0 ? found : this.nobody(question)
  }

  /** The members that the caller may ask: those with a link, and of the others those that can be reached. */
  private *askable(question: Question, absent: readonly Destination[]): Generator<Destination, void, undefined> {
    const links = this.parts.links()
    for (const session of links.members(question.target.group)) {
      const destination = this.destinationOf(session)
      if (this.mayAsk(question, destination.name, session, destination)) yield destination
    }
    for (const destination of absent) {
      if (!links.get(destination.name) && question.caller!.covers(destination.name)) yield destination
    }
  }

  /** Only who shows a token is worth a look into the database; what was public is asked over links only. */
  private looksForAbsent({ caller }: Question): boolean {
    return caller !== undefined && this.parts.upstreams.some(({ reachesAbsent }) => reachesAbsent)
  }

  /** Those that an upstream reaches without a link. */
  private async absentMembers({ target: { group } }: Question): Promise<readonly Destination[]> {
    const records = await this.registered.members(group)
    const all = records.map((record): Destination => ({ ...record, session: undefined }))
    return all.filter((one) => this.parts.upstreams.some((upstream) => upstream.serves(one)))
  }

  /** No member may be asked. Why not? */
  private nobody({ target: { group, path }, method, caller }: Question): Refusal | Promise<Refusal> {
    if (this.parts.departed.anyWasPublic(group, method, path)) return this.allGone(group)
    return caller ? this.noMember(group, caller) : noToken
  }

  private async allGone(group: string): Promise<Refusal> {
    return (await this.parts.registry.groupExists(group)) ? noneConnected(group) : unknownGroup(group)
  }

  private async noMember(group: string, caller: Caller): Promise<Refusal> {
    if (!(await this.parts.registry.groupExists(group))) {
      return caller.coversAll ? unknownGroup(group) : forbidden(`any member of ${group}`)
    }
    const registered = await this.registered.members(group)
    if (!registered.some(({ name }) => caller.covers(name))) return forbidden(`any member of ${group}`)
    return noneConnected(group)
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
const noneConnected = (group: string): Refusal => ({ code: 'OFFLINE', detail: `no member of ${group} is connected` })
const unknownGroup = (group: string): Refusal => ({ code: 'UNKNOWN_GROUP', detail: `there is no group ${group}` })
const refusalOf = (code: Code, node: string, what: string): Refusal => ({ code, detail: `${node} ${what}` })
const offline = (node: string) => refusalOf('OFFLINE', node, 'is registered, but not connected')
const noHttp = (node: string) => refusalOf('NO_HTTP', node, 'is connected, but serves no HTTP')
const busy = (node: string) => refusalOf('BUSY', node, 'has as many requests as it takes, or its link is full')
