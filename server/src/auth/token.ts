import { type KeyObject, randomUUID } from 'node:crypto'
import { defaultTokenAudience, limits, mediatorTokenIssuer, nodeTokenIssuer, SealwayError } from '@sealway/protocol'
import jwt from 'jsonwebtoken'
import { signingKey } from './keys.js'
import { checkScopes } from './scopes.js'

/** `kid` of a token signed with the operator key. A token without a `kid` is a node's own. */
export const operatorKeyId = 'operator'

export interface TokenRequest {
  /** The shared secret for `by: 'node'`, the operator key for `by: 'operator'`. */
  readonly secret: KeyObject | string
  /** Default: node. Only an operator's token may carry admin scopes. */
  readonly by?: 'node' | 'operator'
  /** The node's name; `*`: any. For an operator's token with admin scopes, the operator's name. */
  readonly subject: string
  readonly scopes?: readonly string[]
  readonly lifeMs: number
  /** ms since 1970. */
  readonly clock: () => number
  readonly audience?: string
}

export interface MintedToken {
  readonly token: string
  readonly tokenId: string
  /** ms since 1970. */
  readonly expiresAt: number
}

/** @throws SealwayError `MALFORMED` for a scope, `FORBIDDEN` for an admin scope of a node's, `TOO_LARGE` where the token would be refused for its size, `WEAK_SECRET` */
export function mintToken(request: TokenRequest): MintedToken {
  const { by = 'node', scopes = [], audience = defaultTokenAudience } = request
  checkScopes(scopes)
  if (by === 'node' && scopes.some((scope) => scope.startsWith('admin:'))) {
    throw new SealwayError('FORBIDDEN', {
      message: "admin scopes need a token of the operator's (by: 'operator', with operatorKey as secret)",
      outcome: 'not-delivered',
    })
  }
  const iat = Math.floor(request.clock() / 1_000)
  const exp = iat + Math.max(1, Math.floor(request.lifeMs / 1_000))
  const tokenId = randomUUID()
  const claims = {
    iss: by === 'node' ? nodeTokenIssuer : mediatorTokenIssuer,
    sub: request.subject,
    aud: audience,
    iat,
    exp,
    jti: tokenId,
    ...(scopes.length === 0 ? {} : { scopes }),
  }
  const token = jwt.sign(claims, signingKey(request.secret), {
    algorithm: 'HS256',
    ...(by === 'operator' ? { keyid: operatorKeyId } : {}),
  })
  if (token.length > limits.maxTokenBytes) {
    throw new SealwayError('TOO_LARGE', {
      message: `with ${scopes.length} scopes the token has ${token.length} bytes; at most ${limits.maxTokenBytes} are taken`,
      outcome: 'not-delivered',
    })
  }
  return { token, tokenId, expiresAt: exp * 1_000 }
}
