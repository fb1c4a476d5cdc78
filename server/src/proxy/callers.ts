import { limits, mediatorTokenIssuer, nodeTokenIssuer } from '@sealway/protocol'
import type { Authenticator, Identity } from '../auth/authenticator.js'
import { allows } from '../auth/scopes.js'
import type { Guarded } from './guard.js'

/** Somebody with a good token. */
export interface Caller {
  readonly identity: Identity
  /** Whether an `http:` scope of the token covers this node. */
  covers(node: string): boolean
  /** It covers every node there is or will be. */
  readonly coversAll: boolean
}

/** Who asks, and whether the header that the node would see holds something of ours. */
export interface Asking {
  readonly caller: Caller | undefined
  readonly dropAuthorization: boolean
}

/** RFC 6750 s2.1, as nearly everybody writes it. */
const bearer = 'Bearer '
const bearerForm = /^Bearer +([^\s]+)$/i
/** A token is believed for so long without being looked at again, ms: well under the 5 s in which a revocation must work. */
const believedMs = 1_000
const maxBelieved = 1_000
/** The end of a signature tells tokens apart as well as all of a token, and costs a map a fraction of the time, characters. */
const keyLength = 16

interface Believed {
  readonly token: string
  readonly caller: Caller
  readonly until: number
}

/** Whose token it is. Verifying costs as much as half of the rest of a small request, so a good one is kept for a second. */
export class Callers {
  private readonly believed = new Map<string, Believed>()
  private readonly authenticator: Authenticator
  private readonly clock: () => number

  /** @param clock ms since 1970; may be coarse */
  constructor(authenticator: Authenticator, clock: () => number) {
    this.authenticator = authenticator
    this.clock = clock
  }

  /**
   * `Proxy-Authorization` is for us, and leaves `Authorization` to the app; without it, `Authorization` is for us.
   * A token of ours is never handed on, whichever header holds it, and whether or not it is still good.
   */
  of({ authorization, proxyAuthorization }: Guarded): Asking {
    if (proxyAuthorization !== undefined) {
      const token = bearerForm.exec(proxyAuthorization)?.[1]
      return {
        caller: token === undefined ? undefined : this.verify(token),
        dropAuthorization: authorization !== undefined && this.isOurs(authorization),
      }
    }
    if (authorization === undefined) return nobody
    const known = authorization.startsWith(bearer) ? this.known(authorization.slice(bearer.length)) : undefined
    if (known) return { caller: known, dropAuthorization: true }
    const token = bearerForm.exec(authorization)?.[1]
    if (token === undefined) return { caller: undefined, dropAuthorization: this.isOurs(authorization) }
    const caller = this.verify(token)
    return { caller, dropAuthorization: caller !== undefined || claimsOurs(token) }
  }

  private known(token: string): Caller | undefined {
    const known = this.believed.get(token.slice(-keyLength))
    return known && known.token === token && this.clock() < known.until ? known.caller : undefined
  }

  private verify(token: string): Caller | undefined {
    const known = this.known(token)
    if (known) return known
    const now = this.clock()
    const key = token.slice(-keyLength)
    let identity: Identity
    try {
      identity = this.authenticator.verify(token)
    } catch {
      // Of another token with the same end it says nothing, but that one is just verified anew.
      this.believed.delete(key)
      return undefined
    }
    const caller = callerOf(identity)
    if (this.believed.size >= maxBelieved) this.believed.clear()
    this.believed.set(key, { token, caller, until: Math.min(now + believedMs, identity.expiresAt) })
    return caller
  }

  private isOurs(authorization: string): boolean {
    // Wherever in the header it stands: what is not of the form is not taken, but it is not given away either.
    for (const part of authorization.split(/[\s,]+/)) {
      if (part.split('.').length === 3 && (claimsOurs(part) || this.verify(part) !== undefined)) return true
    }
    return false
  }
}

const nobody: Asking = { caller: undefined, dropAuthorization: false }

function callerOf(identity: Identity): Caller {
  return {
    identity,
    covers: (node) => allows(identity, { type: 'http', name: node }),
    coversAll: identity.scopes.includes('http:*'),
  }
}

/** By what it says of itself: an expired or revoked token cannot be verified any more, and is still one of ours. */
function claimsOurs(token: string): boolean {
  const parts = token.split('.')
  if (parts.length !== 3 || token.length > 4 * limits.maxTokenBytes) return false
  try {
    const claims: unknown = JSON.parse(Buffer.from(parts[1]!, 'base64url').toString('utf8'))
    const { iss } = (claims ?? {}) as { iss?: unknown }
    return iss === nodeTokenIssuer || iss === mediatorTokenIssuer
  } catch {
    return false
  }
}
