import type { Connection, Limits } from '@sealway/protocol'
import type { Authenticator } from '../auth/authenticator.js'
import type { MintedToken } from '../auth/token.js'
import type { Log } from '../observe/log.js'
import type { Registry } from '../registry/registry.js'

/** What the mediator says of itself. */
export interface MediatorStatus {
  readonly listening: boolean
  readonly draining: boolean
  /** ms since 1970. */
  readonly startedAt: number
  /** Live links, by transport. */
  readonly links: { readonly [transport: string]: number }
}

/** All that the gateway needs of the rest. */
export interface GatewayDeps {
  readonly registry: Registry
  readonly authenticator: Authenticator
  readonly tokens: {
    /** Signs with the operators' key. */
    mint(request: { subject: string; scopes: readonly string[]; lifeMs: number }): MintedToken
    readonly maxLifeMs: number
    /** Refuses the token everywhere and closes its links. */
    revoke(tokenId: string, expiresAt: number, actor: string): Promise<void>
  }
  /** Closes the live link of a node that was removed. */
  readonly disconnect: (name: string) => void
  /** A policy was set or removed here; resolves when the links of this mediator were told. */
  readonly policiesChanged: () => Promise<void>
  /** Takes a connection that no port brought: of a program that speaks only HTTP. */
  readonly accept: (connection: Connection) => void
  readonly limits: Pick<Limits, 'maxFrameBytes' | 'deadAfterMs'>
  readonly status: () => MediatorStatus
  /** ms since 1970. */
  readonly clock: () => number
  readonly log: Log
  /** Of this software. */
  readonly version: string
}
