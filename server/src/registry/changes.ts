import { type GroupName, type NodeName, parseName, quote, SealwayError } from '@sealway/protocol'
import type { Knex } from 'knex'
import type { Database } from '../store/database.js'
import { type AdmittedChange, admitChange, malformed, soughtName, text } from './admit.js'
import { attach } from './attach.js'
import { writeAudit } from './audit-trail.js'
import { nodeByName } from './listing.js'
import { nameFor, type Random } from './nameless.js'
import type { NodeChange, NodeRecord } from './registry.js'
import { attachedTo } from './rows.js'

/*
 * What operators and services change over REST. Each change and its line in the audit trail are one transaction.
 */

const nameTries = 20

export async function upsertNode(
  db: Database,
  random: Random,
  node: { readonly name?: NodeName } & NodeChange & { readonly groups: readonly GroupName[] },
  actor: string,
): Promise<{ node: NodeRecord; created: boolean }> {
  const change = admitChange(node)
  const groups = change.groups
  if (groups === undefined) throw malformed('groups must name at least one group')
  const given = node.name === undefined ? undefined : parseName(node.name)
  const by = text(actor, 'actor', 128)
  return db.transaction(async (trx) => {
    for (let i = 0; i < nameTries; i++) {
      const name = given ?? nameFor(groups[0]!, random)
      const created = await createNode(trx, db, name)
      if (!created && given === undefined) continue
      await applyChange(trx, db, name, change, by, created ? 'create' : 'update')
      return { node: (await nodeByName(trx, db, name))!, created }
    }
    throw new SealwayError('CONFLICT', {
      message: `no free name was found in group ${groups[0]} in ${nameTries} tries`,
      outcome: 'not-delivered',
    })
  })
}

export async function updateNode(db: Database, name: string, change: NodeChange, actor: string): Promise<NodeRecord> {
  const admitted = admitChange(change)
  const by = text(actor, 'actor', 128)
  const sought = soughtName(name)
  if (sought === undefined) throw unknownNode(name)
  return db.transaction(async (trx) => {
    await applyChange(trx, db, sought, admitted, by, 'update')
    return (await nodeByName(trx, db, sought))!
  })
}

export async function removeNode(db: Database, name: string, actor: string): Promise<void> {
  const by = text(actor, 'actor', 128)
  const sought = soughtName(name)
  if (sought === undefined) throw unknownNode(name)
  await db.transaction(async (trx) => {
    const removed = await trx('nodes').where({ name: sought }).delete()
    if (removed === 0) throw unknownNode(name)
    await writeAudit(trx, db, [{ actor: by, action: 'remove', subject: sought }])
  })
}

/** @returns false where the name is registered already */
async function createNode(trx: Knex.Transaction, db: Database, name: string): Promise<boolean> {
  if (await trx('nodes').where({ name }).first('id')) return false
  await trx('nodes').insert({ name, created_at: trx.raw(db.now) })
  return true
}

async function applyChange(
  trx: Knex.Transaction,
  db: Database,
  name: string,
  change: AdmittedChange,
  actor: string,
  action: 'create' | 'update',
): Promise<void> {
  // Locked, so that what is compared below is still there when it is written.
  const row: { id: number } | undefined = await trx('nodes').where({ name }).forUpdate().first('id')
  if (!row) throw unknownNode(name)
  const current = (await attachedTo(trx, [row.id])).get(row.id)!
  if (change.meta !== undefined) await trx('nodes').where({ id: row.id }).update({ meta: change.meta })
  await attach(trx, db, [{ id: row.id, current, groups: change.groups, endpoints: change.endpoints }])
  const detail = {
    ...(change.groups === undefined ? {} : { groups: change.groups, before: current.groups }),
    ...(change.endpoints === undefined ? {} : { endpoints: change.endpoints.map((endpoint) => endpoint.name) }),
    ...(change.meta === undefined ? {} : { meta: change.meta === null ? 'removed' : 'set' }),
  }
  await writeAudit(trx, db, [{ actor, action, subject: name, detail }])
}

const unknownNode = (name: unknown) =>
  new SealwayError('UNKNOWN_NODE', { message: `no node ${quote(name)} is registered`, outcome: 'not-delivered' })
