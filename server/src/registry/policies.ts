import {
  maxPolicies,
  maxPolicyBytes,
  parsePolicy,
  parsePolicyName,
  quote,
  SealwayError,
  type TrafficPolicy,
} from '@sealway/protocol'
import type { Database } from '../store/database.js'
import { malformed, text } from './admit.js'
import { writeAudit } from './audit-trail.js'
import type { PolicyRecord } from './registry.js'
import { storedJson } from './rows.js'

interface PolicyRow {
  readonly target: string
  readonly action: string
  readonly settings: string
  readonly updated_at: number
  readonly updated_by: string
}

/** All of them, by target and action. One that somebody damaged is left out, with a line in the log. */
export async function listPolicies(db: Database): Promise<PolicyRecord[]> {
  const rows = await db.query<PolicyRow[]>((knex) =>
    knex('policies').orderBy(['target', 'action']).select('target', 'action', 'settings', 'updated_at', 'updated_by'),
  )
  return rows.flatMap((row) => policyRecord(row, db) ?? [])
}

/** Replaces the policy of the same target and action. @throws SealwayError `MALFORMED`, `INVALID_NAME`, `TOO_LARGE` */
export async function setPolicy(
  db: Database,
  policy: TrafficPolicy,
  actor: string,
): Promise<{ policy: PolicyRecord; created: boolean }> {
  const admitted = parsePolicy(policy)
  const { target, action, ...settings } = admitted
  const json = JSON.stringify(settings)
  if (Buffer.byteLength(JSON.stringify(admitted)) > maxPolicyBytes) {
    throw malformed(`the policy is over ${maxPolicyBytes} bytes as JSON`)
  }
  const by = text(actor, 'actor', 128)
  const name = { target, action: action ?? '' }
  return db.transaction(async (trx) => {
    const changed = { settings: json, updated_at: trx.raw(db.now), updated_by: by }
    const created = (await trx('policies').where(name).update(changed)) === 0
    if (created) {
      // Locked, so that two who add at the same time do not both find room for one.
      const [counted] = await trx('policies').forUpdate().count({ rows: '*' })
      if (Number(counted!.rows) >= maxPolicies) {
        throw new SealwayError('TOO_LARGE', {
          message: `there are ${maxPolicies} policies already; remove one, or let one say more`,
          outcome: 'not-delivered',
        })
      }
      await trx('policies').insert({ ...name, ...changed })
    }
    await writeAudit(trx, db, [{ actor: by, action: 'set-policy', subject: target, detail: admitted }])
    const row: PolicyRow = await trx('policies').where(name).first()
    return { policy: { ...admitted, updatedAt: row.updated_at, updatedBy: row.updated_by }, created }
  })
}

/** @throws SealwayError `NOT_FOUND` */
export async function removePolicy(
  db: Database,
  target: string,
  action: string | undefined,
  actor: string,
): Promise<void> {
  const by = text(actor, 'actor', 128)
  const name = parsePolicyName(target, action)
  await db.transaction(async (trx) => {
    const removed = await trx('policies')
      .where({ target: name.target, action: name.action ?? '' })
      .delete()
    if (removed === 0) {
      const what = name.action === undefined ? '' : ` and the action ${quote(name.action)}`
      throw new SealwayError('NOT_FOUND', {
        message: `there is no policy for ${quote(name.target)}${what}`,
        outcome: 'not-delivered',
      })
    }
    await writeAudit(trx, db, [{ actor: by, action: 'remove-policy', subject: name.target, detail: name }])
  })
}

function policyRecord(row: PolicyRow, db: Database): PolicyRecord | undefined {
  const { target, action, settings, updated_at: updatedAt, updated_by: updatedBy } = row
  const stored = storedJson(settings, `policy ${target}`, db)
  if (stored === null) return undefined
  try {
    const policy = { ...stored, target, ...(action === '' ? {} : { action }) }
    return { ...parsePolicy(policy, { unknownFields: 'ignore' }), updatedAt, updatedBy }
  } catch (error) {
    db.log.warn({ subject: `policy ${target}`, error: String(error) }, 'a row holds a policy that is not accepted')
    return undefined
  }
}
