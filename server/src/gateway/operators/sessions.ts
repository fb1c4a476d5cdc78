import { createHmac, createSecretKey, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto'

export const sessionLifeMs = 8 * 60 * 60_000
/** Logged out, and remembered until they would have ended anyway; one more forgets the oldest. */
const maxEnded = 10_000
const cookieName = 'sealway_session'
/** `<end, ms since 1970>.<16 random bytes>.<MAC over both>` */
const cookieForm = new RegExp(
  `(?:^|; *)${cookieName}=(([1-9][0-9]{0,15})\\.[A-Za-z0-9_-]{22})\\.([A-Za-z0-9_-]{43})(?:;|$)`,
)

export interface Session {
  readonly user: string
  /** ms since 1970. */
  readonly expiresAt: number
}

/** Of the key of operators, so that sessions outlast the process, and end with another password. */
export const sessionKey = (operatorKey: KeyObject, user: string): KeyObject =>
  createSecretKey(createHmac('sha256', operatorKey).update(`sealway operator session\0${user}`).digest())

/**
 * Sessions of the operator. The cookie itself says how long, under a MAC: nothing is kept but what was logged out, so
 * an open page goes on when the mediator was restarted (docs/decisions/0014).
 */
export class Sessions {
  /** When each of them would have ended, by what is under the MAC. */
  private readonly ended = new Map<string, number>()
  private readonly clock: () => number
  private readonly user: string
  private readonly key: KeyObject

  constructor(parts: { readonly clock: () => number; readonly user: string; readonly key: KeyObject }) {
    this.clock = parts.clock
    this.user = parts.user
    this.key = parts.key
  }

  /** @returns the value of `Set-Cookie` */
  open(secure: boolean): string {
    const said = `${this.clock() + sessionLifeMs}.${randomBytes(16).toString('base64url')}`
    return setCookie(`${said}.${this.macOf(said).toString('base64url')}`, sessionLifeMs / 1_000, secure)
  }

  /** @param cookie the whole Cookie header */
  find(cookie: string): Session | undefined {
    const said = this.saidIn(cookie)
    return said && !this.ended.has(said.text) ? { user: this.user, expiresAt: said.expiresAt } : undefined
  }

  /** @returns the value of `Set-Cookie` that makes the browser forget it */
  close(cookie: string, secure: boolean): string {
    const said = this.saidIn(cookie)
    if (said) {
      const now = this.clock()
      for (const [text, end] of this.ended) if (end <= now) this.ended.delete(text)
      this.ended.set(said.text, said.expiresAt)
      if (this.ended.size > maxEnded) this.ended.delete(this.ended.keys().next().value!)
    }
    return setCookie('', 0, secure)
  }

  /** Undefined where nobody here said it, or it is over. */
  private saidIn(cookie: string): { readonly text: string; readonly expiresAt: number } | undefined {
    // Longer than any browser sends for us: not ours.
    const found = cookie.length > 8_192 ? null : cookieForm.exec(cookie)
    if (!found) return undefined
    const [, text, end, mac] = found
    if (!timingSafeEqual(this.macOf(text!), Buffer.from(mac!, 'base64url'))) return undefined
    const expiresAt = Number(end)
    return expiresAt > this.clock() ? { text: text!, expiresAt } : undefined
  }

  private macOf(said: string): Buffer {
    return createHmac('sha256', this.key).update(said).digest()
  }
}

/**
 * Path=/api: cookies know no ports, so a browser sends this one to the nodes' port on the same host too, and under
 * this path nothing of a node's is ever served there.
 */
const setCookie = (value: string, maxAgeSeconds: number, secure: boolean): string =>
  `${cookieName}=${value}; Path=/api; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Strict${secure ? '; Secure' : ''}`
