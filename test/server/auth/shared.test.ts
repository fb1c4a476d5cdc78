import { createHmac, createSecretKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { SealwayError } from '@sealway/protocol'
import jwt from 'jsonwebtoken'
import { operatorKey } from '../../../server/src/auth/keys'
import { createSharedAuthenticator } from '../../../server/src/auth/shared'
import { mintToken, operatorKeyId } from '../../../server/src/auth/token'
import { silentLog } from '../../../server/src/observe/log'
import { countOf } from '../../support/full-run'

const secret = createSecretKey(randomBytes(32))
const operator = operatorKey(secret, createSecretKey(Buffer.from('correct horse battery')))
const now = 1_700_000_000
const clock = () => now * 1_000

const revoked = new Set<string>()
const authenticator = createSharedAuthenticator({
  secret,
  operatorKey: operator,
  clock,
  isRevoked: (tokenId) => revoked.has(tokenId),
  log: silentLog,
})

const good = { iss: 'sealway-node', sub: 'orders-1', aud: 'sealway', iat: now, exp: now + 900, jti: 'a1' }
const goodHeader = { alg: 'HS256', typ: 'JWT' }

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const hmac = (text: string, hash = 'sha256', key: Parameters<typeof createHmac>[1] = secret) =>
  createHmac(hash, key).update(text).digest('base64url')

/** A correctly signed token of any header and claims, also of such as jsonwebtoken would not sign. */
const forge = (
  claims: unknown = good,
  header: unknown = goodHeader,
  hash?: string,
  key?: Parameters<typeof hmac>[2],
) => {
  const text = `${part(header)}.${part(claims)}`
  return `${text}.${hmac(text, hash, key)}`
}

const refusal = (token: string): SealwayError => {
  try {
    authenticator.verify(token)
  } catch (error) {
    return error as SealwayError
  }
  throw new Error('the token was accepted')
}

const reasonOf = (token: string): string => {
  const error = refusal(token)
  expect(error).toBeInstanceOf(SealwayError)
  expect(error.code).toBe('UNAUTHORIZED')
  expect(error.message).toBe('the token was not accepted')
  return (error.cause as Error).message
}

beforeEach(() => revoked.clear())

describe('a good token', () => {
  it('stands for the node that it names', () => {
    expect(authenticator.verify(forge())).toEqual({
      subject: 'orders-1',
      tokenId: 'a1',
      scopes: [],
      expiresAt: (now + 900) * 1_000,
    })
  })

  it('is what mintToken makes', () => {
    const minted = mintToken({ secret, subject: 'orders-1', scopes: ['send:orders/*'], lifeMs: 60_000, clock })
    expect(authenticator.verify(minted.token)).toEqual({
      subject: 'orders-1',
      tokenId: minted.tokenId,
      scopes: ['send:orders/*'],
      expiresAt: minted.expiresAt,
    })
  })

  it('may come from a clock up to 60 s ahead', () => {
    expect(authenticator.verify(forge({ ...good, iat: now + 60 })).subject).toBe('orders-1')
  })

  it('may name nobody, for a node without a name', () => {
    expect(authenticator.verify(forge({ ...good, sub: '*' })).subject).toBe('*')
  })
})

describe("an operator's token", () => {
  const mint = (key = operator) =>
    mintToken({ secret: key, by: 'operator', subject: 'Ada', scopes: ['admin:write'], lifeMs: 60_000, clock }).token

  it('carries admin scopes', () => {
    expect(authenticator.verify(mint()).scopes).toEqual(['admin:write'])
  })

  it('cannot be made with the secret that nodes have', () => {
    expect(reasonOf(mint(secret))).toBe('invalid signature')
    expect(reasonOf(forge({ ...good, scopes: ['admin:write'] }))).toContain('admin scope')
    expect(() => mintToken({ secret, subject: 'a', scopes: ['admin:read'], lifeMs: 1_000, clock })).toThrow(
      expect.objectContaining({ code: 'FORBIDDEN' }),
    )
  })

  it("is refused with a node's issuer", () => {
    const token = forge(good, { ...goodHeader, kid: operatorKeyId }, 'sha256', operator)
    expect(reasonOf(token)).toContain('issuer')
  })
})

describe('J1: the algorithm is not negotiable', () => {
  it.each(['none', 'None', 'NONE', 'HS384', 'HS512', 'RS256', 'ES256', 'hs256', '', null, 1])(
    'refuses alg %p',
    (alg) => {
      const hash = alg === 'HS512' ? 'sha512' : alg === 'HS384' ? 'sha384' : 'sha256'
      expect(reasonOf(forge(good, { typ: 'JWT', alg }, hash))).toBe('alg is not HS256')
    },
  )

  it('refuses an empty signature, with HS256 and with none', () => {
    for (const alg of ['HS256', 'none']) {
      expect(reasonOf(`${part({ alg, typ: 'JWT' })}.${part(good)}.`)).toBe('not three parts of base64url')
    }
  })

  it('refuses a signature by a public key taken for a secret', () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const pem = publicKey.export({ type: 'spki', format: 'pem' }) as string
    expect(reasonOf(forge(good, goodHeader, 'sha256', pem))).toBe('invalid signature')
    expect(reasonOf(jwt.sign(good, privateKey, { algorithm: 'RS256' }))).toBe('alg is not HS256')
  })

  it('refuses the right claims signed with another secret', () => {
    expect(reasonOf(forge(good, goodHeader, 'sha256', randomBytes(32)))).toBe('invalid signature')
  })
})

describe('J2: a kid selects a key that we have, or nothing', () => {
  it.each(['../../dev/null', "' OR 1=1 --", 'https://evil.example/key', '__proto__', 'constructor', 'toString', ''])(
    'refuses kid %p',
    (kid) => {
      expect(reasonOf(forge(good, { ...goodHeader, kid }))).toBe('unknown kid')
    },
  )

  it('refuses a kid that is no text', () => {
    for (const kid of [{}, [], 7, true, null])
      expect(reasonOf(forge(good, { ...goodHeader, kid }))).toBe('kid is no text')
  })

  it('refuses a kid of a megabyte by its size, before it is looked at', () => {
    expect(reasonOf(forge(good, { ...goodHeader, kid: 'k'.repeat(1024 * 1024) }))).toBe('over 4096 bytes')
  })
})

describe('J3: what jsonwebtoken lets pass', () => {
  const { exp: _exp, ...withoutExp } = good
  const { iat: _iat, ...withoutIat } = good
  const { jti: _jti, ...withoutJti } = good
  const { sub: _sub, ...withoutSub } = good
  it.each([
    ['no exp', withoutExp, 'integers'],
    ['no iat', withoutIat, 'integers'],
    ['an exp in the year 5138', { ...good, exp: 99_999_999_999 }, 'longer'],
    ['a life over 24 h', { ...good, exp: now + 24 * 3_600 + 1 }, 'longer'],
    ['an iat more than 60 s ahead', { ...good, iat: now + 61 }, 'future'],
    ['a future iat that hides a long life', { ...good, iat: now + 86_400, exp: now + 86_460 }, 'future'],
    ['exp before iat', { ...good, iat: now + 30, exp: now + 20 }, 'longer'],
    ['an expired token', { ...good, iat: now - 900, exp: now - 1 }, 'expired'],
    ['a token that expires this second', { ...good, iat: now - 900, exp: now }, 'expired'],
    ['exp as a text', { ...good, exp: `${now + 900}` }, 'exp'],
    ['exp as a fraction', { ...good, exp: now + 0.5 }, 'integers'],
    ['a list of audiences that holds ours', { ...good, aud: ['sealway', 'other'] }, 'aud'],
    ['a list of our audience alone', { ...good, aud: ['sealway'] }, 'aud'],
    ['another audience', { ...good, aud: 'other' }, 'audience'],
    ['another issuer', { ...good, iss: 'somebody' }, 'issuer'],
    ["the mediator's issuer under the nodes' key", { ...good, iss: 'sealway' }, 'issuer'],
    ['a list of issuers', { ...good, iss: ['sealway-node'] }, 'issuer'],
    ['no jti', withoutJti, 'jti'],
    ['a jti with a line break', { ...good, jti: 'a\nb' }, 'jti'],
    ['no sub', withoutSub, 'sub'],
    ['a sub that is no name', { ...good, sub: 'Orders 1' }, 'sub'],
    ['a sub that is an object', { ...good, sub: { a: 1 } }, 'sub'],
    ['scopes as a text', { ...good, scopes: 'send:a/*' }, 'scopes'],
    ['a scope outside the grammar', { ...good, scopes: ['send:*'] }, 'grammar'],
    ['a scope that is an object', { ...good, scopes: [{}] }, 'grammar'],
    ['nbf in the future', { ...good, nbf: now + 100 }, 'not active'],
  ])('refuses %s', (_what, claims, reason) => {
    expect(reasonOf(forge(claims))).toContain(reason)
  })

  it.each([
    ['crit', { ...goodHeader, crit: ['exp'] }],
    ['jku', { ...goodHeader, jku: 'https://evil.example/jwks' }],
    ['jwk', { ...goodHeader, jwk: { kty: 'oct', k: 'AA' } }],
    ['x5u', { ...goodHeader, x5u: 'https://evil.example' }],
    ['b64', { ...goodHeader, b64: false }],
  ])('refuses the header %s', (_what, header) => {
    expect(reasonOf(forge(good, header))).toBe('header has more than alg, typ, kid')
  })

  it('refuses another typ', () => {
    expect(reasonOf(forge(good, { alg: 'HS256', typ: 'at+jwt' }))).toBe('typ is not JWT')
  })

  it.each(['', '.', '..', 'a.b', 'a.b.c.d', 'a b.c.d', 'null', '\0', '=.=.='])(
    'refuses %p, which is no token',
    (token) => {
      expect(reasonOf(token)).toBe('not three parts of base64url')
    },
  )

  it('refuses what is not even a text', () => {
    for (const token of [undefined, null, 7, {}, []]) expect(reasonOf(token as unknown as string)).toBe('not a text')
  })

  it('refuses a header with __proto__', () => {
    const text = `${Buffer.from('{"alg":"HS256","__proto__":{}}').toString('base64url')}.${part(good)}`
    expect(reasonOf(`${text}.${hmac(text)}`)).toContain('__proto__')
  })

  it('refuses a revoked token', () => {
    revoked.add('a1')
    expect(reasonOf(forge())).toBe('revoked')
  })
})

describe('J4: a secret that is none', () => {
  it('is refused when the authenticator is made', () => {
    const parts = { clock, isRevoked: () => false, log: silentLog }
    for (const weak of ['', 'a', 'x'.repeat(31), createSecretKey(randomBytes(16))]) {
      expect(() => createSharedAuthenticator({ ...parts, secret: weak })).toThrow(
        expect.objectContaining({ code: 'WEAK_SECRET' }),
      )
    }
    expect(() => createSharedAuthenticator({ ...parts, secret: 'x'.repeat(32) })).not.toThrow()
  })
})

describe('J5: mutated tokens', () => {
  /** mulberry32: the same 100,000 mutants in every run. */
  const random = (seed: number) => () => {
    seed = (seed + 0x6d2b79f5) | 0
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \0\u00e9'

  it('are never accepted, and throw nothing but UNAUTHORIZED', () => {
    const wanted = countOf(100_000, 20_000)
    const next = random(42)
    const upTo = (n: number) => Math.floor(next() * n)
    const originals = [
      forge(),
      mintToken({ secret: operator, by: 'operator', subject: 'x', lifeMs: 60_000, clock }).token,
    ]
    for (const token of originals) authenticator.verify(token)
    let mutants = 0
    while (mutants < wanted) {
      const original = originals[mutants % 2]!
      const at = upTo(original.length)
      const char = alphabet[upTo(alphabet.length)]!
      const mutant = [
        () => original.slice(0, at) + char + original.slice(at + 1),
        () => original.slice(0, at) + original.slice(at + 1),
        () => original.slice(0, at) + char + original.slice(at),
        () => original.slice(0, at),
        () => original.slice(at),
        () => original.slice(0, at) + original.slice(at, at + 8) + original.slice(at),
      ][upTo(6)]!()
      if (originals.includes(mutant)) continue
      mutants++
      // Plain code instead of a matcher: 100,000 of those take a minute.
      try {
        authenticator.verify(mutant)
      } catch (error) {
        if (error instanceof SealwayError && error.code === 'UNAUTHORIZED') continue
        throw new Error(`${JSON.stringify(mutant)} crashed the authenticator`, { cause: error })
      }
      throw new Error(`${JSON.stringify(mutant)} was accepted`)
    }
    expect(mutants).toBe(wanted)
  })
})
