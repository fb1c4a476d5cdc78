import type { IncomingMessage } from 'node:http'
import type { Request } from 'express'
import type { Authenticator } from '../auth/authenticator.js'
import { allows } from '../auth/scopes.js'
import type { Operators } from '../gateway/operators/login.js'
import { isOriginOf } from '../gateway/operators/same-origin.js'
import { HttpError } from '../gateway/problem.js'
import type { Visitors } from './watchers.js'

/** One that came by Basic has no session that could end: as long as one of those, ms. */
const basicLifeMs = 8 * 60 * 60_000

export interface VisitorsParts {
  readonly operators: Pick<Operators, 'authenticate' | 'sessions'>
  readonly authenticator: Authenticator
  /** ms since 1970. */
  readonly clock: () => number
}

/**
 * Operators who may watch: by session cookie, by Basic, or by a token with admin:read. A page may only be the port's
 * own: browsers add cookies and passwords to what other sites open, and WebSockets know no preflight.
 */
export function createVisitors({ operators, authenticator, clock }: VisitorsParts): Visitors {
  const byToken = (token: string): void => {
    if (allows(authenticator.verify(token), { type: 'admin', write: false })) return
    throw new HttpError('FORBIDDEN', 'this needs a token with the scope admin:read')
  }
  return {
    async admit(request: IncomingMessage) {
      const { origin, host, cookie = '', authorization = '' } = request.headers
      const hasSession = operators.sessions.find(cookie) !== undefined
      if (origin !== undefined ? !isOriginOf(origin, host) : hasSession) {
        throw new HttpError('FORBIDDEN', 'the header Origin is not this one')
      }
      const token = /^Bearer +(\S+)$/i.exec(authorization)?.[1]
      if (!hasSession && token !== undefined) {
        byToken(token)
        return { stays: () => succeeds(() => byToken(token)) }
      }
      await operators.authenticate(request as Request)
      if (hasSession) return { stays: () => operators.sessions.find(cookie) !== undefined }
      const until = clock() + basicLifeMs
      return { stays: () => clock() < until }
    },
  }
}

function succeeds(work: () => void): boolean {
  try {
    work()
    return true
  } catch {
    return false
  }
}
