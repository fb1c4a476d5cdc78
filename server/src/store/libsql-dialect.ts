/// <reference path="./knex-dialects.d.ts" />
import BetterSqlite3Client from 'knex/lib/dialects/better-sqlite3/index.js'
import Libsql from 'libsql'

/** What is used of a libsql connection. Every call is synchronous: it holds up the event loop until it is done. */
export interface SqliteConnection {
  readonly inTransaction: boolean
  /** Set: the pool closes it instead of handing it out again. */
  __knex__disposed?: unknown
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
const busyTimeoutMs = 5
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
    switch (query.sql) {
      case 'BEGIN;':
        await begin(connection)
        return query
      case 'COMMIT;':
        commit(connection)
        return query
      case 'ROLLBACK':
        rollback(connection)
        return query
    }
    const bindings = bindable(query.bindings ?? [])
    const statement = connection.prepare(query.sql)
    if (statement.reader) {
      query.response = read(connection, () => statement.all(bindings))
      return query
    }
    const alone = !connection.inTransaction
    if (alone) await begin(connection)
    try {
      const result = statement.run(bindings)
      query.response = result
      query.context = { lastID: result.lastInsertRowid, changes: result.changes }
      if (alone) commit(connection)
    } catch (error) {
      if (alone) rollback(connection)
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

/**
 * Takes the lock for writing at once: a transaction that begins by reading cannot always go on to write
 * (SQLITE_BUSY_SNAPSHOT), and each of ours writes. Once it has the lock, none of its statements is ever busy.
 * By `exec`, since a prepared statement that was busy stays in progress in libsql, and no later commit would succeed.
 */
async function begin(connection: SqliteConnection): Promise<void> {
  const giveUpAt = performance.now() + lockWaitMs
  for (;;) {
    try {
      connection.exec('BEGIN IMMEDIATE')
      return
    } catch (error) {
      if (!isBusy(error) || performance.now() > giveUpAt) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, 1 + Math.random() * 10))
  }
}

function commit(connection: SqliteConnection): void {
  try {
    connection.exec('COMMIT')
  } catch (error) {
    // It leaves the transaction open, and knex would hand this connection to the next caller as it is.
    rollback(connection)
    throw error
  }
}

function rollback(connection: SqliteConnection): void {
  // Where the disk is full SQLite has rolled back by itself; an error here would hide that reason.
  if (connection.inTransaction) connection.exec('ROLLBACK')
}

function read<T>(connection: SqliteConnection, run: () => T): T {
  try {
    return run()
  } catch (error) {
    // Still in progress (see `begin`), and so of no more use.
    if (isBusy(error)) connection.__knex__disposed = error
    throw error
  }
}

const isBusy = (error: unknown): boolean => String((error as { code?: unknown }).code).startsWith('SQLITE_BUSY')

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
