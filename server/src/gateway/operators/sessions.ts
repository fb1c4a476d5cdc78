import { createHmac, createSecretKey, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto'

export const sessionLifeMs = 8 * 60 * 60_000
/** Logged out here, and remembered until they would have ended anyway; one more forgets the oldest. */
const maxEnded = 10_000
/** Before the 16 random bytes of a session, wherever it is named: in the list of what is revoked, in the audit trail. */
const idPrefix = 'session-'
const cookieName = 'sealway_session'
/** `<end, ms since 1970>.<16 random bytes>.<MAC over both>` */
const cookieForm = new RegExp(
  `(?:^|; *)${cookieName}=(([1-9][0-9]{0,15})\\.([A-Za-z0-9_-]{22}))\\.([A-Za-z0-9_-]{43})(?:;|$)`,
)

export interface Session {
  readonly user: string
  /** Names it, and opens nothing: the MAC is no part of it. */
  readonly id: string
  /** ms since 1970. */
  readonly expiresAt: number
}

/** Of the key of operators, so that sessions outlast the process, and end with another password. */
export const sessionKey = (operatorKey: KeyObject, user: string): KeyObject =>
  createSecretKey(createHmac('sha256', operatorKey).update(`sealway operator session\0${user}`).digest())

export interface SessionsParts {
  readonly clock: () => number
  readonly user: string
  readonly key: KeyObject
  /** Whether that session was logged out, here before a restart or at another mediator. */
  readonly isRevoked: (id: string) => boolean
}

/**
 * Sessions of the operator. The cookie itself says how long, under a MAC: nothing is kept but what was logged out, so
 * an open page goes on when the mediator was restarted (docs/decisions/0014).
 */
export class Sessions {
  /** When each of them would have ended, by its id: a log-out holds here at once, whatever the database does. */
  private readonly ended = new Map<string, number>()

  constructor(private readonly parts: SessionsParts) {}

  /** @returns the value of `Set-Cookie` */
  open(secure: boolean): string {
    const said = `${this.parts.clock() + sessionLifeMs}.${randomBytes(16).toString('base64url')}`
    return setCookie(`${said}.${this.macOf(said).toString('base64url')}`, sessionLifeMs / 1_000, secure)
  }

  /** @param cookie the whole Cookie header */
  find(cookie: string): Session | undefined {
    const session = this.saidIn(cookie)
    return session && !this.ended.has(session.id) && !this.parts.isRevoked(session.id) ? session : undefined
  }

  /** Ends the session of this cookie, here and now. @returns it, where it was one that had not ended */
  close(cookie: string): Session | undefined {
    const session = this.find(cookie)
    if (!session) return undefined
    const now = this.parts.clock()
    for (const [id, end] of this.ended) if (end <= now) this.ended.delete(id)
    this.ended.set(session.id, session.expiresAt)
    if (this.ended.size > maxEnded) this.ended.delete(this.ended.keys().next().value!)
    return session
  }

  /** Undefined where nobody here said it, or it is over. */
  private saidIn(cookie: string): Session | undefined {
    // Longer than any browser sends for us: not ours.
    const found = cookie.length > 8_192 ? null : cookieForm.exec(cookie)
    if (!found) return undefined
    const [, text, end, random, mac] = found
    if (!timingSafeEqual(this.macOf(text!), Buffer.from(mac!, 'base64url'))) return undefined
    const { user, clock } = this.parts
    const expiresAt = Number(end)
    return expiresAt > clock() ? { user, id: `${idPrefix}${random}`, expiresAt } : undefined
  }

  private macOf(said: string): Buffer {
    return createHmac('sha256', this.parts.key).update(said).digest()
  }
}

/** The value of `Set-Cookie` that makes the browser forget its session. */
export const forgetCookie = (secure: boolean): string => setCookie('', 0, secure)

/**
 * Path=/api: cookies know no ports, so a browser sends this one to the nodes' port on the same host too, and under
 * this path nothing of a node's is ever served there.
 */
const setCookie = (value: string, maxAgeSeconds: number, secure: boolean): string =>
  `${cookieName}=${value}; Path=/api; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Strict${secure ? '; Secure' : ''}`
