import type { Endpoint } from '@sealway/protocol'
import type { Knex } from 'knex'
import type { Database } from '../store/database.js'
import { type Attached, chunks, type EndpointRow, endpointRows } from './rows.js'

/** What a node is to belong to and to offer; undefined leaves it as it is. */
export interface Wanted {
  readonly id: number
  readonly current: Attached
  readonly groups: readonly string[] | undefined
  readonly endpoints: readonly Endpoint[] | undefined
}

/** Rows in one INSERT: a compound statement of SQLite takes 500. */
const insertRows = 250

/** Writes memberships and endpoints where they differ from what is there, and nothing where they do not. */
export async function attach(trx: Knex.Transaction, db: Database, wanted: readonly Wanted[]): Promise<void> {
  await attachGroups(trx, db, wanted)
  const changed = wanted.flatMap(({ id, current, endpoints }) => {
    if (endpoints === undefined) return []
    const rows = endpointRows(id, endpoints)
    return sameEndpoints(rows, current.endpoints) ? [] : [{ id, rows, had: current.endpoints.length > 0 }]
  })
  await forget(trx, 'endpoints', changed)
  const rows = changed.flatMap((entry) => entry.rows.map((row, position) => ({ ...row, position })))
  for (const part of chunks(rows, insertRows)) await trx('endpoints').insert(part)
}

async function attachGroups(trx: Knex.Transaction, db: Database, wanted: readonly Wanted[]): Promise<void> {
  const changed = wanted.flatMap(({ id, current, groups }) =>
    groups === undefined || same(groups, current.groups) ? [] : [{ id, groups, had: current.groups.length > 0 }],
  )
  if (changed.length === 0) return
  const ids = await groupIds(trx, db, new Set(changed.flatMap((entry) => entry.groups)))
  await forget(trx, 'memberships', changed)
  const rows = changed.flatMap(({ id, groups }) =>
    groups.map((group, position) => ({ node_id: id, group_id: ids.get(group)!, position })),
  )
  for (const part of chunks(rows, insertRows)) await trx('memberships').insert(part)
}

async function forget(
  trx: Knex.Transaction,
  table: 'memberships' | 'endpoints',
  changed: readonly { readonly id: number; readonly had: boolean }[],
): Promise<void> {
  const ids = changed.filter((entry) => entry.had).map((entry) => entry.id)
  for (const part of chunks(ids)) await trx(table).whereIn('node_id', part).delete()
}

/** Ids of these groups; those that do not exist are made. */
async function groupIds(trx: Knex.Transaction, db: Database, names: ReadonlySet<string>): Promise<Map<string, number>> {
  const ids = new Map<string, number>()
  // In one order everywhere, so that two at once wait for each other instead of locking each other out.
  const sorted = [...names].sort()
  const read = async (sought: readonly string[]) => {
    for (const part of chunks(sought)) {
      const rows: { id: number; name: string }[] = await trx('node_groups').whereIn('name', part).select('id', 'name')
      for (const row of rows) ids.set(row.name, row.id)
    }
  }
  await read(sorted)
  const missing = sorted.filter((name) => !ids.has(name))
  for (const part of chunks(missing, insertRows)) {
    await trx('node_groups')
      .insert(part.map((name) => ({ name, created_at: trx.raw(db.now) })))
      .onConflict('name')
      .ignore()
  }
  if (missing.length > 0) await read(missing)
  return ids
}

const same = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((entry, i) => entry === b[i])

const sameEndpoints = (a: readonly EndpointRow[], b: readonly EndpointRow[]): boolean =>
  a.length === b.length &&
  a.every((row, i) => {
    const other = b[i]!
    return (
      row.name === other.name &&
      row.protocol === other.protocol &&
      row.address === other.address &&
      row.port === other.port &&
      row.meta === other.meta
    )
  })
