import type { Migration } from './migration.js'

/**
 * Which nodes were given no name by anybody: none asks for them when they have left, so they are forgotten sooner. Those
 * that are there already count as named.
 */
export const nameless: Migration = {
  name: '0005-nameless',

  async up(knex) {
    if (await knex.schema.hasColumn('nodes', 'nameless')) return
    await knex.schema.alterTable('nodes', (table) => {
      table.smallint('nameless').notNullable().defaultTo(0)
    })
  },

  async down(knex) {
    if (!(await knex.schema.hasColumn('nodes', 'nameless'))) return
    // By hand: on SQLite knex would make the table anew, and drop the old one with all that refers to it.
    await knex.raw('ALTER TABLE nodes DROP COLUMN nameless')
  },
}
