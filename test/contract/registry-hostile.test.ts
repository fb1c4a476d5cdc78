import type { Endpoint } from '@sealway/protocol'
import { SealwayError } from '@sealway/protocol'
import { createRegistry } from '../../server/src/registry/create-registry.js'
import type { Claim, NodeChange, Registry } from '../../server/src/registry/registry.js'
import type { Database } from '../../server/src/store/database.js'
import { migrate } from '../../server/src/store/migrate.js'
import { allRows, databases, emptyTables, type TestDatabase } from '../support/databases.js'
import { hostileStrings } from '../support/hostile-strings.js'
import { patienceMs } from '../support/patience.js'
import { claimOf, groups, named, web } from './registry.js'

/** What stands where a text or a number belongs, as a JSON body or a caller without types would bring it. */
const notText: readonly unknown[] = [
  {},
  { toString: 'x' },
  { or: [1, 1] },
  { name: 'victim' },
  { sql: '1=1', bindings: [] },
  { toSQL: 'x', isRawInstance: true },
  [],
  ['victim'],
  [['victim']],
  [{ name: 'victim' }],
  true,
  false,
  Symbol('s'),
  () => 'victim',
  new Date(0),
  Buffer.from('victim'),
  new Map([['name', 'victim']]),
  Object.create(null),
  Number.NaN,
  Number.POSITIVE_INFINITY,
  -1,
  1.5,
  2 ** 60,
  1n,
]

/** Every field of every method that takes a text, a number or a structure of them. */
const fields: readonly (readonly [string, (registry: Registry, value: never) => Promise<unknown>])[] = [
  ['claim.name', (r, v) => r.claim({ ...claimOf('x'), name: v })],
  ['claim.groups', (r, v) => r.claim(claimOf('x', { groups: v }))],
  ['claim.groups[0]', (r, v) => r.claim(claimOf('x', { groups: [v] }))],
  ['claim.instance', (r, v) => r.claim(claimOf('x', { instance: v }))],
  ['claim.transport', (r, v) => r.claim(claimOf('x', { transport: v }))],
  ['claim.address', (r, v) => r.claim(claimOf('x', { address: v }))],
  ['claim.client', (r, v) => r.claim(claimOf('x', { client: v }))],
  ['claim.expectedEpoch', (r, v) => r.claim(claimOf('x', { expectedEpoch: v }))],
  ['claim.endpoints[0]', (r, v) => r.claim(claimOf('x', { endpoints: [v] }))],
  ['claim.endpoints[0].name', (r, v) => r.claim(claimOf('x', { endpoints: [{ ...web, name: v }] }))],
  ['claim.endpoints[0].protocol', (r, v) => r.claim(claimOf('x', { endpoints: [{ ...web, protocol: v }] }))],
  ['claim.endpoints[0].address', (r, v) => r.claim(claimOf('x', { endpoints: [{ ...web, address: v }] }))],
  ['claim.endpoints[0].port', (r, v) => r.claim(claimOf('x', { endpoints: [{ ...web, port: v }] }))],
  ['release.name', (r, v) => r.release(v, 1)],
  ['release.epoch', (r, v) => r.release('victim', v)],
  ['touch[0]', (r, v) => r.touch([v])],
  ['touch[0].name', (r, v) => r.touch([{ name: v, epoch: 1 }])],
  ['touch[0].epoch', (r, v) => r.touch([{ name: 'victim', epoch: v }])],
  ['node', (r, v) => r.node(v)],
  ['nodeById', (r, v) => r.nodeById(v)],
  ['nodes.group', (r, v) => r.nodes({ group: v })],
  ['nodes.after', (r, v) => r.nodes({ after: v })],
  ['nodes.limit', (r, v) => r.nodes({ limit: v })],
  ['groupExists', (r, v) => r.groupExists(v)],
  ['existing node', (r, v) => r.existing('node', [v])],
  ['existing group', (r, v) => r.existing('group', [v])],
  ['upsertNode.name', (r, v) => r.upsertNode({ name: v, groups: groups('g') }, 'op')],
  ['upsertNode.groups', (r, v) => r.upsertNode({ name: named('x'), groups: v }, 'op')],
  ['upsertNode.groups[0]', (r, v) => r.upsertNode({ name: named('x'), groups: [v] }, 'op')],
  [
    'upsertNode.endpoints[0].port',
    (r, v) => r.upsertNode({ groups: groups('g'), endpoints: [{ ...web, port: v }] }, 'op'),
  ],
  ['upsertNode actor', (r, v) => r.upsertNode({ name: named('x'), groups: groups('g') }, v)],
  ['updateNode.name', (r, v) => r.updateNode(v, { meta: null }, 'op')],
  ['updateNode.groups[0]', (r, v) => r.updateNode('target', { groups: [v] }, 'op')],
  ['updateNode.endpoints[0].address', (r, v) => r.updateNode('target', { endpoints: [{ ...web, address: v }] }, 'op')],
  ['updateNode actor', (r, v) => r.updateNode('target', { meta: null }, v)],
  ['removeNode', (r, v) => r.removeNode(v, 'op')],
  ['removeNode actor', (r, v) => r.removeNode('target', v)],
  ['evict', (r, v) => r.evict(v)],
  ['revokeToken', (r, v) => r.revokeToken(v, 2 ** 50, 'op')],
  ['revokeToken.expiresAt', (r, v) => r.revokeToken('t', v, 'op')],
  ['revokeToken actor', (r, v) => r.revokeToken('t', 2 ** 50, v)],
  ['setPolicy.target', (r, v) => r.setPolicy({ target: v }, 'op')],
  ['setPolicy.action', (r, v) => r.setPolicy({ target: 'victim', action: v }, 'op')],
  ['setPolicy.retries.max', (r, v) => r.setPolicy({ target: 'victim', retries: { max: v } }, 'op')],
  ['setPolicy.breaker.failures', (r, v) => r.setPolicy({ target: 'victim', breaker: { failures: v } }, 'op')],
  ['setPolicy.balance', (r, v) => r.setPolicy({ target: 'victim', balance: v }, 'op')],
  ['setPolicy.balance.sticky', (r, v) => r.setPolicy({ target: 'victim', balance: { sticky: v } }, 'op')],
  ['setPolicy actor', (r, v) => r.setPolicy({ target: 'victim' }, v)],
  ['removePolicy', (r, v) => r.removePolicy(v, undefined, 'op')],
  ['removePolicy.action', (r, v) => r.removePolicy('victim', v, 'op')],
  ['removePolicy actor', (r, v) => r.removePolicy('victim', undefined, v)],
  ['audit.actor', (r, v) => r.audit({ actor: v, action: 'a', subject: 's' })],
  ['audit.action', (r, v) => r.audit({ actor: 'a', action: v, subject: 's' })],
  ['audit.subject', (r, v) => r.audit({ actor: 'a', action: 'a', subject: v })],
  ['auditTrail.before', (r, v) => r.auditTrail({ before: v })],
  ['auditTrail.limit', (r, v) => r.auditTrail({ limit: v })],
]

/** Structures, where an object or a list is right: what else there may be. */
const structures: typeof fields = [
  ['claim.meta', (r, v) => r.claim(claimOf('x', { meta: v }))],
  ['claim.endpoints[0].meta', (r, v) => r.claim(claimOf('x', { endpoints: [{ ...web, meta: v }] }))],
  ['updateNode.meta', (r, v) => r.updateNode('victim', { meta: v }, 'op')],
  ['updateNode change', (r, v) => r.updateNode('victim', v, 'op')],
  ['nodes filter', (r, v) => r.nodes(v)],
  ['nodes.online', (r, v) => r.nodes({ online: v })],
  ['auditTrail options', (r, v) => r.auditTrail(v)],
  ['setPolicy', (r, v) => r.setPolicy(v, 'op')],
  ['setPolicy.retries', (r, v) => r.setPolicy({ target: 'victim', retries: v === 7 ? [v] : v } as never, 'op')],
  ['setPolicy.breaker', (r, v) => r.setPolicy({ target: 'victim', breaker: v }, 'op')],
  ['audit entry', (r, v) => r.audit(v)],
]

const refusals = ['MALFORMED', 'INVALID_NAME']

describe.each(databases)('hostile input to the registry on %s', (_, open) => {
  let database: TestDatabase
  let db: Database
  let registry: Registry

  beforeAll(async () => {
    database = await open()
    db = await database.open()
    await migrate(db)
    registry = createRegistry(db, { claimWaitMs: patienceMs })
  })
  beforeEach(async () => {
    await emptyTables(db)
    await registry.claim(claimOf('victim', { groups: groups('g', 'victims'), endpoints: [web], meta: { a: 1 } }))
    await registry.claim(claimOf('target'))
    await registry.setPolicy({ target: 'bystander', timeout: 1_000 }, 'op')
    await registry.revokeToken('victim-token', 2 ** 50, 'op')
  })
  afterAll(() => database.drop())

  it.each(fields)('refuses at %s whatever is neither text nor number, and changes nothing', async (field, call) => {
    const before = await allRows(db)
    for (const value of notText) {
      // A list of texts is what groups are.
      if (field.endsWith('.groups') && Array.isArray(value) && value[0] === 'victim') continue
      const error = await call(registry, value as never).then(
        (result) => ({ result }),
        (thrown: unknown) => thrown,
      )
      expect([field, error]).toEqual([field, expect.any(SealwayError)])
      expect(refusals).toContain((error as SealwayError).code)
    }
    expect(await allRows(db)).toEqual(before)
  })

  it.each(structures)('refuses at %s what is no object of the right form', async (field, call) => {
    const before = await allRows(db)
    for (const value of ['text', "' OR 1=1 --", 7, [['x']], Symbol('s'), 1n]) {
      const error = await call(registry, value as never).then(
        (result) => ({ result }),
        (thrown: unknown) => thrown,
      )
      expect([field, error]).toEqual([field, expect.any(SealwayError)])
      expect(refusals).toContain((error as SealwayError).code)
    }
    expect(await allRows(db)).toEqual(before)
  })

  it.each(fields)(
    'takes 100 hostile texts at %s as data or refuses them; what was there is untouched',
    async (_, call) => {
      const bystanders = async () => ({
        node: await registry.node('victim'),
        audited: await db.knex('audit').where({ subject: 'victim-token' }).count({ n: '*' }).first(),
        revoked: (await registry.revokedTokens()).includes('victim-token'),
        policy: (await registry.policies()).find(({ target }) => target === 'bystander'),
      })
      const before = await bystanders()
      const outcomes = await Promise.allSettled(hostileStrings.map((text) => call(registry, text as never)))
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected')
          expect([...refusals, 'UNKNOWN_NODE', 'NOT_FOUND']).toContain(outcome.reason.code)
      }
      expect(await bystanders()).toEqual(before)
    },
  )

  it('gives each hostile text back as it was, wherever texts are free', async () => {
    let kept = 0
    for (const text of hostileStrings) {
      const endpoint: Endpoint = { ...web, address: text, meta: { text } }
      const meta = { [`k${kept}`]: text }
      const claim: Claim = claimOf('x', { address: text, client: text.slice(0, 100), endpoints: [endpoint], meta })
      const outcome = await registry.claim(claim).then(
        () => undefined,
        (error: unknown) => error,
      )
      if (outcome) {
        expect(refusals).toContain((outcome as SealwayError).code)
        continue
      }
      kept += 1
      expect(await registry.node('x')).toMatchObject({
        address: text,
        client: text.slice(0, 100),
        endpoints: [endpoint],
        meta,
      })
      await registry.audit({ actor: text.slice(0, 128), action: 'test', subject: text, detail: { text } })
      expect((await registry.auditTrail({ limit: 1 }))[0]).toMatchObject({ subject: text, detail: { text } })
      const change: NodeChange = { meta: { text } }
      expect((await registry.updateNode('x', change, text.slice(0, 128))).meta).toEqual({ text })
    }
    // Refused are only those with control characters, half a surrogate pair, or no character at all.
    expect(kept).toBeGreaterThan(70)
  })

  it('refuses JSON with keys that reach a prototype, in every field that keeps JSON', async () => {
    const before = await allRows(db)
    for (const json of [
      '{"__proto__":{"x":1}}',
      '{"a":{"constructor":{"x":1}}}',
      '{"a":[{"prototype":1}]}',
      '{"\\u005f_proto__":{"x":1}}',
    ]) {
      const poison = JSON.parse(json)
      for (const attempt of [
        registry.claim(claimOf('x', { meta: poison })),
        registry.claim(claimOf('x', { endpoints: [{ ...web, meta: poison }] })),
        registry.upsertNode({ groups: groups('g'), meta: poison }, 'op'),
        registry.updateNode('victim', { meta: poison }, 'op'),
        registry.updateNode('victim', { endpoints: [{ ...web, meta: poison }] }, 'op'),
        registry.audit({ actor: 'op', action: 'test', subject: 's', detail: poison }),
      ]) {
        await expect(attempt).rejects.toMatchObject({ code: 'MALFORMED' })
      }
    }
    expect(({} as { x?: unknown }).x).toBeUndefined()
    expect(await allRows(db)).toEqual(before)
  })

  it.each(['{"__proto__":{"x":1}}', '{"constructor":{"prototype":{"x":1}}}', '{', '[1]', '"text"', 'null', ''])(
    'leaves out %p that somebody wrote into the database, and shows the rest',
    async (json) => {
      await db.knex('nodes').update({ meta: json })
      await db.knex('endpoints').update({ meta: json })
      await db.knex('audit').update({ detail: json })
      const { meta: _, ...plainEndpoint } = web
      expect(await registry.node('victim')).toMatchObject({ name: 'victim', meta: null, endpoints: [plainEndpoint] })
      expect((await registry.nodes({}))[1]).toMatchObject({ name: 'victim', meta: null })
      expect((await registry.auditTrail({}))[0]).toMatchObject({ subject: 'victim-token' })
      expect(({} as { x?: unknown }).x).toBeUndefined()
    },
  )

  it.each([
    ['meta over 1 KiB', { meta: { text: 'x'.repeat(1_024) } }],
    ['65 groups', { groups: groups(...Array.from({ length: 65 }, (_, i) => `g${i}`)) }],
    ['no group', { groups: groups() }],
    ['33 endpoints', { endpoints: Array.from({ length: 33 }, (_, i) => ({ ...web, name: `e${i}` })) }],
    ['one endpoint twice', { endpoints: [web, web] }],
    ['an address of 256 characters', { address: 'x'.repeat(256) }],
    ['a client of 101 characters', { client: 'x'.repeat(101) }],
  ])('refuses %s', async (_what, change) => {
    const before = await allRows(db)
    await expect(registry.claim(claimOf('x', change))).rejects.toMatchObject({ code: 'MALFORMED' })
    expect(await allRows(db)).toEqual(before)
  })

  it('takes the most that is allowed of everything', async () => {
    const most = claimOf('x'.repeat(64), {
      groups: groups(...Array.from({ length: 64 }, (_, i) => `g${i}`.padEnd(64, 'x'))),
      endpoints: Array.from({ length: 32 }, (_, i) => ({
        name: `e${i}`.padEnd(64, 'x'),
        protocol: 'x'.repeat(32),
        address: '😀'.repeat(127),
        port: 65_535,
        meta: { text: '😀'.repeat(500) },
      })),
      meta: { text: '€'.repeat(1_000) },
      address: '😀'.repeat(127),
      client: '€'.repeat(100),
    })
    await registry.claim(most)
    const node = (await registry.node('x'.repeat(64)))!
    expect(node).toMatchObject({ groups: most.groups, endpoints: most.endpoints, meta: most.meta, client: most.client })
    await registry.updateNode(node.name, { groups: most.groups, endpoints: most.endpoints }, 'x'.repeat(128))
  })
})
