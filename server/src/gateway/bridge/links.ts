import { randomBytes } from 'node:crypto'
import {
  type Connection,
  type GroupName,
  isName,
  linkIdForm,
  memoryPair,
  type NodeName,
  parseGroups,
  parseName,
  protocolVersion,
  quote,
  SealwayError,
} from '@sealway/protocol'
import type { Identity } from '../../auth/authenticator.js'
import { parseScope } from '../../auth/scopes.js'
import type { Registry } from '../../registry/registry.js'
import { HttpError } from '../problem.js'
import { BridgeNode } from './node.js'

/** Names that send without a link of their own, at once. Each has a token; a bound is for the tokens that leak. */
const maxLinks = 1_000

/** What a request says of the link that it wants. */
export interface Wanted {
  readonly identity: Identity
  readonly token: string
  readonly address: string
  /** A link that must be the one there is. */
  readonly link?: string
  /** 32 hex digits, chosen by the program: its incarnation. */
  readonly instance?: string
  readonly groups?: readonly string[]
  /** It receives, so it joins the groups that it names; without, it only reaches them. */
  readonly receives: boolean
}

export interface BridgeLink {
  readonly node: BridgeNode
  /** 43 characters of base64url. */
  readonly id: string
  readonly instance: string
}

interface Entry extends BridgeLink {
  token: string
  readonly scopes: string
  /** That its link is a member of. */
  readonly groups: readonly GroupName[]
  readonly idle: NodeJS.Timeout
  readonly ready: Promise<void>
}

export interface BridgeLinksParts {
  readonly registry: Pick<Registry, 'node'>
  /** Hands a connection to the relay. */
  readonly accept: (connection: Connection) => void
  /** A link that nobody used for so long ends, ms. */
  readonly idleMs: number
}

/** Short-lived links of programs that speak only HTTP: one for each name, kept while it is used. */
export function createBridgeLinks({ registry, accept, idleMs }: BridgeLinksParts) {
  const byName = new Map<string, Entry>()

  const open = (name: NodeName, places: Places, wanted: Wanted, instance: string): Entry => {
    if (byName.size >= maxLinks) throw new SealwayError('OVERLOADED', { message: `over ${maxLinks} such links` })
    const [near, far] = memoryPair()
    const node = new BridgeNode(near)
    const ready = node.begin(
      {
        versions: [protocolVersion],
        name,
        ...places,
        token: wanted.token,
        instance,
        endpoints: [],
        client: 'http bridge',
      },
      () => {
        clearTimeout(idle)
        if (byName.get(name) === entry) byName.delete(name)
      },
    )
    const idle = setTimeout(() => (node.busy ? void idle.refresh() : node.leave()), idleMs).unref()
    const entry: Entry = {
      node,
      id: randomBytes(32).toString('base64url'),
      instance,
      token: wanted.token,
      scopes: JSON.stringify(wanted.identity.scopes),
      groups: places.groups,
      idle,
      ready,
    }
    byName.set(name, entry)
    accept(asHttp(far, wanted.address))
    return entry
  }

  return {
    /** @throws SealwayError `FORBIDDEN`, `NOT_FOUND`, `MALFORMED`, or why the name was not admitted */
    async linkFor(wanted: Wanted): Promise<BridgeLink> {
      const { identity } = wanted
      if (!isName(identity.subject)) throw new HttpError('FORBIDDEN', 'this needs a token of one name')
      const name = parseName(identity.subject)
      if (wanted.link !== undefined && (!linkIdForm.test(wanted.link) || byName.get(name)?.id !== wanted.link)) {
        throw new HttpError('NOT_FOUND', 'there is no such link, or none any more')
      }
      // Before anything is looked at: while the registry is asked, another request may open the link.
      const named = wanted.groups && parseGroups(wanted.groups)
      const places = sendsOver(byName.get(name), wanted)
        ? nowhere
        : await placesFor(name, wanted, named, byName.get(name), registry)
      const there = byName.get(name)
      let entry = there
      // What a token may do is decided once for a link: another token's rights need another link.
      if (!there || there.node.ended || !suits(there, wanted, places)) {
        there?.node.leave()
        entry = open(name, places, wanted, wanted.instance ?? there?.instance ?? randomBytes(16).toString('hex'))
      }
      const link = entry!
      await link.ready
      link.idle.refresh()
      if (link.token !== wanted.token) {
        link.token = wanted.token
        link.node.renew(wanted.token)
      }
      return link
    },
  }
}

export type BridgeLinks = ReturnType<typeof createBridgeLinks>

/** The groups that a link is a member of, and those that it only sends to. */
interface Places {
  readonly groups: readonly GroupName[]
  readonly reaches: readonly GroupName[]
}

const nowhere: Places = { groups: [], reaches: [] }

/** A link that is there already will do for sending, whatever its groups: the registry is not asked again. */
const sendsOver = (there: Entry | undefined, wanted: Wanted): boolean =>
  there !== undefined && !there.node.ended && !wanted.receives && suits(there, wanted, nowhere)

const suits = (entry: Entry, { identity, instance, receives }: Wanted, { groups }: Places): boolean =>
  (!receives || groups.every((group) => entry.groups.includes(group))) &&
  entry.scopes === JSON.stringify(identity.scopes) &&
  (instance === undefined || instance === entry.instance)

/**
 * A link is a member of the groups that its name is registered in: without them it would take its own name out of them.
 * Groups that the request names are joined to receive and reached to send; those that the token allows sending to are
 * reached.
 * @throws HttpError `MALFORMED` where nothing names a group
 */
async function placesFor(
  name: NodeName,
  { identity, receives }: Wanted,
  listed: readonly GroupName[] | undefined,
  there: Entry | undefined,
  registry: Pick<Registry, 'node'>,
): Promise<Places> {
  const record = await registry.node(name)
  const registered = (record?.groups ?? []) as readonly GroupName[]
  const scopes = identity.scopes.map(parseScope)
  const own = scopes.flatMap((scope) =>
    scope?.type === 'register' && scope.pattern === name ? [scope.group as GroupName] : [],
  )
  const sendsTo = scopes.flatMap((scope) =>
    scope?.type === 'send' || scope?.type === 'broadcast' ? [scope.group as GroupName] : [],
  )
  const joins = receives ? (listed ?? (registered.length > 0 ? registered : own)) : registered
  const reaches = receives ? sendsTo : (listed ?? sendsTo)
  // A token that allows registering and no sending: its program can still be answered.
  const groups = joins.length + reaches.length > 0 ? joins : own
  if (groups.length + reaches.length > 0) return { groups, reaches: [...new Set(reaches)] }
  // It has sent, and asks for the answers over the link that it has.
  if (receives && there && !there.node.ended) return nowhere
  throw new HttpError('MALFORMED', `${quote(name)} was never registered: name its groups, ?groups=a,b`)
}

/** In memory, but for limits and logs it comes from where its program is. */
const asHttp = (end: Connection, remoteAddress: string): Connection => ({
  transport: 'http',
  remoteAddress,
  start: (events) => end.start(events),
  write: (parts) => end.write(parts),
  pause: () => end.pause(),
  resume: () => end.resume(),
  end: () => end.end(),
  destroy: () => end.destroy(),
})
