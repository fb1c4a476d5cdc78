import { silentLog } from '../../../server/src/observe/log.js'
import { createRegistry } from '../../../server/src/registry/create-registry.js'
import type { Registry } from '../../../server/src/registry/registry.js'
import { type Database, openDatabase } from '../../../server/src/store/database.js'
import { migrate } from '../../../server/src/store/migrate.js'
import { claimOf, groups, web } from '../../contract/registry.js'
import { allRows, mysqlDatabase, sqliteDatabase, type TestDatabase } from '../../support/databases.js'
import { mysqlServerUrl } from '../../support/mysql.js'
import { patienceMs } from '../../support/patience.js'
import { type TcpProxy, tcpProxy } from '../../support/tcp-proxy.js'

describe('a registry whose database goes away', () => {
  let database: TestDatabase
  let proxy: TcpProxy
  let db: Database

  beforeAll(async () => {
    const server = mysqlServerUrl()
    database = await mysqlDatabase()
    await migrate(await database.open())
    proxy = await tcpProxy(server.hostname, Number(server.port || 3306))
    const url = new URL(database.url)
    url.port = String(proxy.port)
    db = await openDatabase(url.href, silentLog, { connectMs: 3_000, queryMs: patienceMs })
  })
  afterEach(() => {
    proxy.mode = 'pass'
  })
  afterAll(async () => {
    await db.close()
    await proxy.close()
    await database.drop()
  })

  it('keeps claims waiting, and registers them when it is back', async () => {
    const registry = createRegistry(db, { claimWaitMs: patienceMs })
    await registry.claim(claimOf('before'))
    proxy.mode = 'refuse'
    proxy.reset()
    const claims = Array.from({ length: 20 }, (_, i) => registry.claim(claimOf(`waiting-${i}`)))
    await proxy.nextConnection()
    await proxy.nextConnection()
    proxy.mode = 'pass'
    expect((await Promise.all(claims)).every(({ epoch }) => epoch === 1)).toBe(true)
  })

  it('refuses a claim with STORAGE_UNAVAILABLE when it waited long enough, and keeps none of it', async () => {
    const registry = createRegistry(db, { claimWaitMs: 250 })
    proxy.mode = 'refuse'
    proxy.reset()
    await expect(registry.claim(claimOf('refused'))).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
    await expect(registry.nodes({})).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
    proxy.mode = 'pass'
    expect(await registry.node('refused')).toBeUndefined()
    expect(await createRegistry(db, { claimWaitMs: patienceMs }).claim(claimOf('refused'))).toMatchObject({ epoch: 1 })
  })

  it('takes back a claim that succeeded after its link had given up', async () => {
    const registry = createRegistry(await database.open(), { claimWaitMs: 2_000 })
    const late = async () => (await registry.node('late'))!
    const patient = createRegistry(db)
    await patient.claim(claimOf('late'))
    await patient.release('late', 1)
    // Another session holds the row until the claim, which has begun long before, has given up.
    const holder = await database.open()
    let claim: Promise<unknown> | undefined
    await holder.transaction(async (trx) => {
      await trx('nodes').where({ name: 'late' }).forUpdate().first()
      claim = registry.claim(claimOf('late'))
      await expect(claim).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', outcome: 'unknown', afterMs: 2_000 })
    })
    // The claim goes through now that the row is free, and its release follows. Asked until it did, or jest's limit.
    for (let node = await late(); node.epoch < 2 || node.online; node = await late()) {
      expect(node.epoch).toBeLessThanOrEqual(2)
    }
    expect(await late()).toMatchObject({ epoch: 2, online: false })
  })
})

describe('a registry whose disk is full', () => {
  let database: TestDatabase
  let db: Database
  let registry: Registry

  beforeAll(async () => {
    database = await sqliteDatabase()
    db = await database.open()
    await migrate(db)
    registry = createRegistry(db)
  })
  afterAll(() => database.drop())

  const big = (name: string) =>
    claimOf(name, {
      groups: groups('g'),
      meta: { text: 'x'.repeat(1_000) },
      endpoints: Array.from({ length: 8 }, (_, i) => ({ ...web, name: `e${i}`, meta: { text: 'x'.repeat(1_000) } })),
    })

  it('says STORAGE_FULL, keeps every earlier row, goes on reading, and recovers by itself', async () => {
    for (let i = 0; i < 10; i++) await registry.claim(big(`early-${i}`))
    const before = await allRows(db)
    const pages = Object.values((await db.knex.raw('PRAGMA page_count'))[0])[0] as number
    await db.knex.raw(`PRAGMA max_page_count = ${pages + 1}`)

    const full = await Promise.allSettled(Array.from({ length: 20 }, (_, i) => registry.claim(big(`late-${i}`))))
    for (const outcome of full) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'STORAGE_FULL', outcome: 'not-delivered' } })
    }
    await expect(registry.upsertNode({ ...big('late'), name: claimOf('late').name! }, 'op')).rejects.toMatchObject({
      code: 'STORAGE_FULL',
    })
    expect(await allRows(db)).toEqual(before)
    expect(await registry.nodes({})).toHaveLength(10)
    // A claim that needs no new page still succeeds.
    expect(await registry.claim(big('early-0'))).toMatchObject({ epoch: 2 })

    await db.knex.raw(`PRAGMA max_page_count = ${pages + 1_000}`)
    expect(await registry.claim(big('late-0'))).toMatchObject({ epoch: 1 })
    expect(await registry.nodes({})).toHaveLength(11)
    expect(Object.values((await db.knex.raw('PRAGMA integrity_check'))[0])[0]).toBe('ok')
  })
})
