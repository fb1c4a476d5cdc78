import { createHmac, randomUUID } from 'node:crypto'
import { defaultTokenAudience, nodeTokenIssuer, nodeTokenLifeMs, SealwayError } from '@sealway/protocol'

/**
 * Where a node's tokens come from: a text, or a function that is asked for each link and each renewal, and is handed the
 * mediator's time, ms since 1970, as far as it is known.
 */
export type TokenSource = string | ((now: number) => string | Promise<string>)

/**
 * Shared mode: a node mints its own tokens with the secret that it shares with the mediator (HS256, 15 min).
 * @throws SealwayError `WEAK_SECRET`
 */
export function mintedBy(secret: string, name: string, clock: () => number): (now?: number) => string {
  if (Buffer.byteLength(secret) < 32) {
    throw new SealwayError('WEAK_SECRET', {
      message: 'PROTECTED_BASIC_AND_JWT must have at least 32 bytes',
      outcome: 'not-delivered',
    })
  }
  const header = base64url({ alg: 'HS256', typ: 'JWT' })
  return (now = clock()) => {
    const iat = Math.floor(now / 1_000)
    const claims = {
      iss: nodeTokenIssuer,
      aud: defaultTokenAudience,
      sub: name,
      iat,
      exp: iat + nodeTokenLifeMs / 1_000,
      jti: randomUUID(),
    }
    const signed = `${header}.${base64url(claims)}`
    return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
  }
}

const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
