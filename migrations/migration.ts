import type { Knex } from 'knex'

/** One step of the schema. Runs on SQLite and on MySQL or MariaDB; imports nothing of the server. */
export interface Migration {
  /** As recorded in the database: never renamed once released. */
  readonly name: string
  up(knex: Knex): Promise<void>
  down(knex: Knex): Promise<void>
}

/**
 * MySQL commits each statement of a schema by itself, so a step that was killed half-way is run again from its
 * beginning: what exists already is left alone.
 */
export async function createTable(
  knex: Knex,
  name: string,
  columns: (table: Knex.CreateTableBuilder) => void,
): Promise<void> {
  if (await knex.schema.hasTable(name)) return
  await knex.schema.createTable(name, (table) => {
    if (isMysql(knex)) {
      table.engine('InnoDB')
      table.charset('utf8mb4')
      // Byte by byte: under the server's default, "a" and "A" would be one name, and so would "e" and "é".
      table.collate('utf8mb4_bin')
    }
    columns(table)
  })
}

const isMysql = (knex: Knex): boolean => knex.client.dialect === 'mysql'
