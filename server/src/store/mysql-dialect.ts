/// <reference path="./knex-dialects.d.ts" />
import type { Knex } from 'knex'
import Mysql2Client from 'knex/lib/dialects/mysql2/index.js'
import { queryTimeoutCode } from './storage-error.js'

/** What is used of a mysql2 connection. */
export interface MysqlConnection {
  query(sql: string, done: (error: Error | null) => void): void
  destroy(): void
  __knex__disposed?: unknown
}

/** Changes of the schema may take longer than any statement of the registry, ms. */
const schemaTimeoutMs = 120_000

/** For a connection to be closed in order, ms; then it is cut. */
const goodbyeMs = 500

/** knex's mysql2 dialect with a limit on every statement, BEGIN and COMMIT included. */
export const mysqlClient = (queryTimeoutMs: number): typeof Knex.Client =>
  class MysqlClient extends Mysql2Client {
    override async _query(rawConnection: unknown, query: unknown): Promise<unknown> {
      const connection = rawConnection as MysqlConnection
      const sql = typeof query === 'string' ? query : (query as { sql: string }).sql
      const limitMs = /^(?:create|alter|drop)\s/i.test(sql) ? schemaTimeoutMs : queryTimeoutMs
      let timer: NodeJS.Timeout | undefined
      const tooLate = new Promise<never>((_, reject) => {
        timer = setTimeout(() => {
          const error = noAnswer(limitMs)
          // What it may still answer belongs to nobody: the connection goes, and with it what it had begun.
          connection.__knex__disposed = error
          connection.destroy()
          reject(error)
        }, limitMs)
      })
      try {
        return await Promise.race([super._query(connection, query), tooLate])
      } finally {
        clearTimeout(timer)
      }
    }

    /** Says goodbye, and does not wait for the answer: a server that hangs must not keep this process from ending. */
    override async destroyRawConnection(rawConnection: unknown): Promise<void> {
      const connection = rawConnection as MysqlConnection
      let timer: NodeJS.Timeout | undefined
      const tooLate = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, goodbyeMs)
      })
      await Promise.race([super.destroyRawConnection(connection), tooLate])
      clearTimeout(timer)
      connection.destroy()
    }
  }

const noAnswer = (limitMs: number) =>
  Object.assign(new Error(`no answer within ${limitMs / 1_000} s`), { code: queryTimeoutCode })

/** What a session begins with. */
const sessionStatements = [
  // UNIX_TIMESTAMP(NOW()) is off by an hour once a year anywhere else.
  "SET SESSION time_zone = '+00:00'",
  // Data that does not fit is an error, and never cut.
  "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO'",
  // Below the limit of a statement, so that the database can still say what happened.
  'SET SESSION innodb_lock_wait_timeout = 4',
  // Compare-and-swap must see what is committed now, not what was when the transaction began; and no gap locks.
  'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED',
]

/** @throws the driver's error, or one of code {@link queryTimeoutCode} */
export function prepareMysql(connection: MysqlConnection, queryTimeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      connection.destroy()
      reject(noAnswer(queryTimeoutMs))
    }, queryTimeoutMs)
    const next = (i: number) => {
      const statement = sessionStatements[i]
      if (statement === undefined) {
        clearTimeout(timer)
        resolve()
        return
      }
      connection.query(statement, (error) => {
        if (!error) return next(i + 1)
        clearTimeout(timer)
        reject(error)
      })
    }
    next(0)
  })
}
