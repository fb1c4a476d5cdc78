import { createTable, type Migration } from './migration.js'

/** Tokens that are refused although they are not expired, by their id (`jti`); never the token itself. */
export const revocations: Migration = {
  name: '0002-revocations',

  async up(knex) {
    await createTable(knex, 'revocations', (table) => {
      table.string('token_id', 128).notNullable().primary()
      // The row may go once the token would have expired by itself.
      table.bigInteger('expires_at').notNullable().index('revocations_expires_at')
      table.bigInteger('revoked_at').notNullable()
    })
  },

  async down(knex) {
    await knex.schema.dropTableIfExists('revocations')
  },
}
