import type { Duplex } from 'node:stream'
import type { Code, Endpoint, SealwayError } from '@sealway/protocol'
import type { Session } from '../session/session.js'
import type { AnswerReader } from './exchange.js'
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
  /** Whether it may lead to nodes that have no link. */
  readonly reachesAbsent: boolean
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
  /**
   * Asks what the visit asks, with all of its body, for who gathers the answers of many; the reader is told of everything
   * later than this returns. @returns why it was not asked: `BUSY`, or what is wrong with the head
   */
  ask(visit: Visit, node: Destination, body: Buffer, reader: AnswerReader): Asked | SealwayError
}

/** A question that is under way. */
export interface Asked {
  /** So many bytes of the answer were taken: as many more may come. */
  taken(bytes: number): void
  /** Nobody waits for the answer any more; the reader is told nothing. */
  abort(code: Code): void
}
