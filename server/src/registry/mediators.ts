import type { Database } from '../store/database.js'

/** A mediator process, as it stands in the database. */
export interface MediatorRecord {
  /** 32 hex digits, new with each process. */
  readonly instance: string
  /** The machine, or the container: process ids mean something within it. */
  readonly host: string
  readonly pid: number
  readonly url: string
}

/** How long a row counts that is not renewed, ms. */
export const leaseMs = 5_000
/** There is room for one mediator on a database. */
const slot = 1

interface Row {
  readonly instance: string
  readonly host: string
  readonly pid: number
  readonly url: string
  readonly age: number | string
}

/**
 * Takes the slot, unless another mediator holds it.
 * @param isGone whether a process of a row that still counts is known to have ended
 * @returns the mediator that holds the slot, or undefined: it is ours now
 */
export function takeSlot(
  db: Database,
  own: MediatorRecord,
  isGone: (other: MediatorRecord) => boolean,
): Promise<MediatorRecord | undefined> {
  const { instance, host, pid, url } = own
  return db.transaction(async (trx) => {
    const now = trx.raw(db.now)
    // First a write, so that two that start at once wait for each other here.
    await trx('mediators').where({ slot, instance }).delete()
    const row: Row | undefined = await trx('mediators')
      .where({ slot })
      .forUpdate()
      .first('instance', 'host', 'pid', 'url', trx.raw(`${db.now} - renewed_at AS age`))
    if (row && Number(row.age) < leaseMs && !isGone(row)) {
      return { instance: row.instance, host: row.host, pid: row.pid, url: row.url }
    }
    if (row) await trx('mediators').where({ slot, instance: row.instance }).delete()
    await trx('mediators').insert({ slot, instance, host, pid, url, since: now, renewed_at: now })
    return undefined
  })
}

/** Renews the row. @returns false where it is not there any more: another mediator has taken the slot */
export async function renewSlot(db: Database, instance: string): Promise<boolean> {
  const changed = await db.query((knex) =>
    knex('mediators')
      .where({ slot, instance })
      .update({ renewed_at: knex.raw(db.now) }),
  )
  return changed === 1
}

/** Gives the slot back. */
export async function leaveSlot(db: Database, instance: string): Promise<void> {
  await db.query((knex) => knex('mediators').where({ slot, instance }).delete())
}
