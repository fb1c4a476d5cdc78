import { parseJson, SealwayError } from '@sealway/protocol'
import type { Knex } from 'knex'
import type { Database } from '../store/database.js'
import { malformed, pageSize, record, text, whole } from './admit.js'
import type { AuditEntry } from './registry.js'
import { chunks, storedJson } from './rows.js'

export interface AuditInput {
  readonly actor: string
  readonly action: string
  readonly subject: string
  readonly detail?: unknown
}

interface AuditRow {
  readonly id: number
  readonly at: number
  readonly actor: string
  readonly action: string
  readonly subject: string
  readonly detail: string | null
}

/** JSON of one entry's detail, characters; a longer one is refused. The column takes 64 KiB in UTF-8. */
const maxDetail = 16_000

/** Writes entries in the transaction of what they tell of. @throws SealwayError `MALFORMED`, naming the field */
export async function writeAudit(trx: Knex.Transaction, db: Database, entries: readonly AuditInput[]): Promise<void> {
  const rows = entries.map(admitEntry)
  for (const part of chunks(rows, 100)) {
    await trx('audit').insert(part.map((row) => ({ ...row, at: trx.raw(db.now) })))
  }
}

/** Newest first; 100 unless a limit is given. */
export async function readAudit(
  db: Database,
  options: { readonly before?: number; readonly limit?: number },
): Promise<AuditEntry[]> {
  record(options, 'options')
  const before = options.before === undefined ? undefined : whole(options.before, 'before')
  const limit = pageSize(options.limit, 100)
  const rows = await db.query<AuditRow[]>((knex) => {
    const query = knex('audit').orderBy('id', 'desc').limit(limit)
    if (before !== undefined) query.where('id', '<', before)
    return query.select('id', 'at', 'actor', 'action', 'subject', 'detail')
  })
  return rows.map((row) => ({ ...row, detail: storedJson(row.detail, `audit ${row.id}`, db) }))
}

function admitEntry(entry: AuditInput) {
  record(entry, 'an audit entry')
  return {
    actor: text(entry.actor, 'actor', 128),
    action: text(entry.action, 'action', 64),
    subject: text(entry.subject, 'subject', 255),
    detail: entry.detail === undefined ? null : detailJson(entry.detail),
  }
}

function detailJson(detail: unknown): string {
  let json: string | undefined
  try {
    json = JSON.stringify(detail)
  } catch (cause) {
    throw new SealwayError('MALFORMED', {
      message: 'detail cannot be written as JSON',
      outcome: 'not-delivered',
      cause,
    })
  }
  if (json === undefined) throw malformed(`detail must be JSON, not ${typeof detail}`)
  if (json.length > maxDetail)
    throw malformed(`detail has ${json.length} characters as JSON; at most ${maxDetail} are kept`)
  // Keys such as __proto__ are refused here as everywhere (row W4).
  parseJson(json)
  return json
}
