import type { Api } from './api.js'

export interface IssuedToken {
  readonly id: string
  readonly name: string
  readonly scopes: readonly string[]
  readonly at: number
  readonly by: string
  readonly expiresAt: number
  readonly revoked: boolean
}

interface Entry {
  readonly at: number
  readonly actor: string
  readonly action: string
  readonly subject: string
  readonly detail: { readonly tokenId?: unknown; readonly scopes?: unknown; readonly expiresAt?: unknown } | null
}

interface AuditPage {
  readonly entries: readonly Entry[]
  readonly next: number | null
}

/** No token lives longer, so older entries tell of none, ms. */
const longestLifeMs = 30 * 86_400_000
const maxPages = 10

/** Tokens that have not ended, from the audit trail, which has each of them; the newest first. @throws ApiError */
export async function readTokens(api: Api, now: number): Promise<IssuedToken[]> {
  const issued: IssuedToken[] = []
  const revoked = new Set<string>()
  let before: number | null = null
  for (let page = 0; page < maxPages; page++) {
    const { entries, next }: AuditPage = await api.get(
      `/api/audit?limit=1000${before === null ? '' : `&before=${before}`}`,
    )
    for (const { at, actor, action, subject, detail } of entries) {
      if (action === 'revoke-token') revoked.add(subject)
      if (action !== 'issue-token' || typeof detail?.tokenId !== 'string' || typeof detail.expiresAt !== 'number')
        continue
      if (detail.expiresAt <= now) continue
      const scopes = Array.isArray(detail.scopes) ? detail.scopes.map(String) : []
      // Newest first: whoever revoked it came before it here.
      issued.push({
        id: detail.tokenId,
        name: subject,
        scopes,
        at,
        by: actor,
        expiresAt: detail.expiresAt,
        revoked: revoked.has(detail.tokenId),
      })
    }
    if (next === null || (entries.at(-1)?.at ?? 0) < now - longestLifeMs) break
    before = next
  }
  return issued
}
