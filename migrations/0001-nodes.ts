import { createTable, type Migration } from './migration.js'

/**
 * Who is registered. Times are ms since 1970 by the database's clock; JSON is text.
 * Lengths are those of the protocol: names 64, addresses 255, a client's name 100, instance 32 hex digits.
 * No column can hold a payload key, and none is to be added that could.
 */
export const nodes: Migration = {
  name: '0001-nodes',

  async up(knex) {
    // Not `groups`: a reserved word since MySQL 8.
    await createTable(knex, 'node_groups', (table) => {
      table.increments('id')
      table.string('name', 64).notNullable().unique({ indexName: 'node_groups_name' })
      table.bigInteger('created_at').notNullable()
    })
    await createTable(knex, 'nodes', (table) => {
      table.increments('id')
      table.string('name', 64).notNullable().unique({ indexName: 'nodes_name' })
      // How often the name was claimed: what claims are compared and swapped on.
      table.integer('epoch').unsigned().notNullable().defaultTo(0)
      table.string('instance', 32)
      table.smallint('online').notNullable().defaultTo(0)
      table.string('transport', 16)
      table.string('address', 255)
      table.string('client', 100)
      table.text('meta')
      table.bigInteger('since')
      table.bigInteger('last_seen')
      table.bigInteger('created_at').notNullable()
      // What eviction looks for.
      table.index(['online', 'last_seen'], 'nodes_online_last_seen')
    })
    await createTable(knex, 'memberships', (table) => {
      table.integer('node_id').unsigned().notNullable()
      table.integer('group_id').unsigned().notNullable()
      // The order in which the node named its groups.
      table.smallint('position').notNullable()
      table.primary(['node_id', 'group_id'])
      table.index(['group_id'], 'memberships_group')
      table.foreign('node_id', 'memberships_node_fk').references('nodes.id').onDelete('CASCADE')
      table.foreign('group_id', 'memberships_group_fk').references('node_groups.id').onDelete('CASCADE')
    })
    await createTable(knex, 'endpoints', (table) => {
      table.integer('node_id').unsigned().notNullable()
      table.string('name', 64).notNullable()
      table.smallint('position').notNullable()
      table.string('protocol', 32).notNullable()
      table.string('address', 255).notNullable()
      table.integer('port').unsigned().notNullable()
      table.text('meta')
      table.primary(['node_id', 'name'])
      table.foreign('node_id', 'endpoints_node_fk').references('nodes.id').onDelete('CASCADE')
    })
  },

  async down(knex) {
    for (const table of ['endpoints', 'memberships', 'nodes', 'node_groups']) await knex.schema.dropTableIfExists(table)
  },
}
