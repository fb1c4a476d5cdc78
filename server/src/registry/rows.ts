import { type Endpoint, parseJson } from '@sealway/protocol'
import type { Knex } from 'knex'
import type { Database } from '../store/database.js'
import type { NodeRecord } from './registry.js'

/** A row of `nodes`, as the drivers give it. */
export interface NodeRow {
  readonly id: number
  readonly name: string
  readonly epoch: number
  readonly online: number
  readonly transport: string | null
  readonly address: string | null
  readonly client: string | null
  readonly meta: string | null
  readonly since: number | null
  readonly last_seen: number | null
  readonly created_at: number
}

export interface EndpointRow {
  readonly node_id: number
  readonly name: string
  readonly protocol: string
  readonly address: string
  readonly port: number
  readonly meta: string | null
}

/** What a node belongs to and offers, besides its own row. */
export interface Attached {
  readonly groups: string[]
  readonly endpoints: EndpointRow[]
}

/** SQLite takes at most 32,766 values in a statement, MySQL's packets are finite too. */
const chunkRows = 500

export function* chunks<T>(items: readonly T[], size = chunkRows): Generator<T[]> {
  for (let at = 0; at < items.length; at += size) yield items.slice(at, at + size)
}

/** Groups and endpoints of these nodes, in the order in which they were named. An entry for every id. */
export async function attachedTo(knex: Knex, ids: readonly number[]): Promise<Map<number, Attached>> {
  const attached = new Map<number, Attached>(ids.map((id) => [id, { groups: [], endpoints: [] }]))
  for (const part of chunks(ids)) {
    const groups: { node_id: number; name: string }[] = await knex('memberships')
      .join('node_groups', 'node_groups.id', 'memberships.group_id')
      .whereIn('memberships.node_id', part)
      .orderBy(['memberships.node_id', 'memberships.position'])
      .select('memberships.node_id', 'node_groups.name')
    for (const row of groups) attached.get(row.node_id)?.groups.push(row.name)
    const endpoints: EndpointRow[] = await knex('endpoints')
      .whereIn('node_id', part)
      .orderBy(['node_id', 'position'])
      .select('node_id', 'name', 'protocol', 'address', 'port', 'meta')
    for (const row of endpoints) attached.get(row.node_id)?.endpoints.push(row)
  }
  return attached
}

/** The same endpoints, in the form of rows. */
export function endpointRows(nodeId: number, endpoints: readonly Endpoint[]): EndpointRow[] {
  return endpoints.map((endpoint) => ({
    node_id: nodeId,
    name: endpoint.name,
    protocol: endpoint.protocol,
    address: endpoint.address,
    port: endpoint.port,
    meta: endpoint.meta === undefined ? null : JSON.stringify(endpoint.meta),
  }))
}

export function nodeRecord(row: NodeRow, attached: Attached, db: Database): NodeRecord {
  return {
    id: row.id,
    name: row.name,
    groups: attached.groups,
    endpoints: attached.endpoints.map(({ node_id: _, meta: json, ...endpoint }) => {
      const meta = storedObject(json, row.name, db)
      return meta === null ? endpoint : { ...endpoint, meta }
    }),
    meta: storedObject(row.meta, row.name, db),
    online: row.online === 1,
    epoch: row.epoch,
    // Only `claim` writes it, from a value of that type.
    transport: row.transport as NodeRecord['transport'],
    address: row.address,
    client: row.client,
    since: row.since,
    lastSeen: row.last_seen,
    createdAt: row.created_at,
  }
}

/** JSON of a column. A row that somebody damaged must not take the whole list with it: null, and a line in the log. */
export function storedJson(json: string | null, subject: string, db: Database): unknown {
  if (json === null) return null
  try {
    return parseJson(json)
  } catch {
    db.log.warn({ subject }, 'a row holds JSON that is not accepted; it is left out')
    return null
  }
}

function storedObject(json: string | null, subject: string, db: Database): { readonly [key: string]: unknown } | null {
  const value = storedJson(json, subject, db)
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as { readonly [key: string]: unknown })
    : null
}
