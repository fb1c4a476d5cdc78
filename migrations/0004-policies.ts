import { createTable, type Migration } from './migration.js'

/** What operators have decided about the traffic to a target: timeout, retries and the like, as JSON. */
export const policies: Migration = {
  name: '0004-policies',

  async up(knex) {
    await createTable(knex, 'policies', (table) => {
      table.increments('id')
      // A name of 64 characters behind "group:".
      table.string('target', 80).notNullable()
      // Empty: all actions. Not null, because a unique index takes any number of nulls.
      table.string('action', 255).notNullable()
      table.text('settings').notNullable()
      table.bigInteger('updated_at').notNullable()
      table.string('updated_by', 128).notNullable()
      table.unique(['target', 'action'], { indexName: 'policies_target_action' })
    })
  },

  async down(knex) {
    await knex.schema.dropTableIfExists('policies')
  },
}
