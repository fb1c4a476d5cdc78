import { type Kind, type Limits, SealwayError } from '@sealway/protocol'
import type { Calls } from '../calls.js'
import type { Delivery } from '../delivery.js'
import type { Outlet } from '../outlet.js'
import type { Arrival } from '../sender.js'
import { Inbound, type Inflow } from './inbound.js'
import type { Opening } from './opening.js'
import type { Stream, StreamParts } from './stream.js'

/** What streams need of the node they are in. */
export interface StreamsParts extends Omit<StreamParts, 'lanes' | 'over'> {
  /** This node. */
  readonly name: string
  readonly limits: Limits
  readonly clock: () => number
  readonly calls: Calls
  /** Sends when there is room, behind those who wait already. */
  launch(opening: Opening, outlet: Outlet, attempt: () => boolean): void
  /** Reads a message out of a record, or out of a body that was put together. */
  delivery(
    arrival: Arrival,
    kind: Kind,
    corr: number,
    deadline: number | undefined,
    bytes: Buffer,
    start: number,
    end: number,
  ): Delivery | undefined
  /** @param begun it was accepted before: a body that has come in parts */
  dispatch(delivery: Delivery, begun?: boolean): void
  /** Whether new work that is addressed so is refused, since this node is draining. */
  turnsAway(to: string): boolean
  /** Whether so many bytes of messages that nobody waits for may be queued here for this sender, besides what is. */
  canQueue(from: string, bytes: number): boolean
  /** Called whenever a handler takes something that waited; undefined: no more. */
  whenHandled(work: (() => void) | undefined): void
  /** What a handler's stream threw. */
  crashed(delivery: Delivery, error: unknown): void
  answered(from: string, corr: number, status: number, body: () => unknown): void
  /** Whether a reply of this number from there would be taken. */
  expects(from: string, corr: number): boolean
  /** Something came that nobody here has asked for. */
  unknown(from: string): void
}

/** Where streams are known by their numbers. */
export interface Registry {
  /** @param from who opened it, where that was another node */
  make(number: number, scope: string, what: string, inflow: (stream: Stream) => Inflow, from?: string): Stream
  /** Sends the record that opens a stream, unless it is over by now. */
  launch(stream: Stream, opening: Opening, outlet: Outlet, attempt: () => boolean): void
}

/** What arrives on a stream, for somebody to read. @param stopped the reader wants no more */
export function inboundOf(parts: StreamsParts, stream: Stream, windowBytes: number, stopped: () => void): Inbound {
  return new Inbound({
    codec: parts.codec,
    windowBytes,
    // The first that a handler takes in is its acceptance.
    grant: (bytes) => (stream.opener ? stream.grant(bytes) : stream.accept(bytes)),
    stopped,
    malformed: (cause) => {
      const message = `${stream.what}: an item of ${stream.peer} cannot be decoded`
      const error = new SealwayError('MALFORMED', { message, hop: 'receiver', cause })
      parts.misbehaved(stream.peer!)
      stream.fail(error, true)
      return error
    },
  })
}
