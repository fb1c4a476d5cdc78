import { createHmac } from 'node:crypto'
import {
  type Address,
  type Connection,
  type Limits,
  type Peer,
  parseGroup,
  SealwayError,
  type TrafficPolicy,
} from '@sealway/protocol'
import type { VirtualClock } from './clock.js'
import { MemoryMediator } from './mediator/mediator.js'
import type { Records } from './mediator/records.js'

/** What can be between the nodes of a net: the kit's own mediator, or in our own tests the real one. */
export interface Switchboard {
  accept(connection: Connection): void
  tick(): void
  drain(stop: AbortSignal): Promise<void>
  updatePolicies?(policies: readonly TrafficPolicy[]): void
}

export interface SwitchboardParts {
  readonly limits: Limits
  readonly records: Records
  readonly clock: VirtualClock
  readonly random: () => number
  readonly secret: string
  readonly maySend: (sender: Peer, address: Address, target: Peer | undefined) => boolean
  readonly policies: readonly TrafficPolicy[]
}

/** The kit's own mediator. */
export const inMemory = ({ clock, secret, ...parts }: SwitchboardParts): Switchboard =>
  new MemoryMediator({
    ...parts,
    clock: clock.now,
    soon: clock.soon,
    identify: (token, name) => identify(token, name, secret),
    maySee: (peer, group) => parts.maySend(peer, { type: 'any', group: parseGroup(group) }, undefined),
  })

/** A node's own token (HS256), as `connect` mints it. */
function identify(token: string, name: string, secret: string): { expiresAt: number } {
  const [head, claims, mac] = token.split('.')
  const right = createHmac('sha256', secret).update(`${head}.${claims}`).digest('base64url')
  if (mac !== right) throw new SealwayError('UNAUTHORIZED', { message: 'the token was not accepted' })
  const { sub, exp } = JSON.parse(Buffer.from(claims!, 'base64url').toString()) as { sub: unknown; exp: number }
  if (sub !== name) throw new SealwayError('FORBIDDEN', { message: `the token of ${sub} does not allow being ${name}` })
  return { expiresAt: exp * 1_000 }
}

/** What a node's own token allows: to send within its groups. */
export const ownGroups = (sender: Peer, address: Address, target: Peer | undefined): boolean =>
  address.type === 'node'
    ? (target?.groups ?? []).some((group) => sender.groups.includes(group))
    : sender.groups.includes(address.group)
