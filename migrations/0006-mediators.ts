import { createTable, type Migration } from './migration.js'

/** Mediators that use this database. Each holds a slot while it renews its row; there is one slot so far. */
export const mediators: Migration = {
  name: '0006-mediators',

  async up(knex) {
    await createTable(knex, 'mediators', (table) => {
      table.increments('id')
      table.integer('slot').notNullable()
      table.string('instance', 32).notNullable()
      table.string('host', 255).notNullable()
      table.integer('pid').notNullable()
      table.string('url', 255).notNullable()
      table.bigInteger('since').notNullable()
      // By the database's clock: those of two machines may differ.
      table.bigInteger('renewed_at').notNullable()
      table.unique(['slot'], { indexName: 'mediators_slot' })
    })
  },

  async down(knex) {
    await knex.schema.dropTableIfExists('mediators')
  },
}
