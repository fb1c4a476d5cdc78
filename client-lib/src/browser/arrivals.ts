import { type Code, type Farewell, type PeerChange, SealwayError } from '@sealway/protocol'
import type { Link, LinkEvents } from '../session/link.js'
import type { Bytes } from './bytes.js'
import { InOrder } from './in-order.js'

/** What arrives on a live link, in its order. */
export interface PageLinkEvents {
  /** At once: what is opened next may be of this route. */
  announce(route: number, from: string, to: string, scope: string): void
  /** At once. @returns what follows from it, in its turn */
  retire(route: number): () => void
  /** At once begins to open. @returns what to do with it in its turn. @throws SealwayError `UNKNOWN_ROUTE` */
  deliver(route: number, sealed: Bytes): Promise<() => void>
  credit(route: number, bytes: number, frames: number): void
  reject(route: number, code: Code, frameId: Bytes): void
  accepted(route: number, frameId: Bytes, names: readonly string[]): void
  status(route: number, online: boolean, incarnation: number): void
  peers(change: PeerChange): void
  goaway(farewell: Farewell): void
  /** What was written is on its way; more may follow. */
  writable(): void
  /** Once, after which nothing follows. */
  closed(error: SealwayError): void
}

/** A browser cannot stop reading its socket: a page that is so far behind gives its link up. */
const maxWaitingBytes = 64 * 1024 * 1024

/**
 * A page opens what arrives by a promise, so everything else waits for its turn behind it. What the link hands over is
 * valid during the call only, so what waits is copied.
 */
export function inArrivalOrder(link: Link, events: PageLinkEvents): LinkEvents {
  const order = new InOrder((error) => link.fail(error))
  return {
    announce: (route, from, to, scope) => events.announce(route, from, to, scope),
    retire: (route) => order.run(events.retire(route)),
    deliver: (route, bytes) => {
      const sealed: Bytes = new Uint8Array(bytes)
      if (order.waitingBytes + sealed.length > maxWaitingBytes) {
        link.giveUp('SLOW', `over ${maxWaitingBytes} bytes wait to be opened in this page`)
      } else {
        order.later(events.deliver(route, sealed), sealed.length)
      }
    },
    credit: (route, bytes, frames) => order.run(() => events.credit(route, bytes, frames)),
    reject: (route, code, frameId) => {
      const id: Bytes = new Uint8Array(frameId)
      order.run(() => events.reject(route, code, id))
    },
    accepted: (route, frameId, names) => {
      const id: Bytes = new Uint8Array(frameId)
      order.run(() => events.accepted(route, id, names))
    },
    status: (route, online, incarnation) => order.run(() => events.status(route, online, incarnation)),
    peers: (change) => order.run(() => events.peers(change)),
    policies: () => notForPages('policies'),
    exchange: () => notForPages('HTTP'),
    goaway: (farewell) => order.run(() => events.goaway(farewell)),
    answered: (settle) => order.run(settle),
    writable: () => events.writable(),
    idle: () => {},
    // What had arrived before the end is still handed on.
    closed: (error) => order.run(() => events.closed(error)),
  }
}

function notForPages(what: string): never {
  throw new SealwayError('MALFORMED', { message: `a page is sent no ${what}` })
}
