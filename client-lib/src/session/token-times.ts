/** How far ahead of the mediator's clock a token may be dated, ms (SEMANTICS.md, "Identity"). */
const maxAheadMs = 60_000

/** Times of a token, ms since 1970; undefined where it is no JWT. */
export function timesOf(token: string): { readonly issuedAt: number; readonly expiresAt: number } | undefined {
  try {
    const payload = (token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/')
    // What it says may be no UTF-8 any more; its times are numbers.
    const { iat, exp } = JSON.parse(atob(payload)) as { iat?: unknown; exp?: unknown }
    if (typeof iat !== 'number' || typeof exp !== 'number') return undefined
    return { issuedAt: iat * 1_000, expiresAt: exp * 1_000 }
  } catch {
    return undefined
  }
}

/** Whether a mediator whose clock says `now` refuses a token for its times, whatever else may be wrong with it. */
export function isUntimely(token: string, now: number): boolean {
  const times = timesOf(token)
  return times !== undefined && (times.expiresAt <= now || times.issuedAt > now + maxAheadMs)
}
