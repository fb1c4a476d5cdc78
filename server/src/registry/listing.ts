import type { Knex } from 'knex'
import type { Database } from '../store/database.js'
import { malformed, pageSize, record, soughtName, whole } from './admit.js'
import type { GroupRecord, NodeRecord } from './registry.js'
import { attachedTo, chunks, type NodeRow, nodeRecord } from './rows.js'

const nodeColumns = [
  'nodes.id',
  'nodes.name',
  'nodes.epoch',
  'nodes.online',
  'nodes.transport',
  'nodes.address',
  'nodes.client',
  'nodes.meta',
  'nodes.since',
  'nodes.last_seen',
  'nodes.created_at',
] as const

export interface NodeFilter {
  readonly group?: string
  readonly online?: boolean
  readonly after?: string
  readonly limit?: number
}

/** Groups that a listing shows. Names of groups come from nodes, so their number has no natural end. */
const maxGroups = 10_000

export async function nodeByName(knex: Knex, db: Database, name: unknown): Promise<NodeRecord | undefined> {
  const sought = soughtName(name)
  if (sought === undefined) return undefined
  const rows: NodeRow[] = await knex('nodes').where('nodes.name', sought).select(nodeColumns)
  return (await withAttached(knex, db, rows))[0]
}

export async function nodeById(knex: Knex, db: Database, id: unknown): Promise<NodeRecord | undefined> {
  const rows: NodeRow[] = await knex('nodes').where('nodes.id', whole(id, 'id')).select(nodeColumns)
  return (await withAttached(knex, db, rows))[0]
}

/** One page, ordered by name, byte by byte. @throws SealwayError `MALFORMED` or `INVALID_NAME`, naming the field */
export async function listNodes(knex: Knex, db: Database, filter: NodeFilter): Promise<NodeRecord[]> {
  record(filter, 'filter')
  const query = knex('nodes').orderBy('nodes.name').limit(pageSize(filter.limit, 1_000))
  if (filter.group !== undefined) {
    const group = soughtName(filter.group)
    if (group === undefined) return []
    query
      .join('memberships', 'memberships.node_id', 'nodes.id')
      .join('node_groups', 'node_groups.id', 'memberships.group_id')
      .where('node_groups.name', group)
  }
  if (filter.online !== undefined) {
    if (typeof filter.online !== 'boolean') throw malformed('online must be true or false')
    query.where('nodes.online', filter.online ? 1 : 0)
  }
  if (filter.after !== undefined) {
    const after = soughtName(filter.after)
    if (after === undefined) throw malformed('after must be the name that the last page ended with')
    query.where('nodes.name', '>', after)
  }
  const rows: NodeRow[] = await query.select(nodeColumns)
  return withAttached(knex, db, rows)
}

export async function listGroups(knex: Knex): Promise<GroupRecord[]> {
  const rows: { name: string; created_at: number; nodes: number; online: number | string | null }[] = await knex(
    'node_groups',
  )
    .leftJoin('memberships', 'memberships.group_id', 'node_groups.id')
    .leftJoin('nodes', 'nodes.id', 'memberships.node_id')
    .groupBy('node_groups.id', 'node_groups.name', 'node_groups.created_at')
    .orderBy('node_groups.name')
    .limit(maxGroups)
    .select('node_groups.name', 'node_groups.created_at')
    .count({ nodes: 'nodes.id' })
    .sum({ online: 'nodes.online' })
  return rows.map((row) => ({
    name: row.name,
    nodes: row.nodes,
    // A sum is DECIMAL in MySQL, which the driver gives as text, and null over no rows.
    online: Number(row.online ?? 0),
    createdAt: row.created_at,
  }))
}

export async function groupExists(knex: Knex, name: unknown): Promise<boolean> {
  const sought = soughtName(name)
  if (sought === undefined) return false
  return (await knex('node_groups').where({ name: sought }).first('id')) !== undefined
}

export async function existing(
  knex: Knex,
  kind: 'node' | 'group',
  names: readonly unknown[],
): Promise<ReadonlySet<string>> {
  const sought = names.flatMap((name) => soughtName(name) ?? [])
  const found = new Set<string>()
  for (const part of chunks(sought)) {
    const rows: { name: string }[] = await knex(kind === 'node' ? 'nodes' : 'node_groups')
      .whereIn('name', part)
      .select('name')
    for (const row of rows) found.add(row.name)
  }
  return found
}

async function withAttached(knex: Knex, db: Database, rows: readonly NodeRow[]): Promise<NodeRecord[]> {
  const attached = await attachedTo(
    knex,
    rows.map((row) => row.id),
  )
  return rows.map((row) => nodeRecord(row, attached.get(row.id)!, db))
}
