import { Kind, type Limits, readU32, SealwayError, writeU32 } from '@sealway/protocol'
import type { Calls } from '../calls.js'
import { aborted, refuseAborted } from '../deadline.js'
import type { Delivery } from '../delivery.js'
import type { Outlet } from '../outlet.js'
import { messageBytes, ReplyStatus, writeMessage } from '../payload.js'
import type { Arrival } from '../sender.js'
import { messageOf } from '../thrown.js'
import { Bodies, type Carried } from './bodies.js'
import { feed } from './feed.js'
import { Inbound } from './inbound.js'
import { Items } from './items.js'
import { Opening } from './opening.js'
import { type StreamOptions, StreamReader } from './reader.js'
import { closeStream, isStream, type Source, single, sourceOf } from './source.js'
import { Stream, type StreamParts, sayRecord } from './stream.js'
import { acceptorFlag, Op, opMask, resetRecord } from './wire.js'

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
  dispatch(delivery: Delivery): void
  /** What a handler's stream threw. */
  crashed(delivery: Delivery, error: unknown): void
  answered(from: string, corr: number, status: number, body: () => unknown): void
  /** Whether a reply of this number from there would be taken. */
  expects(from: string, corr: number): boolean
  /** Something came that nobody here has asked for. */
  unknown(from: string): void
}

const minCreditBytes = 1_024
const maxCreditBytes = 16 * 1024 * 1024
/** How often the sender of a stream that nobody knows is told so, ms. */
const tellEveryMs = 1_000
const maxTold = 1_024

/** All streams of a node: those it opened and those it was asked for. */
export class Streams {
  private readonly parts: StreamsParts
  private readonly shared: StreamParts
  private readonly bodies: Bodies
  private readonly opened = new Map<number, Stream>()
  private readonly taken = new Map<string, Stream>()
  private readonly toldAt = new Map<string, number>()

  constructor(parts: StreamsParts, lanes: StreamParts['lanes']) {
    this.parts = parts
    this.shared = { ...parts, lanes, over: (stream) => this.forget(stream) }
    this.bodies = new Bodies(parts, {
      make: (number, opener, scope, what, inflow) => this.make(number, opener, scope, what, inflow),
      open: (stream, opening, outlet, attempt) => this.launch(stream, opening, outlet, attempt),
    })
  }

  get count(): number {
    return this.opened.size + this.taken.size
  }

  // ---- opening

  /**
   * @param timeoutMs until it is accepted
   * @param ready what to wait for before it is sent
   * @throws SealwayError `INVALID_ARGUMENT`, `BUSY`, `ABORTED`; all else comes to who reads
   */
  open(
    outlet: Outlet,
    action: string,
    name: Uint8Array,
    meta: Uint8Array | undefined,
    body: unknown,
    options: StreamOptions,
    timeoutMs: number,
    ready: Promise<void> | undefined,
  ): StreamReader {
    const { limits, calls, body: writer } = this.parts
    const what = `stream ${action} to ${outlet.to}`
    if (outlet.to.startsWith('group:')) throw invalid(`a stream has one other end; ${outlet.to} has many: use any:`)
    const credit = creditOf(options.credit ?? limits.streamCreditBytes)
    const idleMs = idleOf(options.idleTimeout)
    const { signal } = options
    refuseAborted(signal, what)
    this.refuseFull(what)
    const source = options.input === undefined ? undefined : sourceOf(options.input)

    let inbound!: Inbound
    const stream = this.make(calls.nextCorr(), true, outlet.scope, what, () => {
      inbound = this.inbound(
        () => stream,
        credit,
        () => {
          const error = new SealwayError('ABORTED', { message: `${what}: its reader stopped`, hop: 'client' })
          stream.fail(error, opening.flow !== undefined)
        },
      )
      return inbound
    })
    const accepted = new Promise<string>((resolve, reject) => {
      stream.onAccepted = (peer) => {
        opening.done()
        resolve(peer)
      }
      stream.onOver = (error) => {
        opening.done()
        signal?.removeEventListener('abort', onAbort)
        source?.close(error)
        reject(error)
      }
    })
    const opening = new Opening(calls, stream.number, outlet, what, timeoutMs, undefined, (error) =>
      stream.fail(error, error.outcome === 'unknown'),
    )
    const onAbort = (): void => {
      const left = opening.flow !== undefined
      const error = aborted(what, signal!, left ? 'unknown' : 'not-delivered')
      inbound.drop(error)
      stream.fail(error, left)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    stream.onEnd = () => stream.finish()
    const reader = new StreamReader(stream, inbound, limits.maxBodyBytes, accepted, source !== undefined)
    const first = inbound.begin()
    const attempt = (): boolean => {
      if (opening.settled) return true
      writer.prepare(body)
      return outlet.stream(
        stream.number,
        5 + messageBytes(name, meta, writer),
        (buffer, at) => {
          buffer[at] = Op.open
          writeU32(buffer, at + 1, first)
          return writeMessage(buffer, at + 5, name, meta, writer, 0)
        },
        { waiter: opening, ttlMs: timeoutMs, wantAccepted: outlet.to.includes(':') },
      )
    }
    accepted.then(
      () => stream.watchSilence(idleMs),
      () => {},
    )
    if (source) this.feedInput(stream, source)
    if (ready) void ready.then(() => this.launch(stream, opening, outlet, attempt))
    else this.launch(stream, opening, outlet, attempt)
    return reader
  }

  private feedInput(stream: Stream, source: Source): void {
    stream.onStop = () => source.close(undefined)
    void feed(stream, source, (cause) => {
      const message = `${stream.what}: its input failed: ${messageOf(cause)}`
      stream.fail(new SealwayError('ABORTED', { message, hop: 'client', cause }), true)
      source.close(cause)
    })
  }

  private launch(stream: Stream, opening: Opening, outlet: Outlet, attempt: () => boolean): void {
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

  private make(
    number: number,
    opener: boolean,
    scope: string,
    what: string,
    inflow: ConstructorParameters<typeof Stream>[5],
    from?: string,
  ): Stream {
    const stream = new Stream(this.shared, number, opener, scope, what, inflow)
    if (opener) this.opened.set(number, stream)
    else {
      stream.join(from!)
      this.taken.set(keyOf(from!, number), stream)
    }
    return stream
  }

  private inbound(stream: () => Stream, windowBytes: number, stopped: () => void): Inbound {
    return new Inbound({
      codec: this.parts.codec,
      windowBytes,
      grant: (bytes) => (stream().opener ? stream().grant(bytes) : stream().accept(bytes)),
      stopped,
      malformed: (cause) => {
        const it = stream()
        const message = `${it.what}: an item of ${it.peer} cannot be decoded`
        const error = new SealwayError('MALFORMED', { message, hop: 'receiver', cause })
        this.parts.misbehaved(it.peer!)
        it.fail(error, true)
        return error
      },
    })
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
        ? this.take(arrival, number, bytes, at, end)
        : this.bodies.asked(arrival, ttlMs, bytes, at, end, (what, inflow) =>
            this.make(number, false, arrival.scope, what, inflow, from),
          )
    if (took) return
    this.parts.misbehaved(from)
    this.tell(arrival, number, acceptorFlag, 'MALFORMED', 'a stream was opened with a malformed record')
  }

  private take(arrival: Arrival, number: number, bytes: Buffer, at: number, end: number): boolean {
    const { from } = arrival
    if (end - at < 4) return false
    const delivery = this.parts.delivery(arrival, Kind.stream, number, undefined, bytes, at + 4, end)
    if (!delivery) return false
    const { limits } = this.parts
    const what = `stream ${delivery.action} from ${from}`
    let inbound!: Inbound
    const stream = this.make(
      number,
      false,
      arrival.scope,
      what,
      () => {
        inbound = this.inbound(
          () => stream,
          limits.streamCreditBytes,
          () => {
            stream.accept(0)
            stream.stop()
          },
        )
        return inbound
      },
      from,
    )
    stream.onOver = (error) => error && delivery.abort(error)
    delivery.takes(stream, new Items(inbound, limits.maxBodyBytes, what))
    stream.outbound.start(readU32(bytes, at))
    this.parts.dispatch(delivery)
    return true
  }

  // ---- what a handler answers

  reply(delivery: Delivery, status: number, body: unknown): void {
    const stream = delivery.stream!
    if (status === ReplyStatus.ok) return this.answer(delivery, stream, body)
    const { code, message } = (body ?? {}) as { code?: unknown; message?: unknown }
    if (status === ReplyStatus.failed) {
      stream.fail(new SealwayError('APPLICATION_ERROR', { message: `it answered ${code}`, data: body }), true)
    } else if (status === ReplyStatus.refused) {
      stream.fail(new SealwayError(code as SealwayError['code'], { message: `refused: ${message}` }), true)
    } else {
      stream.fail(new SealwayError('EXCEPTION', { message: `the handler crashed: ${message}` }), true)
    }
  }

  private answer(delivery: Delivery, stream: Stream, result: unknown): void {
    if (stream.over) {
      if (isStream(result)) closeStream(result, delivery.aborted)
      return
    }
    let source: Source
    try {
      source = isStream(result) ? sourceOf(result) : single(result)
    } catch (error) {
      // Locked by another reader, or its iterator could not be had.
      this.parts.crashed(delivery, error)
      return
    }
    stream.onOver = (error) => {
      if (error) delivery.abort(error)
      source.close(error)
    }
    stream.onStop = () => stream.fail(new SealwayError('ABORTED', { message: `${stream.what}: nobody reads` }), true)
    stream.accept(0)
    void feed(stream, source, (error) => this.parts.crashed(delivery, error)).then(() => {
      if (stream.outbound.ended) stream.finish()
    })
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

function creditOf(bytes: number): number {
  if (Number.isInteger(bytes) && bytes >= minCreditBytes && bytes <= maxCreditBytes) return bytes
  throw invalid(`credit must be ${minCreditBytes} to ${maxCreditBytes} bytes, not ${String(bytes)}`)
}

function idleOf(ms: number | undefined): number {
  const idleMs = ms ?? Number.POSITIVE_INFINITY
  if (typeof idleMs === 'number' && idleMs > 0) return idleMs
  throw invalid(`idleTimeout must be a number of milliseconds above 0, not ${String(ms)}`)
}

const invalid = (message: string) =>
  new SealwayError('INVALID_ARGUMENT', { message, outcome: 'not-delivered', hop: 'client' })
