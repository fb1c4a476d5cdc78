import { setTimeout as delay } from 'node:timers/promises'
import knexPackage, { type Knex } from 'knex'
import type { Log } from '../observe/log.js'
import { LibsqlClient, prepareSqlite, type SqliteConnection } from './libsql-dialect.js'
import { type Location, parseLocation } from './location.js'
import { type MysqlConnection, mysqlClient, prepareMysql } from './mysql-dialect.js'
import { openError } from './open-error.js'
import { isTransient, storageError } from './storage-error.js'

/** An open database. What it throws is SealwayError throughout. */
export interface Database {
  readonly type: Location['type']
  /** File, or host, port and database: for people. Never the password. */
  readonly shown: string
  /** SQL for the database's own clock: ms since 1970. */
  readonly now: string
  readonly log: Log
  readonly knex: Knex
  /** Runs statements that stand alone. @throws SealwayError */
  query<T>(work: (knex: Knex) => Promise<T>): Promise<T>
  /**
   * Runs statements together or not at all; again, up to ten times, where the database chose this one to give way.
   * An error's `outcome` is `not-delivered` unless the commit itself failed.
   * @throws SealwayError
   */
  transaction<T>(work: (trx: Knex.Transaction) => Promise<T>): Promise<T>
  close(): Promise<void>
}

/** The longest waits, ms. */
export interface DatabaseWaits {
  /** For a connection: of the pool, and for a new one to be made. */
  readonly connectMs: number
  /** For the answer to one statement. */
  readonly queryMs: number
}

/** New registrations wait 5 s, then they are refused (SEMANTICS.md). */
const defaultWaits: DatabaseWaits = { connectMs: 5_000, queryMs: 5_000 }

const maxConnections = 10
const maxAttempts = 10

// A CommonJS package, of which Node sees the default export only; it carries itself under this name.
const createKnex = knexPackage.knex

const clocks = {
  sqlite: "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
  mysql: 'CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED)',
} as const

/**
 * @param url `sqlite:./sealway.sqlite`, `sqlite::memory:` or `mysql://user:password@host:port/database`
 * @throws SealwayError `CONFIG_INVALID` or `DATABASE_UNREACHABLE`, saying what to do; never the password
 */
export async function openDatabase(url: string, log: Log, waits: DatabaseWaits = defaultWaits): Promise<Database> {
  const location = parseLocation(url)
  const knex = createKnex({
    ...(location.type === 'sqlite' ? sqliteConfig(location) : mysqlConfig(location, waits)),
    acquireConnectionTimeout: waits.connectMs,
    // Values of a statement that failed stay out of the error's text, and so out of the log.
    compileSqlOnError: false,
    log: knexLog(log, location.shown),
  })
  try {
    await knex.raw('SELECT 1')
  } catch (cause) {
    await knex.destroy()
    throw openError(cause, location)
  }
  return databaseOn(knex, location, log)
}

function databaseOn(knex: Knex, location: Location, log: Log): Database {
  const { type, shown } = location
  return {
    type,
    shown,
    now: clocks[type],
    log,
    knex,

    async query(work) {
      try {
        return await work(knex)
      } catch (cause) {
        throw storageError(cause, shown, 'unknown')
      }
    },

    async transaction(work) {
      for (let attempt = 1; ; attempt++) {
        // knex reports what became of the rollback in place of what made it necessary.
        let reason: { readonly cause: unknown } | undefined
        let committing = false
        try {
          return await knex.transaction(async (trx) => {
            try {
              const result = await work(trx)
              committing = true
              return result
            } catch (cause) {
              reason = { cause }
              throw cause
            }
          })
        } catch (error) {
          const cause = reason ? reason.cause : error
          if (committing || !isTransient(cause) || attempt === maxAttempts) {
            throw storageError(cause, shown, committing ? 'unknown' : 'not-delivered')
          }
          log.debug({ database: shown, attempt }, 'transaction gave way and is run again')
          await delay(attempt * 5 * (1 + Math.random()))
        }
      }
    },

    async close() {
      await knex.destroy()
    },
  }
}

function sqliteConfig(location: Location & { type: 'sqlite' }): Knex.Config {
  return {
    client: LibsqlClient as typeof Knex.Client,
    connection: { filename: location.file },
    useNullAsDefault: true,
    pool: {
      // One connection: a second could only wait for the first, and `:memory:` lives in its connection.
      min: 1,
      max: 1,
      afterCreate(connection: SqliteConnection, done: (error: unknown, connection: unknown) => void) {
        try {
          prepareSqlite(connection)
          done(null, connection)
        } catch (error) {
          done(error, connection)
        }
      },
    },
  }
}

function mysqlConfig(location: Location & { type: 'mysql' }, waits: DatabaseWaits): Knex.Config {
  return {
    client: mysqlClient(waits.queryMs),
    connection: {
      host: location.host,
      port: location.port,
      user: location.user,
      password: location.password,
      database: location.database,
      charset: 'utf8mb4',
      connectTimeout: waits.connectMs,
      multipleStatements: false,
      // BIGINT as a number: ms since 1970 stay far below 2^53.
      supportBigNumbers: true,
      bigNumberStrings: false,
      ...(location.tls ? { ssl: { rejectUnauthorized: true } } : {}),
    },
    pool: {
      min: 0,
      max: maxConnections,
      createTimeoutMillis: waits.connectMs,
      destroyTimeoutMillis: waits.connectMs,
      idleTimeoutMillis: 30_000,
      afterCreate(connection: MysqlConnection, done: (error: unknown, connection: unknown) => void) {
        prepareMysql(connection, waits.queryMs).then(
          () => done(null, connection),
          (error: unknown) => done(error, connection),
        )
      },
    },
  }
}

/** knex warns of each connection that fails, with a stack; the error itself reaches the caller anyhow. */
function knexLog(log: Log, shown: string) {
  const debug = (text: unknown) => log.debug({ database: shown, text: String(text).split('\n')[0] }, 'knex')
  return { debug, warn: debug, error: debug, deprecate: debug }
}
