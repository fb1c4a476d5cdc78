import { readU32, SealwayError } from '@sealway/protocol'
import type { Delivery } from '../delivery.js'
import type { Outlet } from '../outlet.js'
import type { Arrival } from '../sender.js'
import { Bodies, type Carried } from './bodies.js'
import type { Inflow } from './inbound.js'
import { type Asked, openStream } from './open.js'
import type { Opening } from './opening.js'
import type { StreamReader } from './reader.js'
import type { Registry, StreamsParts } from './registry.js'
import { Stream, type StreamParts, sayRecord } from './stream.js'
import { answerStream, takeStream } from './take.js'
import { acceptorFlag, Op, opMask, resetRecord } from './wire.js'

/** How often the sender of a stream that nobody knows is told so, ms. */
const tellEveryMs = 1_000
const maxTold = 1_024

/** All streams of a node: those it opened and those it was asked for. */
export class Streams implements Registry {
  private readonly parts: StreamsParts
  private readonly shared: StreamParts
  private readonly bodies: Bodies
  private readonly opened = new Map<number, Stream>()
  private readonly taken = new Map<string, Stream>()
  private readonly toldAt = new Map<string, number>()

  constructor(parts: StreamsParts, lanes: StreamParts['lanes']) {
    this.parts = parts
    this.shared = { ...parts, lanes, over: (stream) => this.forget(stream) }
    this.bodies = new Bodies(parts, this)
  }

  get count(): number {
    return this.opened.size + this.taken.size
  }

  // ---- opening

  /** @throws SealwayError `INVALID_ARGUMENT`, `BUSY`, `ABORTED` */
  open(asked: Asked): StreamReader {
    this.refuseFull(`stream ${asked.action} to ${asked.outlet.to}`)
    return openStream(this.parts, this, asked)
  }

  launch(stream: Stream, opening: Opening, outlet: Outlet, attempt: () => boolean): void {
    if (stream.over) return
    // A node is who it is; which member of a group it will be, its acceptance says.
    if (!outlet.to.includes(':')) stream.join(outlet.to)
    this.parts.launch(opening, outlet, attempt)
  }

  /** A body that is too large for one frame. @throws SealwayError `TOO_LARGE`, `BUSY` */
  carry(carried: Carried): () => void {
    this.refuseFull(carried.what)
    return this.bodies.carry(carried)
  }

  private refuseFull(what: string): void {
    if (this.count < this.parts.limits.maxStreams) return
    const message = `${what}: ${this.parts.limits.maxStreams} streams are open already`
    throw new SealwayError('BUSY', { message, outcome: 'not-delivered', hop: 'client' })
  }

  make(number: number, scope: string, what: string, inflow: (stream: Stream) => Inflow, from?: string): Stream {
    const stream = new Stream(this.shared, number, from === undefined, scope, what, inflow)
    if (from === undefined) this.opened.set(number, stream)
    else {
      stream.join(from)
      this.taken.set(keyOf(from, number), stream)
    }
    return stream
  }

  /** What a handler answers on a stream that it was asked for. */
  reply(delivery: Delivery, status: number, body: unknown): void {
    answerStream(this.parts, delivery, status, body)
  }

  private forget(stream: Stream): void {
    if (stream.opener) this.opened.delete(stream.number)
    else this.taken.delete(keyOf(stream.peer!, stream.number))
  }

  // ---- what arrives

  /** @param late it is behind one that was delivered already */
  record(
    arrival: Arrival,
    number: number,
    ttlMs: number,
    late: boolean,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    const { from } = arrival
    if (number < 0 || start === end) return this.parts.misbehaved(from)
    const op = bytes[start]! & opMask
    const byAcceptor = (bytes[start]! & acceptorFlag) !== 0
    if (!byAcceptor && (op === Op.open || op === Op.carry)) {
      return this.asked(op, arrival, number, ttlMs, bytes, start + 1, end)
    }
    const stream = byAcceptor ? this.opened.get(number) : this.taken.get(keyOf(from, number))
    if (late || !stream || stream.scope !== arrival.scope || arrival.to !== this.parts.name) {
      return this.stray(arrival, number, op, byAcceptor, !stream)
    }
    if (byAcceptor && !stream.accepted) {
      // Which member of a group has it, its first word says.
      const first = op === Op.accept || op === Op.reset
      if (!first || (stream.peer !== undefined && stream.peer !== from)) return this.parts.misbehaved(from)
      stream.join(from)
      if (op === Op.accept) return this.begun(stream, bytes, start + 1, end)
    } else if (stream.peer !== from) return this.parts.misbehaved(from)
    stream.arrived(op, bytes, start + 1, end)
  }

  private begun(stream: Stream, bytes: Buffer, at: number, end: number): void {
    if (end - at !== 4) return this.parts.misbehaved(stream.peer!)
    stream.accepted = true
    stream.outbound.start(readU32(bytes, at))
    stream.onAccepted?.(stream.peer!)
  }

  /** Nobody here knows it, or any more: its sender is told, or it would wait for ever. */
  private stray(arrival: Arrival, number: number, op: number, byAcceptor: boolean, gone: boolean): void {
    // What crosses an end or a reset on the way is nobody's fault.
    if (gone && op !== Op.accept && op !== Op.data) return
    this.parts.unknown(arrival.from)
    if (!gone) return
    if (op === Op.data && !this.mayTell(keyOf(arrival.from, number))) return
    this.tell(arrival, number, byAcceptor ? 0 : acceptorFlag, 'STREAM_LOST', 'this stream is not open here')
  }

  /** Data may be many, and one reset is enough. */
  private mayTell(key: string): boolean {
    const now = this.parts.clock()
    if (now - (this.toldAt.get(key) ?? Number.NEGATIVE_INFINITY) < tellEveryMs) return false
    if (this.toldAt.size >= maxTold) this.toldAt.clear()
    this.toldAt.set(key, now)
    return true
  }

  private tell(arrival: Arrival, number: number, flag: number, code: SealwayError['code'], message: string): void {
    sayRecord(
      this.parts.outletOf(arrival.from, arrival.scope),
      number,
      flag,
      resetRecord(new SealwayError(code, { message })),
    )
  }

  private asked(
    op: number,
    arrival: Arrival,
    number: number,
    ttlMs: number,
    bytes: Buffer,
    at: number,
    end: number,
  ): void {
    const { from } = arrival
    if (this.taken.has(keyOf(from, number)) || arrival.to.startsWith('group:')) return this.parts.misbehaved(from)
    if (this.count >= this.parts.limits.maxStreams) {
      this.parts.unknown(from)
      return this.tell(arrival, number, acceptorFlag, 'BUSY', `${this.count} streams are open already`)
    }
    const took =
      op === Op.open
        ? takeStream(this.parts, this, arrival, number, bytes, at, end)
        : this.bodies.asked(arrival, number, ttlMs, bytes, at, end)
    if (took) return
    this.parts.misbehaved(from)
    this.tell(arrival, number, acceptorFlag, 'MALFORMED', 'a stream was opened with a malformed record')
  }

  // ---- breaks

  /** A node disconnected, or came back as another process. */
  peerGone(name: string): void {
    for (const stream of this.of(name)) stream.fail(stream.lost(`${name} disconnected`), false)
  }

  /** Frames between this node and that one were lost on the way, in either direction. */
  gap(name: string, scope: string, why: string): void {
    for (const stream of this.of(name)) {
      if (stream.scope === scope) stream.fail(stream.lost(why), true)
    }
  }

  private of(name: string): Stream[] {
    return [...this.opened.values(), ...this.taken.values()].filter(
      (stream) => stream.peer === name && (stream.accepted || !stream.opener),
    )
  }

  linkLost(error: SealwayError): void {
    for (const stream of [...this.opened.values(), ...this.taken.values()]) {
      // What was not accepted yet is as a call: its opening says what became of it.
      if (stream.accepted || !stream.opener) stream.fail(stream.lost(error.message, error), false)
    }
  }

  close(): void {
    const error = new SealwayError('CLOSED', { message: 'this node was closed', hop: 'client' })
    for (const stream of [...this.opened.values(), ...this.taken.values()]) stream.fail(error, false)
  }
}

const keyOf = (from: string, number: number): string => `${from}/${number}`
