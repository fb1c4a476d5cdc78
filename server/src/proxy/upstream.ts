import type { Duplex } from 'node:stream'
import type { Endpoint } from '@sealway/protocol'
import type { Session } from '../session/session.js'
import type { Visit } from './visit.js'

/** A node that a request may go to. */
export interface Destination {
  readonly name: string
  readonly groups: readonly string[]
  /** Addresses that it registered. */
  readonly endpoints: readonly Endpoint[]
  /** Its link; undefined where it is registered, and not connected. */
  readonly session: Session | undefined
}

/**
 * A way to reach nodes. The tunnel, over the node's own link, is one; a direct connection to an address is another.
 * By then the request was guarded and allowed, and its headers are those for the node.
 */
export interface Upstream {
  /** Whether this way leads to that node. */
  serves(node: Destination): boolean
  /** Requests that it has under way to that node. */
  load(node: Destination): number
  /** Whether that node takes one more now. */
  free(node: Destination): boolean
  /**
   * Answers `visit.response`, then calls `visit.answered()`; or calls `visit.failed(code)`, once, which answers where no
   * byte went out, and may call this again with another node. Until one of them it sets `visit.current`, through which it
   * is told that the client has gone.
   */
  forward(visit: Visit, node: Destination): void
  /** The same for a switch of protocols; after 101 the bytes of `socket` are its. `head` came behind the request. */
  upgrade(visit: Visit, node: Destination, socket: Duplex, head: Buffer): void
}
