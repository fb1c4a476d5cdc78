import type { KeyObject } from 'node:crypto'
import {
  defaultTokenAudience,
  isName,
  limits,
  maxTokenLifeMs,
  mediatorTokenIssuer,
  nodeTokenIssuer,
  parseJson,
  SealwayError,
} from '@sealway/protocol'
import jwt from 'jsonwebtoken'
import type { Log } from '../observe/log.js'
import type { Authenticator, Identity } from './authenticator.js'
import { signingKey } from './keys.js'
import { createRefusalLog } from './refusal-log.js'
import { maxScopes, parseScope } from './scopes.js'
import { operatorKeyId } from './token.js'

export interface SharedAuthenticatorParts {
  /** What nodes sign their own tokens with. */
  readonly secret: KeyObject | string
  /** `operatorKey(...)`; without it no token carries an admin scope. */
  readonly operatorKey?: KeyObject
  readonly audience?: string
  readonly maxLifeMs?: number
  /** ms since 1970. */
  readonly clock: () => number
  readonly isRevoked: (tokenId: string) => boolean
  readonly log: Log
}

/** What a `kid` stands for: it fixes key, algorithm and issuer, and the token has no say in them (RFC 8725 s3.1). */
interface KeyEntry {
  readonly key: KeyObject
  readonly issuer: string
  readonly operator: boolean
}

/** Clocks of two machines may differ by this much, s (SEMANTICS.md, "Identity"). */
const skewSeconds = 60
const tokenForm = /^[\w-]+\.[\w-]+\.[\w-]+$/
const tokenIdForm = /^[\w.-]{1,64}$/
const headerNames = new Set(['alg', 'typ', 'kid'])

/** The shared mode: HS256, one secret for all nodes. Every check of RELIABILITY F7 that jsonwebtoken leaves to its user. */
export function createSharedAuthenticator(parts: SharedAuthenticatorParts): Authenticator {
  const { audience = defaultTokenAudience, maxLifeMs = maxTokenLifeMs, clock, isRevoked, log } = parts
  const keys = new Map<string | undefined, KeyEntry>()
  keys.set(undefined, { key: signingKey(parts.secret), issuer: nodeTokenIssuer, operator: false })
  if (parts.operatorKey) {
    keys.set(operatorKeyId, { key: signingKey(parts.operatorKey), issuer: mediatorTokenIssuer, operator: true })
  }

  const refused = createRefusalLog(log, clock)

  const check = (token: unknown): Identity => {
    // The size comes first: nothing below may cost more than 4 KiB of work.
    if (typeof token !== 'string') throw new Error('not a text')
    if (token.length > limits.maxTokenBytes) throw new Error(`over ${limits.maxTokenBytes} bytes`)
    if (!tokenForm.test(token)) throw new Error('not three parts of base64url')
    const entry = keys.get(readKeyId(token))
    if (!entry) throw new Error('unknown kid')
    const nowSeconds = Math.floor(clock() / 1_000)
    const claims = jwt.verify(token, entry.key, {
      algorithms: ['HS256'],
      issuer: entry.issuer,
      audience,
      clockTimestamp: nowSeconds,
    })
    return readClaims(claims, { audience, maxLifeMs, nowSeconds, operator: entry.operator, isRevoked })
  }

  return {
    verify(token) {
      try {
        return check(token)
      } catch (cause) {
        refused((cause as Error).message)
        throw new SealwayError('UNAUTHORIZED', {
          message: 'the token was not accepted',
          outcome: 'not-delivered',
          cause,
        })
      }
    },
  }
}

/** Reads the header before anything is verified, and believes no more of it than which key to try. */
function readKeyId(token: string): string | undefined {
  const header = parseJson(Buffer.from(token.slice(0, token.indexOf('.')), 'base64url').toString('utf8'))
  if (typeof header !== 'object' || header === null || Array.isArray(header)) throw new Error('header is no object')
  for (const name of Object.keys(header))
    if (!headerNames.has(name)) throw new Error('header has more than alg, typ, kid')
  const { alg, typ, kid } = header as { alg?: unknown; typ?: unknown; kid?: unknown }
  if (alg !== 'HS256') throw new Error('alg is not HS256')
  if (typ !== undefined && typ !== 'JWT') throw new Error('typ is not JWT')
  if (kid !== undefined && typeof kid !== 'string') throw new Error('kid is no text')
  return kid
}

interface ClaimRules {
  readonly audience: string
  readonly maxLifeMs: number
  readonly nowSeconds: number
  readonly operator: boolean
  readonly isRevoked: (tokenId: string) => boolean
}

function readClaims(claims: unknown, rules: ClaimRules): Identity {
  if (typeof claims !== 'object' || claims === null) throw new Error('claims are no object')
  const { sub, aud, iat, exp, jti, scopes } = claims as { [name: string]: unknown }
  // jsonwebtoken would take a list that holds the right audience among others.
  if (aud !== rules.audience) throw new Error('aud is not exactly ours')
  if (!isInteger(iat) || !isInteger(exp)) throw new Error('iat and exp must both be integers')
  if (iat > rules.nowSeconds + skewSeconds) throw new Error('iat is in the future')
  if (exp <= iat || (exp - iat) * 1_000 > rules.maxLifeMs) throw new Error('life is longer than allowed')
  if (exp <= rules.nowSeconds) throw new Error('expired')
  if (typeof jti !== 'string' || !tokenIdForm.test(jti)) throw new Error('jti is missing')
  const list = readScopes(scopes)
  const isAdmin = list.some((scope) => scope.startsWith('admin:'))
  if (isAdmin && !rules.operator) throw new Error("a node's own token claims an admin scope")
  if (!isSubject(sub, isAdmin)) throw new Error('sub is no name')
  if (rules.isRevoked(jti)) throw new Error('revoked')
  return { subject: sub, tokenId: jti, scopes: list, expiresAt: exp * 1_000 }
}

function readScopes(scopes: unknown): readonly string[] {
  if (scopes === undefined) return []
  if (!Array.isArray(scopes) || scopes.length > maxScopes) throw new Error('scopes are no list')
  for (const scope of scopes) if (!parseScope(scope)) throw new Error('a scope is outside the grammar')
  return scopes as string[]
}

/** A node's name; `*` for a node that has none yet; an operator's name is a little freer. */
const isSubject = (sub: unknown, isAdmin: boolean): sub is string =>
  sub === '*' || isName(sub) || (isAdmin && typeof sub === 'string' && /^[A-Za-z0-9._@-]{1,64}$/.test(sub))

const isInteger = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
