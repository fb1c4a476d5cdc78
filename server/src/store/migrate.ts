import { SealwayError } from '@sealway/protocol'
import type { Knex } from 'knex'
import { type Migration, migrations } from '#migrations'
import type { Database } from './database.js'
import { storageError } from './storage-error.js'

/** Names of the steps that this database has taken. */
const table = 'sealway_migrations'

/**
 * Brings the database up to this program. Safe when several processes start at once: one migrates, the others wait.
 * SQLite takes all steps or none; MySQL commits each one, and a killed one is taken again from its beginning.
 * @returns the names of the steps that were taken
 * @throws SealwayError `CONFLICT` where another process does not finish, `CONFIG_INVALID` where the database is newer
 */
export async function migrate(db: Database): Promise<string[]> {
  if ((await pendingMigrations(db)).length === 0) return []
  return alone(db, async (trx) => {
    if (!(await trx.schema.hasTable(table))) {
      await trx.schema.createTable(table, (columns) => {
        columns.string('name', 128).notNullable().primary()
        columns.bigInteger('at').notNullable()
      })
    }
    const pending = pendingAfter(await namesIn(trx), db)
    for (const migration of pending) {
      await migration.up(trx)
      await trx(table).insert({ name: migration.name, at: trx.raw(db.now) })
      db.log.info({ database: db.shown, migration: migration.name }, 'migrated')
    }
    return pending.map((migration) => migration.name)
  })
}

/** Takes back the last `steps` steps, all of them unless given; their rows are gone. @returns their names */
export async function migrateDown(db: Database, steps = migrations.length): Promise<string[]> {
  return alone(db, async (trx) => {
    const done = await namesIn(trx)
    pendingAfter(done, db)
    const back = migrations.filter((migration) => done.includes(migration.name)).reverse()
    const taken = back.slice(0, steps)
    for (const migration of taken) {
      await migration.down(trx)
      await trx(table).where({ name: migration.name }).delete()
      db.log.info({ database: db.shown, migration: migration.name }, 'migration taken back')
    }
    return taken.map((migration) => migration.name)
  })
}

/** Names of steps that this program has and the database has not. @throws SealwayError */
export async function pendingMigrations(db: Database): Promise<string[]> {
  const done = await db.query(namesIn)
  return pendingAfter(done, db).map((migration) => migration.name)
}

/** @throws SealwayError `MIGRATION_PENDING` */
export async function requireMigrated(db: Database): Promise<void> {
  const pending = await pendingMigrations(db)
  if (pending.length === 0) return
  throw new SealwayError('MIGRATION_PENDING', {
    message: `the database (${db.shown}) lacks ${pending.join(', ')}: run \`sealway migrate\``,
    outcome: 'not-delivered',
  })
}

async function namesIn(knex: Knex): Promise<string[]> {
  if (!(await knex.schema.hasTable(table))) return []
  const rows: { name: string }[] = await knex(table).select('name')
  return rows.map((row) => row.name)
}

function pendingAfter(done: readonly string[], db: Database): Migration[] {
  const unknown = done.filter((name) => !migrations.some((migration) => migration.name === name))
  if (unknown.length > 0) {
    throw new SealwayError('CONFIG_INVALID', {
      message: `the database (${db.shown}) was made by a newer Sealway: this one does not know ${unknown.join(', ')}`,
      outcome: 'not-delivered',
    })
  }
  return migrations.filter((migration) => !done.includes(migration.name))
}

/** The lock of MySQL's session: gone with a killed process, unlike a row that says "locked". 4 s are below the limit of a statement. */
const mysqlLock = "CONCAT('sealway ', MD5(DATABASE()))"
const lockTries = 4

/** One migrating process at a time. In SQLite a transaction is that already. */
async function alone<T>(db: Database, work: (trx: Knex.Transaction) => Promise<T>): Promise<T> {
  try {
    return await db.knex.transaction(async (trx) => {
      if (db.type === 'sqlite') return work(trx)
      await lock(trx, db)
      try {
        return await work(trx)
      } finally {
        await trx.raw(`SELECT RELEASE_LOCK(${mysqlLock})`)
      }
    })
  } catch (cause) {
    throw storageError(cause, db.shown, 'unknown')
  }
}

async function lock(trx: Knex.Transaction, db: Database): Promise<void> {
  for (let i = 0; i < lockTries; i++) {
    const [[row]] = (await trx.raw(`SELECT GET_LOCK(${mysqlLock}, 4) AS got`)) as [[{ got: number | null }]]
    if (row.got === 1) return
  }
  throw new SealwayError('CONFLICT', {
    message: `another process has been migrating the database (${db.shown}) for ${lockTries * 4} s: wait for it to end`,
    outcome: 'not-delivered',
  })
}
