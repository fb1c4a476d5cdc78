import { randomInt } from 'node:crypto'
import type { Knex } from 'knex'
import type { Database } from '../store/database.js'
import { type AdmittedClaim, admitClaim, whole } from './admit.js'
import { readAudit, writeAudit } from './audit-trail.js'
import { removeNode, updateNode, upsertNode } from './changes.js'
import { type Claimed, claimAll } from './claims.js'
import { CommitQueue, type Settled } from './commit-queue.js'
import { existing, groupExists, listGroups, listNodes, nodeById, nodeByName } from './listing.js'
import { leaveSlot, renewSlot, takeSlot } from './mediators.js'
import type { Random } from './nameless.js'
import { listPolicies, removePolicy, setPolicy } from './policies.js'
import { admitHeld, evict, type Held, releaseAll, releaseHeld, touchHeld } from './presence.js'
import type { Registry } from './registry.js'
import { revokedTokens, revokeToken } from './revocations.js'

export interface RegistryOptions {
  /** Makes names for nodes that bring none. */
  readonly random?: Random
  /** How long a claim waits for a database that does not answer, ms; 5 s unless given (SEMANTICS.md). */
  readonly claimWaitMs?: number
}

type Entry =
  | { readonly type: 'claim'; readonly claim: AdmittedClaim }
  | { readonly type: 'release'; readonly held: Held }

/** The registry on a migrated database. `close()` closes the database with it. */
export function createRegistry(db: Database, options: RegistryOptions = {}): Registry {
  const random = options.random ?? ((below: number) => randomInt(below))

  const queue: CommitQueue<Entry, Claimed | undefined> = new CommitQueue({
    key: (entry) => (entry.type === 'claim' ? entry.claim.name : entry.held.name),
    run: (batch) => db.transaction((trx) => runBatch(trx, db, random, batch)),
    abandoned(_, claimed) {
      // Nobody holds this claim: without this the node would seem online for ever.
      if (!claimed) return
      queue.add({ type: 'release', held: claimed }).catch((error: unknown) => {
        db.log.warn({ node: claimed.name, error: String(error) }, 'a claim that nobody waited for stays online')
      })
    },
    ...(options.claimWaitMs === undefined ? {} : { waitMs: options.claimWaitMs }),
  })

  return {
    async claim(claim) {
      return (await queue.add({ type: 'claim', claim: admitClaim(claim) }))!
    },
    async release(name, epoch, leaves = false) {
      const held = admitHeld({ name, epoch })
      if (held) await queue.add({ type: 'release', held: { ...held, leaves } })
    },
    async touch(live) {
      await touchHeld(
        db,
        live.flatMap((entry) => admitHeld(entry) ?? []),
      )
    },
    releaseAll: () => releaseAll(db),

    node: (name) => db.query((knex) => nodeByName(knex, db, name)),
    nodeById: (id) => db.query((knex) => nodeById(knex, db, id)),
    nodes: (filter) => db.query((knex) => listNodes(knex, db, filter)),
    groups: () => db.query(listGroups),
    groupExists: (name) => db.query((knex) => groupExists(knex, name)),
    existing: (kind, names) => db.query((knex) => existing(knex, kind, names)),

    upsertNode: async (node, actor) => upsertNode(db, random, node, actor),
    updateNode: async (name, change, actor) => updateNode(db, name, change, actor),
    removeNode: async (name, actor) => removeNode(db, name, actor),
    evict: async (unseenMs, namelessMs = unseenMs) =>
      evict(db, whole(unseenMs, 'unseenMs'), whole(namelessMs, 'namelessMs')),

    revokeToken: async (tokenId, expiresAt, actor) => revokeToken(db, tokenId, expiresAt, actor),
    revokedTokens: () => revokedTokens(db),
    policies: () => listPolicies(db),
    setPolicy: async (policy, actor) => setPolicy(db, policy, actor),
    removePolicy: async (target, action, actor) => removePolicy(db, target, action, actor),
    audit: (entry) => db.transaction((trx) => writeAudit(trx, db, [entry])),
    auditTrail: async (page) => readAudit(db, page),

    takeSlot: (own, isGone) => takeSlot(db, own, isGone),
    renewSlot: (instance) => renewSlot(db, instance),
    leaveSlot: (instance) => leaveSlot(db, instance),

    async ping() {
      const start = performance.now()
      await db.query((knex) => knex.raw('SELECT 1'))
      return performance.now() - start
    },
    async close() {
      await queue.close()
      await db.close()
    },
  }
}

async function runBatch(
  trx: Knex.Transaction,
  db: Database,
  random: Random,
  batch: readonly Entry[],
): Promise<Settled<Claimed | undefined>[]> {
  const releases = batch.flatMap((entry) => (entry.type === 'release' ? [entry.held] : []))
  const claims = batch.flatMap((entry) => (entry.type === 'claim' ? [entry.claim] : []))
  if (releases.length > 0) await releaseHeld(trx, db, releases)
  const settled = claims.length > 0 ? await claimAll(trx, db, random, claims) : []
  let next = 0
  return batch.map((entry) => (entry.type === 'release' ? { done: undefined } : settled[next++]!))
}
