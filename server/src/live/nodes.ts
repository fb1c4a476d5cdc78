import type { NodeRecord } from '../registry/registry.js'
import type { Presence } from '../routing/presence.js'
import type { Session } from '../session/session.js'
import type { LiveNode, NodeState } from './events.js'
import type { Traffic } from './traffic.js'

export interface NodesChange {
  readonly nodes: readonly LiveNode[]
  readonly removed: readonly string[]
}

interface Seen {
  readonly session: Session
  writtenFrames: number
  node: LiveNode
}

/** All nodes as operators see them: the live links, and those that the registry knows. Kept while somebody watches. */
export class LiveNodes {
  private readonly byName = new Map<string, LiveNode>()
  private readonly seen = new Map<string, Seen>()
  private removed: string[] = []

  constructor(
    private readonly presence: Presence,
    private readonly traffic: Traffic,
  ) {}

  get known(): ReadonlyMap<string, LiveNode> {
    return this.byName
  }

  /** What changed in the last `ms`. */
  read(ms: number): NodesChange {
    const changed: LiveNode[] = []
    for (const session of this.presence.all()) {
      const { name } = session.member!
      const node = this.online(session, ms)
      const before = this.byName.get(name)
      if (before && isSame(before, node)) continue
      this.byName.set(name, node)
      changed.push(node)
    }
    for (const [name, { node }] of this.seen) {
      if (this.presence.get(name)) continue
      this.seen.delete(name)
      if (!this.byName.has(name)) continue
      const offline = offlineOf(node)
      this.byName.set(name, offline)
      changed.push(offline)
    }
    const { removed } = this
    this.removed = []
    return { nodes: changed.filter(({ name }) => this.byName.has(name)), removed }
  }

  /**
   * What the registry knows, connected or not.
   * @param isAll there is no more: what it does not know was removed
   */
  registered(records: readonly NodeRecord[], isAll: boolean): LiveNode[] {
    const known = new Set(records.map(({ name }) => name))
    for (const [name, { state }] of this.byName) {
      if (isAll && state === 'offline' && !known.has(name)) this.remove(name)
    }
    const added: LiveNode[] = []
    for (const record of records) {
      if (this.byName.has(record.name) || this.presence.get(record.name)) continue
      const node = fromRecord(record)
      this.byName.set(record.name, node)
      added.push(node)
    }
    return added
  }

  /** An operator removed it. */
  remove(name: string): void {
    this.seen.delete(name)
    if (this.byName.delete(name)) this.removed.push(name)
  }

  private online(session: Session, ms: number): LiveNode {
    const { name, groups, peer, client, http } = session.member!
    const { outbox, transport } = session
    const sender = this.traffic.of(name)
    const last = this.seen.get(name)
    const before = last?.session === session ? last.writtenFrames : outbox.writtenFrames
    const rate = (frames: number): number => Math.round((frames * 1_000) / ms)
    const node: LiveNode = {
      name,
      groups,
      state: this.stateOf(session),
      transport,
      since: peer.since ?? null,
      client: client ?? null,
      http: http !== undefined,
      framesInPerSecond: rate(outbox.writtenFrames - before),
      framesOutPerSecond: rate(sender?.frames ?? 0),
      errorsPerSecond: rate(sender?.errors ?? 0),
      queueBytes: outbox.bytes,
      queueFrames: outbox.frames,
      keyIds: sender?.keyIds ?? none,
      lastErrors: sender?.lastErrors ?? none,
    }
    if (sender) sender.frames = sender.errors = 0
    if (last?.session === session) {
      last.writtenFrames = outbox.writtenFrames
      last.node = node
    } else this.seen.set(name, { session, writtenFrames: outbox.writtenFrames, node })
    return node
  }

  private stateOf(session: Session): NodeState {
    if (!this.presence.inGroups(session)) return 'draining'
    return session.outbox.lagging ? 'slow' : 'online'
  }
}

const none: readonly never[] = []

const isSame = (a: LiveNode, b: LiveNode): boolean =>
  (Object.keys(a) as (keyof LiveNode)[]).every((field) => a[field] === b[field])

const offlineOf = (node: LiveNode): LiveNode => ({
  ...node,
  state: 'offline',
  transport: null,
  since: null,
  http: false,
  framesInPerSecond: 0,
  framesOutPerSecond: 0,
  errorsPerSecond: 0,
  queueBytes: 0,
  queueFrames: 0,
})

const fromRecord = ({ name, groups, client }: NodeRecord): LiveNode =>
  offlineOf({
    name,
    groups,
    client,
    state: 'offline',
    transport: null,
    since: null,
    http: false,
    framesInPerSecond: 0,
    framesOutPerSecond: 0,
    errorsPerSecond: 0,
    queueBytes: 0,
    queueFrames: 0,
    keyIds: none,
    lastErrors: none,
  })
