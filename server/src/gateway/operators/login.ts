import { createHmac, type KeyObject, randomBytes } from 'node:crypto'
import { SealwayError } from '@sealway/protocol'
import type { Request } from 'express'
import type { Identity } from '../../auth/authenticator.js'
import type { Log } from '../../observe/log.js'
import { HttpError } from '../problem.js'
import { Attempts } from './attempts.js'
import { LoginLinks } from './login-links.js'
import { createPasswordCheck } from './password.js'
import { Sessions, sessionKey } from './sessions.js'

export const basicChallenge = 'Basic realm="Sealway operators", charset="UTF-8"'

/** How long a Basic header that was right is known by its MAC, so that not every request costs a scrypt. */
const rememberMs = 5 * 60_000
const maxRemembered = 16

export interface Operators {
  readonly user: string
  readonly sessions: Sessions
  readonly links: LoginLinks
  /** By session cookie, or by Basic. @throws SealwayError `UNAUTHORIZED`, `TOO_MANY_REQUESTS` */
  authenticate(request: Request): Promise<Identity>
  /** @throws SealwayError `UNAUTHORIZED`, `TOO_MANY_REQUESTS` */
  login(user: string, password: string, address: string): Promise<void>
}

/** Who may operate: one user, whose password is compared as a hash; five failures a minute from one address. */
export function createOperators(parts: {
  readonly user: string
  readonly password: KeyObject
  /** Of `operatorKey`: sessions are made with one derived from it. */
  readonly key: KeyObject
  /** Of the id of a session: whether it was logged out. */
  readonly isRevoked: (id: string) => boolean
  readonly clock: () => number
  readonly log: Log
}): Operators {
  const { user, clock, log, isRevoked } = parts
  const check = createPasswordCheck(user, parts.password)
  const attempts = new Attempts(clock)
  const sessions = new Sessions({ clock, user, isRevoked, key: sessionKey(parts.key, user) })
  const macKey = randomBytes(32)
  const remembered = new Map<string, number>()
  /** A browser opens several connections with the same header at once: that is one attempt. */
  const checking = new Map<string, Promise<void>>()

  const login = async (givenUser: string, password: string, address: string): Promise<void> => {
    const blockedMs = attempts.begin(address)
    if (blockedMs > 0) throw tooMany(blockedMs)
    if (!(await check.matches(givenUser, password))) {
      log.warn({ address }, 'operator login failed')
      throw new SealwayError('UNAUTHORIZED', { message: 'user or password is wrong', outcome: 'not-delivered' })
    }
    attempts.succeed(address)
  }

  const basic = async (header: string, address: string): Promise<void> => {
    // Before the memory is asked, which would tell right from wrong as well.
    const blockedMs = attempts.blockedMs(address)
    if (blockedMs > 0) throw tooMany(blockedMs)
    const mac = createHmac('sha256', macKey).update(`${address}\0${header}`).digest('base64url')
    if ((remembered.get(mac) ?? 0) > clock()) return
    const credentials = readBasic(header)
    const running =
      checking.get(mac) ?? login(credentials.user, credentials.password, address).finally(() => checking.delete(mac))
    checking.set(mac, running)
    await running
    remembered.set(mac, clock() + rememberMs)
    if (remembered.size > maxRemembered) remembered.delete(remembered.keys().next().value!)
  }

  return {
    user,
    sessions,
    links: new LoginLinks(clock),
    login,
    async authenticate(request) {
      const session = sessions.find(request.headers.cookie ?? '')
      if (session) return operator(session.user, session.expiresAt)
      const { authorization } = request.headers
      if (authorization === undefined) {
        throw new HttpError('UNAUTHORIZED', 'log in with the user and password of operators (.env)')
      }
      await basic(authorization, request.socket.remoteAddress ?? '')
      return operator(user, clock() + rememberMs)
    },
  }
}

const operator = (subject: string, expiresAt: number): Identity => ({
  subject,
  tokenId: 'operator',
  scopes: ['admin:read', 'admin:write'],
  expiresAt,
})

/** RFC 7617 s2. @throws HttpError `UNAUTHORIZED` */
function readBasic(header: string): { user: string; password: string } {
  const encoded = /^Basic +([A-Za-z0-9+/=]{1,2048})$/i.exec(header)?.[1]
  const text = Buffer.from(encoded ?? '', 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon < 0) throw new HttpError('UNAUTHORIZED', 'the Authorization header is not Basic <user:password>')
  return { user: text.slice(0, colon), password: text.slice(colon + 1) }
}

function tooMany(blockedMs: number): HttpError {
  const seconds = Math.ceil(blockedMs / 1_000)
  return new HttpError('TOO_MANY_REQUESTS', `too many failed logins from this address; wait ${seconds} s`, {
    headers: { 'retry-after': String(seconds) },
  })
}
