import type { Database } from '../store/database.js'
import { text, whole } from './admit.js'
import { writeAudit } from './audit-trail.js'

/** Refuses a token from now on. Rows of tokens that have expired by themselves go at the same time. */
export async function revokeToken(db: Database, tokenId: string, expiresAt: number, actor: string): Promise<void> {
  const id = text(tokenId, 'token id', 128)
  const until = whole(expiresAt, 'expiresAt')
  const by = text(actor, 'actor', 128)
  await db.transaction(async (trx) => {
    await trx('revocations').where('expires_at', '<=', trx.raw(db.now)).delete()
    await trx('revocations')
      .insert({ token_id: id, expires_at: until, revoked_at: trx.raw(db.now) })
      .onConflict('token_id')
      .ignore()
    // Revoked twice, with two opinions on when it ends: the later one is safe.
    await trx('revocations').where({ token_id: id }).where('expires_at', '<', until).update({ expires_at: until })
    await writeAudit(trx, db, [{ actor: by, action: 'revoke-token', subject: id, detail: { expiresAt: until } }])
  })
}

/** All of them: one left out would be a token that works again. */
export async function revokedTokens(db: Database): Promise<string[]> {
  const rows = await db.query<{ token_id: string }[]>((knex) =>
    knex('revocations').where('expires_at', '>', knex.raw(db.now)).orderBy('token_id').select('token_id'),
  )
  return rows.map((row) => row.token_id)
}
