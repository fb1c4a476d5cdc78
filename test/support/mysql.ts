import { randomBytes } from 'node:crypto'
import { createConnection, type RowDataPacket } from 'mysql2/promise'

export interface MysqlSchema {
  /** For DATABASE_URL: this schema, with a user who may do everything in it. */
  readonly url: string
  /** Statements of the test's own, past the registry. */
  query(sql: string, values?: readonly (string | number)[]): Promise<RowDataPacket[]>
  drop(): Promise<void>
}

/** The server that `make test` found or started. There is no test without it. */
export function mysqlServerUrl(): URL {
  const url = process.env.TEST_MYSQL_URL
  if (!url) throw new Error('TEST_MYSQL_URL is not set: run `make test` (or `node test/run.mjs <path>`), which sets it')
  return new URL(url)
}

/** An empty schema of its own on the test server. `drop()` it at the end. */
export async function mysqlSchema(): Promise<MysqlSchema> {
  const url = mysqlServerUrl()
  const name = `sealway_test_${randomBytes(6).toString('hex')}`
  const connection = await createConnection({
    host: url.hostname,
    port: Number(url.port || 3306),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    connectTimeout: 10_000,
  })
  await connection.query(`CREATE DATABASE ${name}`)
  await connection.query(`USE ${name}`)
  url.pathname = `/${name}`
  return {
    url: url.href,
    async query(sql, values = []) {
      const [rows] = await connection.query<RowDataPacket[]>(sql, [...values])
      return rows
    },
    async drop() {
      await connection.query(`DROP DATABASE ${name}`)
      await connection.end()
    },
  }
}
