import { type Endpoint, type GroupName, type NodeName, nameOfProcess, type TrafficPolicy } from '@sealway/protocol'
import { createRegistry } from '../../server/src/registry/create-registry.js'
import type { Claim, Registry } from '../../server/src/registry/registry.js'
import type { Database } from '../../server/src/store/database.js'
import { migrate } from '../../server/src/store/migrate.js'
import { allRows, emptyTables, type TestDatabase } from '../support/databases.js'
import { patienceMs } from '../support/patience.js'

export const instance = '0123456789abcdef0123456789abcdef'
export const web: Endpoint = { name: 'web', protocol: 'http', address: '127.0.0.1', port: 8080, meta: { path: '/' } }

/** A claim as a link makes it; `name` undefined lets the registry choose. */
export function claimOf(name: string | undefined, change: Partial<Claim> = {}): Claim {
  return {
    ...(name === undefined ? {} : { name: name as NodeName }),
    groups: ['orders'] as string[] as GroupName[],
    instance,
    endpoints: [],
    transport: 'tcp',
    address: '127.0.0.1',
    ...change,
  }
}

export const groups = (...names: string[]) => names as GroupName[]
export const named = (name: string) => name as NodeName

/** What every registry promises, whatever database is under it. */
export function registryContract(open: () => Promise<TestDatabase>): void {
  let database: TestDatabase
  let db: Database
  let registry: Registry

  beforeAll(async () => {
    database = await open()
    db = await database.open()
    await migrate(db)
    registry = createRegistry(db, { claimWaitMs: patienceMs })
  })
  beforeEach(() => emptyTables(db))
  afterAll(() => database.drop())

  /** Moves a node's last seen into the past, ms. */
  const age = (name: string, ms: number) => db.knex('nodes').where({ name }).decrement('last_seen', ms)
  const clock = async () => Number((await db.knex.select(db.knex.raw(`${db.now} AS now`)).first()).now)

  describe('claim', () => {
    it('registers a node with its groups, endpoints and meta, by the clock of the database', async () => {
      const before = await clock()
      const claimed = await registry.claim(
        claimOf('orders-1', {
          groups: groups('orders', 'all'),
          endpoints: [web, { ...web, name: 'admin', port: 8081 }],
          meta: { zone: 'ü', list: [1, { deep: null }] },
          client: 'test/1.0',
        }),
      )
      const after = await clock()
      expect(claimed).toEqual({ name: 'orders-1', epoch: 1, id: expect.any(Number) })
      const node = (await registry.node('orders-1'))!
      expect(node).toEqual({
        id: claimed.id,
        name: 'orders-1',
        groups: ['orders', 'all'],
        endpoints: [web, { ...web, name: 'admin', port: 8081 }],
        meta: { zone: 'ü', list: [1, { deep: null }] },
        online: true,
        epoch: 1,
        transport: 'tcp',
        address: '127.0.0.1',
        client: 'test/1.0',
        since: expect.any(Number),
        lastSeen: expect.any(Number),
        createdAt: expect.any(Number),
      })
      for (const time of [node.since!, node.lastSeen!, node.createdAt]) {
        expect(time).toBeGreaterThanOrEqual(before)
        expect(time).toBeLessThanOrEqual(after)
      }
      expect(await registry.nodeById(claimed.id)).toEqual(node)
    })

    it('counts the epoch up and keeps the id each time a name is claimed', async () => {
      const first = await registry.claim(claimOf('orders-1'))
      const second = await registry.claim(claimOf('orders-1'))
      expect(second).toEqual({ name: 'orders-1', epoch: 2, id: first.id })
    })

    it('replaces groups, endpoints, meta and client by what the link says now', async () => {
      await registry.claim(
        claimOf('orders-1', { groups: groups('a', 'b'), endpoints: [web], meta: { v: 1 }, client: 'old/1' }),
      )
      await registry.claim(claimOf('orders-1', { groups: groups('c', 'b'), transport: 'ws', address: '::1' }))
      expect(await registry.node('orders-1')).toMatchObject({
        groups: ['c', 'b'],
        endpoints: [],
        meta: null,
        client: null,
        transport: 'ws',
        address: '::1',
      })
      expect(await db.knex('memberships').select()).toHaveLength(2)
    })

    it('notices each change of an endpoint, however small', async () => {
      const variants: Endpoint[] = [
        web,
        { ...web, name: 'web2' },
        { ...web, protocol: 'https' },
        { ...web, address: '127.0.0.2' },
        { ...web, port: 8081 },
        { ...web, meta: { path: '/x' } },
        { name: 'web', protocol: 'http', address: '127.0.0.1', port: 8080 },
      ]
      for (const endpoint of variants) {
        await registry.claim(claimOf('orders-1', { endpoints: [endpoint] }))
        expect((await registry.node('orders-1'))!.endpoints).toEqual([endpoint])
      }
    })

    it('names a node that brought no name after its first group', async () => {
      const made = await Promise.all(
        [1, 2, 3].map(() => registry.claim(claimOf(undefined, { groups: groups('g', 'h') }))),
      )
      for (const { name, epoch } of made) {
        expect(name).toMatch(/^g-[a-z0-9]{6}$/)
        expect(epoch).toBe(1)
      }
      expect(new Set(made.map(({ name }) => name)).size).toBe(3)
    })

    it('makes a name of at most 64 characters from the longest group', async () => {
      const { name } = await registry.claim(claimOf(undefined, { groups: groups('g'.repeat(64)) }))
      expect(name).toMatch(/^g{57}-[a-z0-9]{6}$/)
    })

    it('tries another name where the one it made is taken, and gives up with CONFLICT where all are', async () => {
      const digits: number[] = []
      const random = (below: number) => (digits.shift() ?? 0) % below
      const other = createRegistry(await database.open(), { random, claimWaitMs: patienceMs })
      expect((await other.claim(claimOf(undefined))).name).toBe('orders-aaaaaa')
      digits.push(0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1)
      expect((await other.claim(claimOf(undefined))).name).toBe('orders-bbbbbb')
      await expect(other.claim(claimOf(undefined))).rejects.toMatchObject({ code: 'CONFLICT' })
      const [taken, free] = await Promise.allSettled([other.claim(claimOf(undefined)), other.claim(claimOf('named'))])
      expect(taken).toMatchObject({ status: 'rejected', reason: { code: 'CONFLICT' } })
      expect(free).toMatchObject({ status: 'fulfilled', value: { name: 'named' } })
    })

    it('refuses an expected epoch that is not the current one, and changes nothing', async () => {
      await registry.claim(claimOf('orders-1', { expectedEpoch: 0 }))
      const before = await allRows(db)
      for (const expectedEpoch of [0, 2, 7]) {
        await expect(registry.claim(claimOf('orders-1', { expectedEpoch, groups: groups('x') }))).rejects.toMatchObject(
          {
            code: 'CONFLICT',
            outcome: 'not-delivered',
            target: 'orders-1',
          },
        )
      }
      await expect(registry.claim(claimOf('new', { expectedEpoch: 3 }))).rejects.toMatchObject({ code: 'CONFLICT' })
      expect(await allRows(db)).toEqual(before)
      expect((await registry.claim(claimOf('orders-1', { expectedEpoch: 1 }))).epoch).toBe(2)
    })

    it('tells names apart by every byte', async () => {
      for (const name of ['a-1', 'a.1', 'a_1', 'a1']) await registry.claim(claimOf(name))
      expect((await registry.nodes({})).map((node) => node.name)).toEqual(['a-1', 'a.1', 'a1', 'a_1'])
      for (const name of ['A-1', 'a-1 ', 'á-1']) expect(await registry.node(name)).toBeUndefined()
    })

    it('takes 2,000 nodes that come back at once, at two statements a node', async () => {
      const names = Array.from({ length: 2_000 }, (_, i) => `n${i}`)
      // It is about statements, not about time: a machine with too much to do may take longer than a claim waits.
      const patient = createRegistry(db, { claimWaitMs: patienceMs })
      const storm = () =>
        Promise.all(names.map((name) => patient.claim(claimOf(name, { groups: groups('a', 'b'), endpoints: [web] }))))
      await storm()
      let statements = 0
      const count = () => {
        statements += 1
      }
      db.knex.on('query', count)
      const claimed = await storm()
      db.knex.off('query', count)
      expect(claimed.every(({ epoch }) => epoch === 2)).toBe(true)
      expect(statements).toBeLessThanOrEqual(2 * names.length)
      expect((await registry.groups()).map((group) => group.online)).toEqual([2_000, 2_000])
      expect(await db.knex('endpoints').count({ n: '*' }).first()).toEqual({ n: 2_000 })
    })
  })

  describe('release and touch', () => {
    it('marks offline only while the epoch is still this one', async () => {
      await registry.claim(claimOf('orders-1'))
      await registry.claim(claimOf('orders-1'))
      await registry.release('orders-1', 1)
      expect(await registry.node('orders-1')).toMatchObject({ online: true, epoch: 2 })
      await registry.release('orders-1', 2)
      expect(await registry.node('orders-1')).toMatchObject({ online: false, epoch: 2, transport: 'tcp' })
      await registry.release('nobody', 1)
    })

    it('keeps the order of a release and a claim of one name', async () => {
      await registry.claim(claimOf('orders-1'))
      await Promise.all([
        registry.release('orders-1', 1),
        registry.claim(claimOf('orders-1')),
        registry.release('orders-1', 1),
      ])
      expect(await registry.node('orders-1')).toMatchObject({ online: true, epoch: 2 })
    })

    it('sets last seen of live links, in few statements, and of no others', async () => {
      const names = Array.from({ length: 1_200 }, (_, i) => `n${i}`)
      await Promise.all([...names, 'stale'].map((name) => registry.claim(claimOf(name))))
      await db.knex('nodes').update({ last_seen: 1 })
      const before = await clock()
      let statements = 0
      const count = () => {
        statements += 1
      }
      db.knex.on('query', count)
      await registry.touch([...names.map((name) => ({ name, epoch: 1 })), { name: 'stale', epoch: 7 }])
      db.knex.off('query', count)
      expect(statements).toBeLessThan(20)
      const rows: { name: string; last_seen: number }[] = await db.knex('nodes').select('name', 'last_seen')
      for (const row of rows) {
        if (row.name === 'stale') expect(row.last_seen).toBe(1)
        else expect(row.last_seen).toBeGreaterThanOrEqual(before)
      }
      await registry.touch([])
    })

    it('marks all offline that a killed mediator left online', async () => {
      await registry.claim(claimOf('a'))
      await registry.claim(claimOf('b'))
      await registry.claim(claimOf('c'))
      await registry.release('c', 1)
      expect(await registry.releaseAll()).toBe(2)
      expect((await registry.nodes({ online: true })).length).toBe(0)
      expect((await registry.claim(claimOf('a'))).epoch).toBe(2)
    })
  })

  describe('listing', () => {
    it('pages through nodes by name, at most 1,000 at a time', async () => {
      const names = Array.from({ length: 1_050 }, (_, i) => `n${String(i).padStart(4, '0')}`)
      await Promise.all(names.map((name) => registry.claim(claimOf(name))))
      expect(await registry.nodes({})).toHaveLength(1_000)
      expect(await registry.nodes({ limit: 5_000 })).toHaveLength(1_000)
      const seen: string[] = []
      for (let after: string | undefined; ; ) {
        const page = await registry.nodes({ limit: 100, ...(after === undefined ? {} : { after }) })
        if (page.length === 0) break
        seen.push(...page.map((node) => node.name))
        after = page.at(-1)!.name
      }
      expect(seen).toEqual(names)
    })

    it.each([0, -1, 1.5, Number.NaN, '10', {}])('refuses the page size %p', async (limit) => {
      await expect(registry.nodes({ limit: limit as number })).rejects.toMatchObject({ code: 'MALFORMED' })
      await expect(registry.auditTrail({ limit: limit as number })).rejects.toMatchObject({ code: 'MALFORMED' })
    })

    it('filters by group and by whether a node is online, and shows all groups of each', async () => {
      await registry.claim(claimOf('a', { groups: groups('x', 'y') }))
      await registry.claim(claimOf('b', { groups: groups('y') }))
      await registry.claim(claimOf('c', { groups: groups('x') }))
      await registry.release('c', 1)
      const names = async (filter: Parameters<Registry['nodes']>[0]) =>
        (await registry.nodes(filter)).map((node) => node.name)
      expect(await names({ group: 'x' })).toEqual(['a', 'c'])
      expect(await names({ group: 'x', online: true })).toEqual(['a'])
      expect(await names({ online: false })).toEqual(['c'])
      expect(await names({ group: 'none' })).toEqual([])
      expect(await names({ group: 'y', after: 'a' })).toEqual(['b'])
      expect((await registry.nodes({ group: 'y' }))[0]!.groups).toEqual(['x', 'y'])
    })

    it('counts nodes and online nodes of each group, and keeps a group whose nodes are gone', async () => {
      await registry.claim(claimOf('a', { groups: groups('x', 'y') }))
      await registry.claim(claimOf('b', { groups: groups('y') }))
      await registry.release('b', 1)
      await registry.removeNode('a', 'test')
      expect(await registry.groups()).toEqual([
        { name: 'x', nodes: 0, online: 0, createdAt: expect.any(Number) },
        { name: 'y', nodes: 1, online: 0, createdAt: expect.any(Number) },
      ])
      expect(await registry.groupExists('x')).toBe(true)
      expect(await registry.groupExists('z')).toBe(false)
      expect(await registry.existing('group', ['x', 'z', 'y', 'No Name'])).toEqual(new Set(['x', 'y']))
      expect(await registry.existing('node', ['a', 'b'])).toEqual(new Set(['b']))
    })

    it('knows no node of an id or a name that was never given', async () => {
      expect(await registry.nodeById(4_000_000)).toBeUndefined()
      expect(await registry.node('nobody')).toBeUndefined()
    })
  })

  describe('changes by an actor', () => {
    it('registers without a link, updates on the second call, and audits both', async () => {
      const first = await registry.upsertNode(
        { name: named('orders-1'), groups: groups('orders'), endpoints: [web], meta: { a: 1 } },
        'operator',
      )
      expect(first.created).toBe(true)
      expect(first.node).toMatchObject({
        name: 'orders-1',
        groups: ['orders'],
        endpoints: [web],
        meta: { a: 1 },
        online: false,
        epoch: 0,
        transport: null,
        address: null,
        client: null,
        since: null,
        lastSeen: null,
      })
      const second = await registry.upsertNode({ name: named('orders-1'), groups: groups('other') }, 'operator')
      expect(second.created).toBe(false)
      expect(second.node).toMatchObject({ id: first.node.id, groups: ['other'], endpoints: [web], meta: { a: 1 } })
      expect((await registry.auditTrail({})).map(({ actor, action, subject }) => [actor, action, subject])).toEqual([
        ['operator', 'update', 'orders-1'],
        ['operator', 'create', 'orders-1'],
      ])
    })

    it('names a node that was registered without a name', async () => {
      const { node, created } = await registry.upsertNode({ groups: groups('g') }, 'operator')
      expect(created).toBe(true)
      expect(node.name).toMatch(/^g-[a-z0-9]{6}$/)
    })

    it('changes only the fields that are given, and removes meta by null', async () => {
      await registry.claim(claimOf('a', { groups: groups('x'), endpoints: [web], meta: { v: 1 } }))
      expect(await registry.updateNode('a', { meta: { v: 2 } }, 'op')).toMatchObject({
        groups: ['x'],
        endpoints: [web],
        meta: { v: 2 },
        online: true,
        epoch: 1,
      })
      expect(await registry.updateNode('a', { groups: groups('y', 'x') }, 'op')).toMatchObject({ groups: ['y', 'x'] })
      expect(await registry.updateNode('a', { endpoints: [], meta: null }, 'op')).toMatchObject({
        groups: ['y', 'x'],
        endpoints: [],
        meta: null,
      })
      expect((await registry.auditTrail({}))[0]).toMatchObject({
        actor: 'op',
        action: 'update',
        subject: 'a',
        detail: { endpoints: [], meta: 'removed' },
      })
    })

    it('removes a node with all that hangs on it', async () => {
      await registry.claim(claimOf('a', { endpoints: [web] }))
      await registry.removeNode('a', 'op')
      expect(await registry.node('a')).toBeUndefined()
      const rows = await allRows(db)
      expect([rows.nodes, rows.memberships, rows.endpoints]).toEqual([[], [], []])
      expect((await registry.auditTrail({}))[0]).toMatchObject({
        actor: 'op',
        action: 'remove',
        subject: 'a',
        detail: null,
      })
    })

    it('answers UNKNOWN_NODE where there is none, and audits nothing', async () => {
      await expect(registry.updateNode('nobody', { meta: null }, 'op')).rejects.toMatchObject({ code: 'UNKNOWN_NODE' })
      await expect(registry.removeNode('nobody', 'op')).rejects.toMatchObject({ code: 'UNKNOWN_NODE' })
      expect(await registry.auditTrail({})).toEqual([])
    })

    it('takes back a change whose audit line cannot be written', async () => {
      await registry.claim(claimOf('a', { groups: groups('x') }))
      const before = await allRows(db)
      await db.knex.schema.renameTable('audit', 'audit_gone')
      try {
        const changes = [
          registry.removeNode('a', 'op'),
          registry.updateNode('a', { groups: groups('y') }, 'op'),
          registry.upsertNode({ name: named('b'), groups: groups('y') }, 'op'),
          registry.revokeToken('t', (await clock()) + 60_000, 'op'),
        ]
        for (const outcome of await Promise.allSettled(changes)) {
          expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'MIGRATION_PENDING' } })
        }
      } finally {
        await db.knex.schema.renameTable('audit_gone', 'audit')
      }
      expect(await allRows(db)).toEqual(before)
    })
  })

  describe('eviction', () => {
    it('removes nodes that are offline and unseen for that long, and names them', async () => {
      for (const name of ['online', 'recent', 'old-1', 'old-2'])
        await registry.claim(claimOf(name, { endpoints: [web] }))
      await registry.upsertNode({ name: named('never'), groups: groups('orders') }, 'op')
      for (const name of ['recent', 'old-1', 'old-2']) await registry.release(name, 1)
      for (const name of ['online', 'old-1', 'old-2']) await age(name, 60_000)
      expect((await registry.evict(60_000)).sort()).toEqual(['old-1', 'old-2'])
      expect((await registry.nodes({})).map((node) => node.name)).toEqual(['never', 'online', 'recent'])
      expect(await registry.evict(60_000)).toEqual([])
      const evictions = (await registry.auditTrail({})).filter((entry) => entry.action === 'evict')
      expect(evictions.map(({ actor, subject }) => [actor, subject]).sort()).toEqual([
        ['mediator', 'old-1'],
        ['mediator', 'old-2'],
      ])
    })

    it('removes those that were given no name sooner, and never one that is online', async () => {
      const { name: gone } = await registry.claim(claimOf(undefined))
      const { name: here } = await registry.claim(claimOf(undefined))
      await registry.claim(claimOf('named'))
      for (const name of [gone, 'named']) await registry.release(name, 1)
      for (const name of [gone, here, 'named']) await age(name, 60_000)
      expect(await registry.evict(120_000, 90_000)).toEqual([])
      expect(await registry.evict(120_000, 60_000)).toEqual([gone])
      expect((await registry.nodes({})).map((node) => node.name)).toEqual([here, 'named'].sort())
      // One that named itself after its process is nameless, too.
      const itself = nameOfProcess(groups('orders')[0]!, instance)
      await registry.claim(claimOf(itself))
      await registry.release(itself, 1)
      await age(itself, 60_000)
      expect(await registry.evict(120_000, 60_000)).toEqual([itself])
      expect((await registry.auditTrail({})).filter(({ action }) => action === 'evict')).toEqual([])
      // One that comes back under the name that it was given stays nameless.
      await registry.release(here, 1)
      await registry.claim(claimOf(here))
      await registry.release(here, 2)
      await age(here, 60_000)
      expect(await registry.evict(120_000, 60_000)).toEqual([here])
    })

    it('removes a node that was given no name at once when it says that it leaves, and no other', async () => {
      const { name: leaves } = await registry.claim(claimOf(undefined))
      const { name: breaks } = await registry.claim(claimOf(undefined))
      await registry.claim(claimOf('named'))
      await registry.release(leaves, 2, true)
      expect((await registry.node(leaves))?.online).toBe(true)
      await registry.release(leaves, 1, true)
      await registry.release(breaks, 1)
      await registry.release('named', 1, true)
      expect((await registry.nodes({})).map((node) => node.name)).toEqual([breaks, 'named'].sort())
    })

    it('takes more than one transaction for many', async () => {
      const names = Array.from({ length: 1_001 }, (_, i) => `n${i}`)
      await Promise.all(names.map((name) => registry.claim(claimOf(name))))
      await Promise.all(names.map((name) => registry.release(name, 1)))
      await db.knex('nodes').update({ last_seen: 1 })
      expect(await registry.evict(1)).toHaveLength(1_001)
      expect(await registry.nodes({})).toEqual([])
    })
  })

  describe('revocation', () => {
    it('lists tokens that are revoked and not yet expired', async () => {
      const now = await clock()
      await registry.revokeToken('token-1', now + 60_000, 'op')
      await registry.revokeToken('token-2', now + 60_000, 'op')
      await registry.revokeToken('expired', now - 1, 'op')
      expect(await registry.revokedTokens()).toEqual(['token-1', 'token-2'])
      expect((await registry.auditTrail({ limit: 1 }))[0]).toMatchObject({
        actor: 'op',
        action: 'revoke-token',
        subject: 'expired',
        detail: { expiresAt: now - 1 },
      })
    })

    it('keeps the later end where a token is revoked twice, and drops rows that have expired', async () => {
      const now = await clock()
      await registry.revokeToken('t', now + 60_000, 'op')
      await registry.revokeToken('t', now + 90_000, 'op')
      await registry.revokeToken('t', now - 1, 'op')
      expect(await db.knex('revocations').select('token_id', 'expires_at')).toEqual([
        { token_id: 't', expires_at: now + 90_000 },
      ])
      await db.knex('revocations').update({ expires_at: now - 1 })
      await registry.revokeToken('u', now + 60_000, 'op')
      expect(await db.knex('revocations').select('token_id')).toEqual([{ token_id: 'u' }])
    })
  })

  describe('policies', () => {
    const full: TrafficPolicy = {
      target: 'any:orders',
      action: 'quote ü',
      timeout: 2_000,
      retries: { max: 3, firstMs: 100, factor: 2, maxMs: 5_000, jitter: 0.2, attemptMs: 700, whenNoPeer: true },
      breaker: { failures: 5, windowMs: 10_000, openMs: 5_000, halfOpen: 2 },
      balance: { sticky: 'customer.id' },
    }

    it('are kept with all they say, by whom and when, and listed by target and action', async () => {
      const before = await clock()
      expect(await registry.setPolicy(full, 'operator:ada')).toEqual({
        created: true,
        policy: { ...full, updatedAt: expect.any(Number), updatedBy: 'operator:ada' },
      })
      await registry.setPolicy({ target: 'orders-1', breaker: false }, 'op')
      await registry.setPolicy({ target: 'node:orders-1', action: 'z', balance: 'mediator' }, 'op')
      await registry.setPolicy({ target: '*', retries: {} }, 'op')
      const list = await registry.policies()
      expect(list.map(({ updatedAt: _at, updatedBy: _by, ...policy }) => policy)).toEqual([
        { target: '*', retries: {} },
        full,
        { target: 'orders-1', breaker: false },
        { target: 'orders-1', action: 'z', balance: 'mediator' },
      ])
      for (const { updatedAt } of list) expect(updatedAt).toBeGreaterThanOrEqual(before)
    })

    it('are replaced whole by one of the same target and action, and by no other', async () => {
      await registry.setPolicy(full, 'op')
      await registry.setPolicy({ target: 'any:orders', timeout: 1 }, 'op')
      expect(await registry.setPolicy({ target: 'any:orders', action: 'quote ü', timeout: 9 }, 'bob')).toMatchObject({
        created: false,
        policy: { updatedBy: 'bob' },
      })
      expect(await registry.policies()).toMatchObject([{ timeout: 1 }, { action: 'quote ü', timeout: 9 }])
      expect((await registry.policies())[1]!.retries).toBeUndefined()
      // Once more the same: nothing is new, and nothing is missing.
      expect((await registry.setPolicy({ target: 'any:orders', timeout: 1 }, 'op')).created).toBe(false)
    })

    it('tell actions apart byte by byte', async () => {
      for (const action of ['a', 'A', 'á', 'a b']) await registry.setPolicy({ target: '*', action }, 'op')
      expect((await registry.policies()).map(({ action }) => action).sort()).toEqual(['A', 'a', 'a b', 'á'])
    })

    it('are removed by target and action, each with a line in the trail', async () => {
      await registry.setPolicy(full, 'op')
      await registry.setPolicy({ target: 'any:orders', timeout: 1 }, 'op')
      await registry.removePolicy('any:orders', undefined, 'eve')
      expect(await registry.policies()).toMatchObject([{ action: 'quote ü' }])
      await expect(registry.removePolicy('any:orders', undefined, 'eve')).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await registry.removePolicy('any:orders', 'quote ü', 'eve')
      expect(await registry.policies()).toEqual([])
      expect((await registry.auditTrail({})).reverse()).toMatchObject([
        { actor: 'op', action: 'set-policy', subject: 'any:orders', detail: full },
        { actor: 'op', action: 'set-policy', subject: 'any:orders', detail: { target: 'any:orders', timeout: 1 } },
        { actor: 'eve', action: 'remove-policy', subject: 'any:orders', detail: { target: 'any:orders' } },
        { actor: 'eve', action: 'remove-policy', detail: { target: 'any:orders', action: 'quote ü' } },
      ])
    })

    it('are at most 1,000; one that is there may still be changed', async () => {
      const row = { settings: '{"timeout":1}', updated_at: 1, updated_by: 'op', action: '' }
      for (let i = 0; i < 1_000; i += 100) {
        await db.knex('policies').insert(Array.from({ length: 100 }, (_, k) => ({ ...row, target: `n${i + k}` })))
      }
      await expect(registry.setPolicy({ target: 'one-more' }, 'op')).rejects.toMatchObject({ code: 'TOO_LARGE' })
      expect(await registry.setPolicy({ target: 'n7', timeout: 2 }, 'op')).toMatchObject({ created: false })
      expect(await registry.policies()).toHaveLength(1_000)
      await registry.removePolicy('n8', undefined, 'op')
      expect(await registry.setPolicy({ target: 'one-more' }, 'op')).toMatchObject({ created: true })
    })

    it('set at the same time leave one, and no error', async () => {
      const other = createRegistry(await database.open(), { claimWaitMs: patienceMs })
      const set = (at: Registry, timeout: number) => at.setPolicy({ target: 'any:orders', timeout }, 'op')
      await Promise.all([set(registry, 1), set(other, 2), set(registry, 3), set(other, 4)])
      expect(await registry.policies()).toHaveLength(1)
    })

    it('that somebody damaged are left out, and take no other with them', async () => {
      await registry.setPolicy({ target: 'good' }, 'op')
      const row = { action: '', updated_at: 1, updated_by: 'op' }
      const damaged = ['{', '{"timeout":-1}', '{"__proto__":{}}', 'null', '{"breaker":7}']
      for (const [i, settings] of damaged.entries())
        await db.knex('policies').insert({ ...row, target: `n${i}`, settings })
      expect((await registry.policies()).map(({ target }) => target)).toEqual(['good'])
    })
  })

  describe('audit trail', () => {
    it('is read newest first, in pages', async () => {
      for (let i = 0; i < 5; i++) {
        await registry.audit({ actor: 'op', action: 'test', subject: `s${i}`, ...(i === 0 ? {} : { detail: { i } }) })
      }
      const first = await registry.auditTrail({ limit: 2 })
      expect(first.map((entry) => [entry.subject, entry.detail])).toEqual([
        ['s4', { i: 4 }],
        ['s3', { i: 3 }],
      ])
      const rest = await registry.auditTrail({ before: first[1]!.id })
      expect(rest.map((entry) => entry.subject)).toEqual(['s2', 's1', 's0'])
      expect(rest[2]).toEqual({
        id: expect.any(Number),
        at: expect.any(Number),
        actor: 'op',
        action: 'test',
        subject: 's0',
        detail: null,
      })
    })

    it('keeps details of any JSON, and refuses those that are none or over 16,000 characters', async () => {
      const details = [null, 0, false, 'text', [], [1, { a: null }], { a: 'ü\u0000\u2028' }]
      for (const detail of details) await registry.audit({ actor: 'op', action: 'test', subject: 's', detail })
      expect((await registry.auditTrail({})).map((entry) => entry.detail).reverse()).toEqual(details)
      const loop: { self?: unknown } = {}
      loop.self = loop
      for (const detail of ['x'.repeat(16_001), () => 1, 1n, loop]) {
        await expect(registry.audit({ actor: 'op', action: 'test', subject: 's', detail })).rejects.toMatchObject({
          code: 'MALFORMED',
        })
      }
    })
  })

  it('answers a ping with the time it took', async () => {
    expect(await registry.ping()).toBeGreaterThan(0)
  })

  it('refuses what waits at close and what comes after it, and keeps what came before', async () => {
    const other = createRegistry(await database.open(), { claimWaitMs: patienceMs })
    await other.claim(claimOf('last'))
    const waiting = other.claim(claimOf('waiting'))
    await Promise.all([
      other.close(),
      expect(waiting).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', outcome: 'not-delivered' }),
    ])
    await expect(other.claim(claimOf('late'))).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
    await expect(other.node('last')).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
    expect((await registry.nodes({})).map((node) => node.name)).toEqual(['last'])
  })
}
