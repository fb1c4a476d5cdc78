import { createTable, type Migration } from './migration.js'

/** Who changed what, and when. Rows are only ever added. */
export const audit: Migration = {
  name: '0003-audit',

  async up(knex) {
    await createTable(knex, 'audit', (table) => {
      table.increments('id')
      table.bigInteger('at').notNullable()
      table.string('actor', 128).notNullable()
      table.string('action', 64).notNullable()
      table.string('subject', 255).notNullable()
      table.text('detail')
    })
  },

  async down(knex) {
    await knex.schema.dropTableIfExists('audit')
  },
}
