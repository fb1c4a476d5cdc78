import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Log, silentLog } from '../../server/src/observe/log.js'
import { type Database, openDatabase } from '../../server/src/store/database.js'
import { mysqlSchema } from './mysql.js'
import { patienceMs } from './patience.js'

/** An empty database of one kind, which a test file has to itself. */
export interface TestDatabase {
  readonly url: string
  /**
   * Another connection pool on the same database, as a second mediator would have, but one that waits longer than that
   * would: how fast the machine is, is not what tests are about. Closed by `drop()`.
   */
  open(log?: Log): Promise<Database>
  drop(): Promise<void>
}

export async function sqliteDatabase(): Promise<TestDatabase> {
  const folder = mkdtempSync(join(tmpdir(), 'sealway-sqlite-'))
  return testDatabase(`sqlite:${join(folder, 'test.sqlite')}`, async () => {
    rmSync(folder, { recursive: true, force: true })
  })
}

export async function mysqlDatabase(): Promise<TestDatabase> {
  const schema = await mysqlSchema()
  return testDatabase(schema.url, () => schema.drop())
}

/** Both kinds: what a contract suite runs on. */
export const databases = [
  ['SQLite', sqliteDatabase],
  ['MySQL', mysqlDatabase],
] as const

function testDatabase(url: string, remove: () => Promise<void>): TestDatabase {
  const opened: Database[] = []
  return {
    url,
    async open(log = silentLog) {
      const db = await openDatabase(url, log, { connectMs: patienceMs, queryMs: patienceMs })
      opened.push(db)
      return db
    },
    async drop() {
      await Promise.all(opened.map((db) => db.close()))
      await remove()
    },
  }
}

const tables = [
  'node_groups',
  'nodes',
  'memberships',
  'endpoints',
  'revocations',
  'audit',
  'policies',
  'mediators',
] as const

/** Every row of every table, for "nothing was changed". */
export async function allRows(db: Database): Promise<Record<string, unknown[]>> {
  const rows: Record<string, unknown[]> = {}
  for (const table of tables) rows[table] = await db.knex(table).select().orderByRaw('1, 2')
  return rows
}

/** Takes every row away, so that each test begins with an empty registry. */
export async function emptyTables(db: Database): Promise<void> {
  for (const table of [...tables].reverse()) await db.knex(table).delete()
}
