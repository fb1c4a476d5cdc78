import type { Endpoint, GroupName, NodeName, TrafficPolicy, TransportName } from '@sealway/protocol'
import type { MediatorRecord } from './mediators.js'

/** What a link says of itself when it registers. */
export interface Claim {
  /** Absent: the registry makes a name from the first group, or the first reached, `<group>-<6 random>`. */
  readonly name?: NodeName
  readonly groups: readonly GroupName[]
  /** Groups that it may send to without being a member; not kept. A node has a group or reaches one. */
  readonly reaches?: readonly GroupName[]
  /** 32 hex digits: the process instance. */
  readonly instance: string
  readonly endpoints: readonly Endpoint[]
  readonly meta?: { readonly [key: string]: unknown }
  readonly transport: TransportName
  /** Remote address, for the operator. */
  readonly address: string
  readonly client?: string
  /** The epoch that the caller believes current; another one in the database is a CONFLICT. Absent: whatever is there. */
  readonly expectedEpoch?: number
}

export interface NodeRecord {
  readonly id: number
  readonly name: string
  readonly groups: readonly string[]
  readonly endpoints: readonly Endpoint[]
  readonly meta: { readonly [key: string]: unknown } | null
  readonly online: boolean
  /** How often the name was claimed by a link; 0 where it never was. */
  readonly epoch: number
  readonly transport: TransportName | null
  readonly address: string | null
  readonly client: string | null
  /** ms since 1970, by the database's clock; null where it was never connected. */
  readonly since: number | null
  readonly lastSeen: number | null
  readonly createdAt: number
}

export interface GroupRecord {
  readonly name: string
  readonly nodes: number
  readonly online: number
  readonly createdAt: number
}

export interface AuditEntry {
  readonly id: number
  readonly at: number
  readonly actor: string
  readonly action: string
  readonly subject: string
  readonly detail: unknown
}

export interface PolicyRecord extends TrafficPolicy {
  /** ms since 1970, by the database's clock. */
  readonly updatedAt: number
  readonly updatedBy: string
}

/** What a REST caller may set of a node. Absent fields stay as they are. */
export interface NodeChange {
  readonly groups?: readonly GroupName[]
  readonly endpoints?: readonly Endpoint[]
  readonly meta?: { readonly [key: string]: unknown } | null
}

/**
 * Who is registered: the durable truth beside the live links. All times are the database's.
 * Every method throws SealwayError: `STORAGE_UNAVAILABLE`, `STORAGE_FULL`, or what is named.
 */
export interface Registry {
  /** Upsert by name; marks online and counts the epoch up by compare-and-swap. @throws `CONFLICT` when somebody else claimed at the same time */
  claim(claim: Claim): Promise<{ readonly name: NodeName; readonly epoch: number; readonly id: number }>
  /**
   * Marks offline if the epoch is still this one.
   * @param leaves the node said that it leaves: one that was given no name is removed at once, for it cannot come back
   */
  release(name: string, epoch: number, leaves?: boolean): Promise<void>
  /** Sets last seen of live links, in few statements. */
  touch(live: readonly { readonly name: string; readonly epoch: number }[]): Promise<void>
  /** At start: rows which a killed mediator left online. @returns how many */
  releaseAll(): Promise<number>

  node(name: string): Promise<NodeRecord | undefined>
  nodeById(id: number): Promise<NodeRecord | undefined>
  /** Ordered by name; `after` and `limit` (at most 1,000) page through. */
  nodes(filter: {
    readonly group?: string
    readonly online?: boolean
    readonly after?: string
    readonly limit?: number
  }): Promise<NodeRecord[]>
  groups(): Promise<GroupRecord[]>
  groupExists(name: string): Promise<boolean>
  /** Returns those of the names that the registry has, at most 500 in one query; names outside the grammar are not among them. */
  existing(kind: 'node' | 'group', names: readonly string[]): Promise<ReadonlySet<string>>

  /** Registers without a link. @returns the record, and whether it is new */
  upsertNode(
    node: { readonly name?: NodeName } & NodeChange & { readonly groups: readonly GroupName[] },
    actor: string,
  ): Promise<{ readonly node: NodeRecord; readonly created: boolean }>
  /** @throws `UNKNOWN_NODE` */
  updateNode(name: string, change: NodeChange, actor: string): Promise<NodeRecord>
  /** @throws `UNKNOWN_NODE` */
  removeNode(name: string, actor: string): Promise<void>
  /**
   * Removes nodes that are offline and were not seen for this long; those that were given no name, for `namelessMs`.
   * @returns their names
   */
  evict(unseenMs: number, namelessMs?: number): Promise<string[]>

  /** Refuses this token id from now on; `expiresAt` (ms since 1970) says when the row may go. */
  revokeToken(tokenId: string, expiresAt: number, actor: string): Promise<void>
  /** Token ids that are revoked and not yet expired. */
  revokedTokens(): Promise<string[]>
  /** Policies for traffic: all of them, by target and action. */
  policies(): Promise<PolicyRecord[]>
  /** Replaces the one of the same target and action. @throws `MALFORMED`, `INVALID_NAME`, `TOO_LARGE` (too many) */
  setPolicy(policy: TrafficPolicy, actor: string): Promise<{ readonly policy: PolicyRecord; readonly created: boolean }>
  /** @throws `NOT_FOUND` */
  removePolicy(target: string, action: string | undefined, actor: string): Promise<void>
  audit(entry: { actor: string; action: string; subject: string; detail?: unknown }): Promise<void>
  /** Newest first. */
  auditTrail(options: { readonly before?: number; readonly limit?: number }): Promise<AuditEntry[]>

  /** Takes the database for one mediator. @returns the mediator that has it, or undefined: it is ours now */
  takeSlot(own: MediatorRecord, isGone: (other: MediatorRecord) => boolean): Promise<MediatorRecord | undefined>
  /** @returns false where another mediator has taken it */
  renewSlot(instance: string): Promise<boolean>
  leaveSlot(instance: string): Promise<void>

  /** One round trip. @returns ms */
  ping(): Promise<number>
  close(): Promise<void>
}
