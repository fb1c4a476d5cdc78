// knex ships these two classes without types. Only what the subclasses here touch is declared.

declare module 'knex/lib/dialects/better-sqlite3/index.js' {
  import type { Knex } from 'knex'
  export default class BetterSqlite3Client extends Knex.Client {
    _driver(): unknown
    _query(connection: unknown, query: unknown): Promise<unknown>
    transaction(...args: unknown[]): Knex.Transaction
  }
}

declare module 'knex/lib/dialects/mysql2/index.js' {
  import type { Knex } from 'knex'
  export default class Mysql2Client extends Knex.Client {
    _query(connection: unknown, query: unknown): Promise<unknown>
  }
}
