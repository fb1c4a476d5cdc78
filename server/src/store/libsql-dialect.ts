/// <reference path="./knex-dialects.d.ts" />
import BetterSqlite3Client from 'knex/lib/dialects/better-sqlite3/index.js'
import Libsql from 'libsql'

/** What is used of a libsql connection. Every call is synchronous: it holds up the event loop until it is done. */
export interface SqliteConnection {
  readonly inTransaction: boolean
  exec(sql: string): void
  prepare(sql: string): {
    readonly reader: boolean
    all(bindings: readonly unknown[]): unknown[]
    run(bindings: readonly unknown[]): { readonly changes: number; readonly lastInsertRowid: number }
  }
}

interface Query {
  readonly sql: string
  readonly bindings?: readonly unknown[]
  response?: unknown
  context?: unknown
}

/**
 * How long a statement waits inside SQLite for another process' lock, ms. Short, because nothing else runs meanwhile;
 * the rest of the wait is spent outside, where links go on.
 */
const busyTimeoutMs = 20
/** How long it waits all in all before `SQLITE_BUSY` is reported, ms. */
const lockWaitMs = 5_000

/**
 * knex's better-sqlite3 dialect on libsql, which has the same interface and needs no compiler at install.
 * State is kept in no field: knex copies the prototype alone into a transaction's client.
 */
export class LibsqlClient extends BetterSqlite3Client {
  override _driver(): unknown {
    return Libsql
  }

  override async _query(rawConnection: unknown, rawQuery: unknown): Promise<unknown> {
    const connection = rawConnection as SqliteConnection
    const query = rawQuery as Query
    const bindings = bindable(query.bindings ?? [])
    const sql = statementFor(query.sql, connection)
    const run = () => {
      const statement = connection.prepare(sql)
      if (statement.reader) {
        query.response = statement.all(bindings)
      } else {
        const result = statement.run(bindings)
        query.response = result
        query.context = { lastID: result.lastInsertRowid, changes: result.changes }
      }
    }
    try {
      await withLock(connection, run)
    } catch (error) {
      // A commit that failed leaves the transaction open (sqlite.org/lang_transaction.html), and knex
      // would hand this connection to the next caller as it is.
      if (sql === 'COMMIT;' && connection.inTransaction) connection.exec('ROLLBACK')
      throw error
    }
    return query
  }
}

/** Sets up a new connection. @throws what SQLite says where the file is not a database, or cannot be written */
export function prepareSqlite(connection: SqliteConnection): void {
  connection.exec('PRAGMA busy_timeout = 5000')
  connection.exec('PRAGMA journal_mode = WAL')
  // A WAL database opens with NORMAL: commits would survive kill -9, but not a loss of power (RELIABILITY F8).
  connection.exec('PRAGMA synchronous = FULL')
  connection.exec('PRAGMA foreign_keys = ON')
  connection.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`)
}

function statementFor(sql: string, connection: SqliteConnection): string {
  // A transaction that begins by reading cannot always go on to write (SQLITE_BUSY_SNAPSHOT); each of ours writes.
  if (sql === 'BEGIN;') return 'BEGIN IMMEDIATE;'
  // SQLite rolls back by itself when the disk is full; a second rollback would hide the reason.
  if (sql === 'ROLLBACK' && !connection.inTransaction) return 'SELECT 1'
  return sql
}

async function withLock(connection: SqliteConnection, run: () => void): Promise<void> {
  const giveUpAt = performance.now() + lockWaitMs
  for (;;) {
    try {
      run()
      return
    } catch (error) {
      const busy = (error as { code?: unknown }).code === 'SQLITE_BUSY'
      if (!busy || connection.inTransaction || performance.now() > giveUpAt) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, 1 + Math.random() * 10))
  }
}

/** libsql ends the process when it is handed a boolean, and cuts a text at its first NUL. */
function bindable(bindings: readonly unknown[]): unknown[] {
  return bindings.map((value) => {
    if (typeof value === 'boolean') return Number(value)
    if (value === null || value === undefined || typeof value === 'number' || value instanceof Uint8Array) return value
    if (typeof value === 'string' && !value.includes('\0')) return value
    if (value instanceof Date) return value.getTime()
    throw new TypeError(`a ${typeof value === 'string' ? 'text with a NUL' : typeof value} cannot be stored`)
  })
}
