import { createHash, randomBytes } from 'node:crypto'

export const sessionLifeMs = 8 * 60 * 60_000
/** Operators logged in at once; one more ends the oldest session. */
const maxSessions = 100
const cookieName = 'sealway_session'
const cookieForm = new RegExp(`(?:^|; *)${cookieName}=([A-Za-z0-9_-]{43})(?:;|$)`)

export interface Session {
  readonly user: string
  /** ms since 1970. */
  readonly expiresAt: number
}

/** Sessions of operators, in memory: they end with the process. Only hashes are kept, so a dump logs nobody in. */
export class Sessions {
  private readonly byHash = new Map<string, Session>()
  private readonly clock: () => number

  constructor(clock: () => number) {
    this.clock = clock
  }

  /** @returns the value of `Set-Cookie` */
  open(user: string, secure: boolean): string {
    const id = randomBytes(32).toString('base64url')
    this.byHash.set(hashOf(id), { user, expiresAt: this.clock() + sessionLifeMs })
    if (this.byHash.size > maxSessions) this.byHash.delete(this.byHash.keys().next().value!)
    return setCookie(id, sessionLifeMs / 1_000, secure)
  }

  /** @param cookie the whole Cookie header */
  find(cookie: string): Session | undefined {
    const hash = hashIn(cookie)
    const session = hash === undefined ? undefined : this.byHash.get(hash)
    if (!session || session.expiresAt > this.clock()) return session
    this.byHash.delete(hash!)
    return undefined
  }

  /** @returns the value of `Set-Cookie` that makes the browser forget it */
  close(cookie: string, secure: boolean): string {
    const hash = hashIn(cookie)
    if (hash !== undefined) this.byHash.delete(hash)
    return setCookie('', 0, secure)
  }
}

/**
 * Path=/api: cookies know no ports, so a browser sends this one to the nodes' port on the same host too, and under
 * this path nothing of a node's is ever served there.
 */
const setCookie = (value: string, maxAgeSeconds: number, secure: boolean): string =>
  `${cookieName}=${value}; Path=/api; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Strict${secure ? '; Secure' : ''}`

const hashOf = (id: string): string => createHash('sha256').update(id).digest('base64url')

function hashIn(cookie: string): string | undefined {
  // Longer than any browser sends for us: not ours.
  const id = cookie.length > 8_192 ? undefined : cookieForm.exec(cookie)?.[1]
  return id === undefined ? undefined : hashOf(id)
}
