import type { Switchboard, SwitchboardParts } from '../../client-lib/src/testing/board.js'
import { scopePolicy } from '../../server/src/auth/policy.js'
import { createSharedAuthenticator } from '../../server/src/auth/shared.js'
import { silentLog } from '../../server/src/observe/log.js'
import type { Registry } from '../../server/src/registry/registry.js'
import { Relay } from '../../server/src/routing/relay.js'
import { MapRegistry } from '../support/relay.js'

/** The real mediator's heart in place of the kit's, in virtual time. Its registry outlives it, as a database would. */
export function relayBoard(): (parts: SwitchboardParts) => Switchboard {
  const registry = new MapRegistry() as unknown as Registry
  return ({ limits, clock, random, secret }) =>
    new Relay({
      registry,
      authenticator: createSharedAuthenticator({ secret, clock: clock.now, isRevoked: () => false, log: silentLog }),
      policy: scopePolicy,
      limits,
      log: silentLog,
      version: 'simulated',
      clock: clock.now,
      monotonic: clock.now,
      random,
      defer: clock.soon,
    })
}
