import { createRegistry } from '../../server/src/registry/create-registry.js'
import type { Registry } from '../../server/src/registry/registry.js'
import type { Database } from '../../server/src/store/database.js'
import { migrate } from '../../server/src/store/migrate.js'
import { databases, type TestDatabase } from '../support/databases.js'
import { patienceMs } from '../support/patience.js'
import { claimOf, groups, web } from './registry.js'

describe.each(databases)('two mediators on one %s', (_, open) => {
  let database: TestDatabase
  let db: Database
  let left: Registry
  let right: Registry

  beforeAll(async () => {
    database = await open()
    db = await database.open()
    await migrate(db)
    left = createRegistry(db, { claimWaitMs: patienceMs })
    right = createRegistry(await database.open(), { claimWaitMs: patienceMs })
  })
  afterAll(() => database.drop())

  it('have exactly one winner of each epoch, in 200 races for one name', async () => {
    for (let epoch = 0; epoch < 200; epoch++) {
      const race = [left, right].map((registry) => registry.claim(claimOf('racer', { expectedEpoch: epoch })))
      const outcomes = await Promise.allSettled(race)
      const won = outcomes.filter((outcome) => outcome.status === 'fulfilled')
      expect(won.map((outcome) => outcome.value.epoch)).toEqual([epoch + 1])
      const lost = outcomes.find((outcome) => outcome.status === 'rejected')
      expect(lost?.reason).toMatchObject({ code: 'CONFLICT', outcome: 'not-delivered' })
    }
    expect(await left.node('racer')).toMatchObject({ epoch: 200 })
  })

  it('never give one epoch twice where both take whatever is there', async () => {
    const claims = Array.from({ length: 100 }, (_, i) => (i % 2 ? left : right).claim(claimOf('both')))
    const epochs = (await Promise.all(claims)).map((claimed) => claimed.epoch)
    expect(epochs.sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1))
  })

  it('make one row of a new name and one of a new group, whoever comes first', async () => {
    for (let i = 0; i < 50; i++) {
      const claim = claimOf(`new-${i}`, { groups: groups(`fresh-${i}`, 'shared'), endpoints: [web] })
      const [a, b] = await Promise.all([left.claim(claim), right.claim(claim)])
      expect(a.id).toBe(b.id)
      expect([a.epoch, b.epoch].sort()).toEqual([1, 2])
    }
    expect(await left.nodes({ group: 'shared' })).toHaveLength(50)
    expect((await left.groups()).filter((group) => group.name.startsWith('fresh-'))).toHaveLength(50)
    expect(await db.knex('endpoints').count({ n: '*' }).first()).toEqual({ n: 50 })
  })

  it('register the same 300 nodes in opposite orders at once, without a deadlock that anyone sees', async () => {
    const names = Array.from({ length: 300 }, (_, i) => `storm-${i}`)
    const storm = (registry: Registry, order: readonly string[], group: string) =>
      order.map((name) => registry.claim(claimOf(name, { groups: groups(group, 'storm') })))
    const claims = [...storm(left, names, 'one'), ...storm(right, [...names].reverse(), 'two')]
    expect((await Promise.all(claims)).filter((claimed) => claimed.epoch === 2)).toHaveLength(300)
    const nodes = await left.nodes({ group: 'storm' })
    expect(nodes).toHaveLength(300)
    for (const node of nodes)
      expect([
        ['one', 'storm'],
        ['two', 'storm'],
      ]).toContainEqual(node.groups)
  })

  it('upsert, update and remove one node at once: each call succeeds or says why, and no half of it is left', async () => {
    for (let i = 0; i < 30; i++) {
      const outcomes = await Promise.allSettled([
        left.upsertNode({ ...claimOf('fought'), endpoints: [web] }, 'left'),
        right.upsertNode({ ...claimOf('fought', { groups: groups('other') }), endpoints: [] }, 'right'),
        left.claim(claimOf('fought')),
        right.removeNode('fought', 'right'),
        right.updateNode('fought', { endpoints: [web, { ...web, name: 'second' }] }, 'right'),
      ])
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected') expect(['UNKNOWN_NODE', 'CONFLICT']).toContain(outcome.reason.code)
      }
    }
    const orphans = await db
      .knex('memberships')
      .leftJoin('nodes', 'nodes.id', 'memberships.node_id')
      .whereNull('nodes.id')
      .select('memberships.node_id')
    expect(orphans).toEqual([])
    const duplicates = await db.knex('nodes').groupBy('name').having(db.knex.raw('count(*) > 1')).select('name')
    expect(duplicates).toEqual([])
  })

  it('evict while nodes come back: who came back stays', async () => {
    const names = Array.from({ length: 100 }, (_, i) => `back-${i}`)
    const first = await Promise.all(names.map((name) => left.claim(claimOf(name))))
    await Promise.all(first.map(({ name, epoch }) => left.release(name, epoch)))
    await db.knex('nodes').where('name', 'like', 'back-%').update({ last_seen: 1 })
    const [evicted] = await Promise.all([right.evict(1_000), ...names.map((name) => left.claim(claimOf(name)))])
    expect(evicted.every((name) => name.startsWith('back-'))).toBe(true)
    const back = (await left.nodes({ group: 'orders' })).filter((node) => node.name.startsWith('back-'))
    expect(back.filter((node) => node.online)).toHaveLength(100)
  })
})
