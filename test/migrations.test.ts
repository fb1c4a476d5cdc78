import { migrations } from '#migrations'
import type { Log } from '../server/src/observe/log.js'
import { createRegistry } from '../server/src/registry/create-registry.js'
import type { Database } from '../server/src/store/database.js'
import { migrate, migrateDown, pendingMigrations, requireMigrated } from '../server/src/store/migrate.js'
import { claimOf, groups, web } from './contract/registry.js'
import { allRows, databases, type TestDatabase } from './support/databases.js'

const names = migrations.map((migration) => migration.name)

/** All there is. A column is added here on purpose, with the thought that it holds no payload key. */
const columns = {
  node_groups: ['id', 'name', 'created_at'],
  nodes: [
    ...['id', 'name', 'epoch', 'instance', 'online', 'transport', 'address', 'client', 'meta'],
    ...['since', 'last_seen', 'created_at', 'nameless'],
  ],
  memberships: ['node_id', 'group_id', 'position'],
  endpoints: ['node_id', 'name', 'position', 'protocol', 'address', 'port', 'meta'],
  revocations: ['token_id', 'expires_at', 'revoked_at'],
  audit: ['id', 'at', 'actor', 'action', 'subject', 'detail'],
  policies: ['id', 'target', 'action', 'settings', 'updated_at', 'updated_by'],
  mediators: ['id', 'slot', 'instance', 'host', 'pid', 'url', 'since', 'renewed_at'],
}

describe('migrations', () => {
  it('have unique names in the order of their numbers', () => {
    expect(names).toEqual([...new Set(names)].sort())
    for (const [i, name] of names.entries()) expect(name).toMatch(new RegExp(`^${String(i + 1).padStart(4, '0')}-`))
  })
})

describe.each(databases)('migrations on %s', (type, open) => {
  let database: TestDatabase
  let db: Database

  beforeEach(async () => {
    database = await open()
    db = await database.open()
  })
  afterEach(() => database.drop())

  const fill = async (on = db) => {
    const registry = createRegistry(on)
    await registry.claim(claimOf('a', { groups: groups('x', 'y'), endpoints: [web], meta: { v: 1 } }))
    await registry.revokeToken('t', 2 ** 50, 'op')
    await registry.updateNode('a', { groups: groups('y') }, 'op')
    await registry.setPolicy({ target: '*', timeout: 1_000 }, 'op')
    const mediator = { instance: 'a'.repeat(32), host: 'h', pid: 1, url: 'http://h:1' }
    await registry.takeSlot(mediator, () => true)
  }
  const tables = async () => {
    const found: string[] = []
    for (const table of Object.keys(columns)) if (await db.knex.schema.hasTable(table)) found.push(table)
    return found
  }

  it('go up, down and up again, with rows in every table', async () => {
    expect(await pendingMigrations(db)).toEqual(names)
    expect(await migrate(db)).toEqual(names)
    expect(await tables()).toEqual(Object.keys(columns))
    await fill()
    expect(Object.values(await allRows(db)).every((rows) => rows.length > 0)).toBe(true)
    expect(await migrateDown(db)).toEqual([...names].reverse())
    expect(await tables()).toEqual([])
    expect(await pendingMigrations(db)).toEqual(names)
    expect(await migrate(db)).toEqual(names)
    expect(Object.values(await allRows(db)).every((rows) => rows.length === 0)).toBe(true)
    await fill()
  })

  it('go down and up one by one; each leaves the rows of the others alone', async () => {
    await migrate(db)
    await fill()
    const before = await allRows(db)
    const last = names.at(-1)!
    expect(await migrateDown(db, 1)).toEqual([last])
    expect(await migrate(db)).toEqual([last])
    expect(await allRows(db)).toEqual({ ...before, mediators: [] })
    expect(await migrateDown(db, 3)).toEqual(names.slice(-3).toReversed())
    expect(await migrate(db)).toEqual(names.slice(-3))
    expect(await allRows(db)).toEqual({ ...before, mediators: [], policies: [] })
    const later = names.slice(1)
    expect(await migrateDown(db, later.length)).toEqual(later.toReversed())
    expect(await migrate(db)).toEqual(later)
    expect(await allRows(db)).toEqual({ ...before, mediators: [], policies: [], audit: [], revocations: [] })
  })

  it('change nothing where there is nothing to do', async () => {
    await migrate(db)
    await fill()
    const before = await allRows(db)
    expect(await migrate(db)).toEqual([])
    expect(await allRows(db)).toEqual(before)
    await requireMigrated(db)
  })

  it('run once where several processes start at the same time', async () => {
    const all = await Promise.all([db, await database.open(), await database.open()].map((one) => migrate(one)))
    expect(all.flat().sort()).toEqual(names)
    await fill()
  })

  it('have these columns and no other, none of them for a key', async () => {
    await migrate(db)
    for (const [table, expected] of Object.entries(columns)) {
      expect(Object.keys(await db.knex(table).columnInfo())).toEqual(expected)
    }
    expect(Object.values(columns).flat().join(' ')).not.toMatch(/key|secret|cipher|payload|password/)
  })

  it('say MIGRATION_PENDING and what to run, at start and in the middle of work', async () => {
    const registry = createRegistry(db)
    const attempts = [
      requireMigrated(db),
      registry.node('a'),
      registry.groups(),
      registry.claim(claimOf('a')),
      registry.auditTrail({}),
      registry.revokedTokens(),
      registry.policies(),
    ]
    for (const outcome of await Promise.allSettled(attempts)) {
      expect(outcome).toMatchObject({
        status: 'rejected',
        reason: { code: 'MIGRATION_PENDING', message: expect.stringContaining('sealway migrate') },
      })
    }
    await migrate(db)
    expect(await registry.claim(claimOf('a'))).toMatchObject({ epoch: 1 })
  })

  it('refuse a database of a newer Sealway, and leave it as it is', async () => {
    await migrate(db)
    await db.knex('sealway_migrations').insert({ name: '9999-future', at: 1 })
    for (const attempt of [migrate(db), migrateDown(db), requireMigrated(db)]) {
      await expect(attempt).rejects.toMatchObject({
        code: 'CONFIG_INVALID',
        message: expect.stringContaining('9999-future'),
      })
    }
    expect(await tables()).toEqual(Object.keys(columns))
  })

  it('finish what a killed process began', async () => {
    await migrate(db)
    // As MySQL leaves it: a table is there, and the step is not recorded.
    const later = names.slice(1)
    await migrateDown(db, later.length)
    await migrations[1]!.up(db.knex)
    expect(await pendingMigrations(db)).toEqual(later)
    expect(await migrate(db)).toEqual(later)
    await fill()
    // And for a column.
    await migrateDown(db, 1)
    await migrations.at(-1)!.up(db.knex)
    expect(await migrate(db)).toEqual(names.slice(-1))
  })

  it('tell the log which step was taken', async () => {
    const lines: unknown[] = []
    const log: Log = { debug() {}, info: (fields) => lines.push(fields), warn() {}, error() {} }
    await migrate(await database.open(log))
    expect(lines).toEqual(names.map((migration) => ({ database: expect.any(String), migration })))
  })

  it(`compare names byte by byte on ${type}, whatever the server's default is`, async () => {
    await migrate(db)
    await db.knex('nodes').insert(['a', 'A', 'á', 'ａ'].map((name) => ({ name, created_at: 1 })))
    expect(await db.knex('nodes').where({ name: 'a' }).select('name')).toEqual([{ name: 'a' }])
    await expect(db.knex('nodes').insert({ name: 'a', created_at: 1 })).rejects.toThrow()
  })
})
