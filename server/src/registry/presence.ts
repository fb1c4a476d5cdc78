import type { Knex } from 'knex'
import type { Database } from '../store/database.js'
import { record, soughtName, whole } from './admit.js'
import { writeAudit } from './audit-trail.js'
import { chunks } from './rows.js'

/** One claim of a name: what a link holds while it lives. */
export interface Held {
  readonly name: string
  readonly epoch: number
  /** At its release: the node said that it leaves. */
  readonly leaves?: boolean
}

export const admitHeld = (held: Held): Held | undefined => {
  record(held, 'a name and its epoch')
  const name = soughtName(held.name)
  const epoch = whole(held.epoch, 'epoch')
  return name === undefined ? undefined : { name, epoch }
}

/** Marks those offline whose epoch is still this one. */
export async function releaseHeld(trx: Knex.Transaction, db: Database, held: readonly Held[]): Promise<void> {
  for (const part of chunks(inOrder(held))) {
    await heldRows(trx, part)
      .where({ online: 1 })
      .update({ online: 0, last_seen: trx.raw(db.now) })
  }
  for (const part of chunks(inOrder(held.filter(({ leaves }) => leaves)))) {
    await heldRows(trx, part).where({ online: 0, nameless: 1 }).delete()
  }
}

export async function touchHeld(db: Database, held: readonly Held[]): Promise<void> {
  for (const part of chunks(inOrder(held))) {
    await db.transaction(async (trx) => {
      await heldRows(trx, part).update({ last_seen: trx.raw(db.now) })
    })
  }
}

/** Rows that a killed mediator left online. Last seen stays: nobody knows when they went. */
export const releaseAll = (db: Database): Promise<number> =>
  db.transaction((trx) => trx('nodes').where({ online: 1 }).update({ online: 0 }))

/**
 * Removes nodes that are offline and were last seen longer ago than this, and nameless ones than that. Never one that is
 * online, and never one that never connected: an operator put it there, and takes it away.
 */
export async function evict(db: Database, unseenMs: number, namelessMs: number): Promise<string[]> {
  return [...(await evictAll(db, { nameless: 1 }, namelessMs)), ...(await evictAll(db, {}, unseenMs))]
}

async function evictAll(db: Database, which: { readonly nameless?: 1 }, unseenMs: number): Promise<string[]> {
  const evicted: string[] = []
  for (;;) {
    const names = await db.transaction((trx) => evictSome(trx, db, which, unseenMs))
    evicted.push(...names)
    if (names.length < evictRows) return evicted
  }
}

/** Rows of one transaction, so that claims get their turn between. */
const evictRows = 500

async function evictSome(
  trx: Knex.Transaction,
  db: Database,
  which: { readonly nameless?: 1 },
  unseenMs: number,
): Promise<string[]> {
  const rows: { id: number; name: string }[] = await trx('nodes')
    .where({ ...which, online: 0 })
    .where('last_seen', '<', trx.raw(`${db.now} - ?`, [unseenMs]))
    .orderBy('id')
    .limit(evictRows)
    .forUpdate()
    .select('id', 'name')
  if (rows.length === 0) return []
  await trx('nodes')
    .whereIn(
      'id',
      rows.map((row) => row.id),
    )
    .delete()
  // A name that nobody chose means nothing to who reads the trail.
  if (!which.nameless) {
    await writeAudit(
      trx,
      db,
      rows.map((row) => ({ actor: 'mediator', action: 'evict', subject: row.name, detail: { unseenMs } })),
    )
  }
  return rows.map((row) => row.name)
}

const heldRows = (trx: Knex.Transaction, held: readonly Held[]) =>
  trx('nodes')
    // The pairs decide; the names alone are what the index finds them by.
    .whereIn(
      'name',
      held.map(({ name }) => name),
    )
    .whereIn(
      ['name', 'epoch'],
      held.map(({ name, epoch }) => [name, epoch]),
    )

/** One order everywhere, so that two statements wait for each other instead of deadlocking. */
const inOrder = (held: readonly Held[]): Held[] => [...held].sort((a, b) => (a.name < b.name ? -1 : 1))
