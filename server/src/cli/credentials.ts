import { SealwayError } from '@sealway/protocol'
import { operatorKey } from '../auth/keys.js'
import type { MintedToken } from '../auth/token.js'
import { readSetting } from '../config.js'
import { settings } from '../settings/table.js'
import { envFileOf, type Io } from './io.js'

export interface LocalToken {
  readonly subject: string
  readonly scopes: readonly string[]
  readonly lifeMs?: number
}

/** Long enough for one command. */
const commandLifeMs = 60_000

/**
 * A token signed here, with what is in `.env` or the environment: by the operators' key where the password is known,
 * else with the nodes' secret, which carries no admin scopes.
 * @throws SealwayError `CONFIG_INVALID`, `WEAK_SECRET`, `MALFORMED`, `FORBIDDEN`
 */
export async function mintLocally(
  io: Io,
  { subject, scopes, lifeMs = commandLifeMs }: LocalToken,
): Promise<MintedToken> {
  const file = await envFileOf(io)
  const read = <T>(setting: Parameters<typeof readSetting<T>>[0]): T => readSetting(setting, io.environment, file)
  const secret = read(settings.jwtSecret)
  const audience = read(settings.tokenAudience)
  const maxLifeMs = read(settings.tokenMaxLifeMs)
  if (lifeMs > maxLifeMs) {
    throw new SealwayError('CONFIG_INVALID', {
      message: `the life is above TOKEN_MAX_LIFE (${maxLifeMs / 1_000} s), so the mediator would refuse the token`,
      outcome: 'not-delivered',
    })
  }
  const { mintToken } = await import('../auth/token.js')
  const common = { subject, scopes, lifeMs, audience, clock: Date.now }
  const needsOperator = scopes.some((scope) => scope.startsWith('admin:'))
  const password = needsOperator ? read(settings.adminPassword) : passwordIfAny(read)
  return password
    ? mintToken({ ...common, by: 'operator', secret: operatorKey(secret, password) })
    : mintToken({ ...common, secret })
}

function passwordIfAny(read: <T>(setting: Parameters<typeof readSetting<T>>[0]) => T) {
  try {
    return read(settings.adminPassword)
  } catch {
    return undefined
  }
}
