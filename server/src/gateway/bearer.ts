import type { Request } from 'express'
import type { Authenticator, Identity } from '../auth/authenticator.js'
import { HttpError } from './problem.js'

export const bearerChallenge = 'Bearer realm="sealway"'

/** RFC 6750 s2.1. */
const bearerForm = /^Bearer +([^\s]+)$/i
/** Where other systems look for tokens: in addresses, which end up in logs, histories and Referer headers. */
const queryNames = ['token', 'access_token', 'jwt', 'auth']

/** The token of `Authorization: Bearer`, and from nowhere else. @throws SealwayError `UNAUTHORIZED` */
export function bearerIdentity(request: Request, authenticator: Authenticator): Identity {
  const header = request.headers.authorization
  if (header === undefined) {
    const inQuery = queryNames.some((name) => Object.hasOwn(request.query, name))
    throw new HttpError(
      'UNAUTHORIZED',
      inQuery
        ? 'tokens are never read from the address; send the header Authorization: Bearer <token>'
        : 'send the header Authorization: Bearer <token>',
    )
  }
  const token = bearerForm.exec(header)?.[1]
  if (token === undefined) throw new HttpError('UNAUTHORIZED', 'the Authorization header is not Bearer <token>')
  return authenticator.verify(token)
}
