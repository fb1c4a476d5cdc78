import { Kind, SealwayError } from '@sealway/protocol'
import { readU64, writeU64 } from '../../crypto/u64.js'
import type { Waiter } from '../bundle.js'
import { Outcome } from '../outcomes.js'
import type { Outlet } from '../outlet.js'
import { decodeBody } from '../payload.js'
import type { Arrival } from '../sender.js'
import { Assembly } from './assembly.js'
import { type Inflow, wrong } from './inbound.js'
import { Opening } from './opening.js'
import type { Registry, StreamsParts } from './registry.js'
import type { Stream } from './stream.js'
import { carryHeadBytes, Op } from './wire.js'

/** A message whose body is too large for a frame. */
export interface Carried {
  readonly what: string
  readonly outlet: Outlet
  readonly kind: typeof Kind.fire | typeof Kind.acked | typeof Kind.call | typeof Kind.reply
  /** Of the message; -1 without. */
  readonly corr: number
  /** What stands before the body in a record of its own; of an acked one, its id before that. */
  readonly head: Uint8Array
  /** Must not be changed any more. */
  readonly bytes: Uint8Array
  /** Until it is accepted, and of silence from then on, ms. For a call: how long its sender waits. */
  readonly timeoutMs: number
  /** Waits for what becomes of the message once all of it has left. */
  readonly waiter?: Waiter
  /** Who takes it. */
  readonly accepted?: (peer: string) => void
  /** It has left as a whole, or it broke. Once. */
  readonly settled: (error: SealwayError | undefined) => void
}

/** Bodies put together at once may have so many times the largest body, in bytes; the next ones wait to be accepted. */
const bodiesAtOnce = 4

interface Waiting {
  readonly stream: Stream
  readonly length: number
  /** Whose message it is, where nobody waits for what becomes of it. */
  readonly unansweredOf: string | undefined
  readonly begin: () => void
}

/** Messages too large for a frame: sent as a stream of bytes, and handed on as what they are. */
export class Bodies {
  private readonly parts: StreamsParts
  private readonly registry: Registry
  private reservedBytes = 0
  /** Of messages that nobody waits for, by sender. */
  private readonly reservedOf = new Map<string, number>()
  private waiting: Waiting[] = []

  constructor(parts: StreamsParts, registry: Registry) {
    this.parts = parts
    this.registry = registry
  }

  /** @returns a function that breaks it off. @throws SealwayError `TOO_LARGE` */
  carry(carried: Carried): () => void {
    const { what, outlet, head, bytes, timeoutMs } = carried
    const { limits, calls } = this.parts
    if (bytes.length > limits.maxBodyBytes) {
      throw new SealwayError('TOO_LARGE', {
        message: `${what}: a body of ${bytes.length} bytes is over the limit of ${limits.maxBodyBytes}`,
        outcome: 'not-delivered',
        hop: 'client',
        target: outlet.to,
      })
    }
    const stream = this.registry.make(calls.nextCorr(), outlet.scope, what, () => nothing)
    const opening = new Opening(calls, stream.number, outlet, what, timeoutMs, undefined, (error) =>
      stream.fail(error, error.outcome === 'unknown'),
    )
    stream.endWaiter = carried.waiter
    stream.onOver = (error) => {
      opening.done()
      carried.settled(error)
    }
    stream.onAccepted = (peer) => {
      opening.done()
      carried.accepted?.(peer)
      stream.watchSilence(timeoutMs)
      stream.outbound.write(bytes).catch(() => {})
      stream.outbound.end().catch(() => {})
    }
    stream.onEndLeft = () => stream.finish()
    const record = carryRecord(carried)
    const size = record.length + head.length
    this.registry.launch(stream, opening, outlet, () => {
      if (opening.settled) return true
      const fill = (buffer: Buffer, at: number): number => {
        buffer.set(record, at)
        buffer.set(head, at + record.length)
        return at + size
      }
      return outlet.stream(stream.number, size, fill, {
        waiter: opening,
        ttlMs: timeoutMs,
        wantAccepted: outlet.to.includes(':'),
      })
    })
    return () => {
      const left = opening.flow !== undefined
      stream.fail(new SealwayError('ABORTED', { message: `${what}: nobody waits for it`, hop: 'client' }), left)
    }
  }

  /** Somebody wants to send one. @returns false where the record is malformed */
  asked(arrival: Arrival, number: number, ttlMs: number, bytes: Buffer, at: number, end: number): boolean {
    const headStart = at + carryHeadBytes - 1
    const length = end < headStart ? undefined : readU64(bytes, at + 1)
    const corr = end < headStart ? undefined : readU64(bytes, at + 9)
    if (length === undefined || corr === undefined || length === 0) return false
    const kind = bytes[at]!
    const idBytes = kind === Kind.acked ? 16 : 0
    const id = idBytes > 0 ? bytes.toString('latin1', headStart, headStart + idBytes) : undefined
    const head = Buffer.from(bytes.subarray(headStart + idBytes, end))
    const complete = this.sink(arrival, kind, corr, ttlMs, head, id)
    if (!complete) return false

    const { limits } = this.parts
    let assembly!: Assembly
    const make = (own: Stream): Inflow => {
      assembly = new Assembly({
        head,
        length,
        windowBytes: limits.streamCreditBytes,
        grant: (granted) => {
          if (kind !== Kind.reply || this.parts.expects(arrival.from, corr)) own.grant(granted)
          else own.fail(notWanted(), true)
        },
        complete: (message) => {
          // First it is queued, then its place is free: another one must not begin in between.
          complete(message)
          own.finish()
        },
      })
      return assembly
    }
    const stream = this.registry.make(number, arrival.scope, `a body from ${arrival.from}`, make, arrival.from)
    if (kind === Kind.reply && !this.parts.expects(arrival.from, corr)) stream.fail(notWanted(), true)
    else if (kind !== Kind.reply && this.parts.turnsAway(arrival.to)) {
      const message = `${this.parts.name} is shutting down and takes no new work`
      stream.fail(new SealwayError('DRAINING', { message }), true)
    } else if (length > limits.maxBodyBytes) {
      const message = `a body of ${length} bytes is over the limit of ${limits.maxBodyBytes} here`
      stream.fail(new SealwayError('TOO_LARGE', { message }), true)
    } else {
      const unansweredOf = kind === Kind.fire ? arrival.from : undefined
      this.reserve({ stream, length, unansweredOf, begin: () => stream.accept(assembly.begin()) })
    }
    return true
  }

  /** What is done with the message once it is whole; undefined where its head is malformed. */
  private sink(arrival: Arrival, kind: number, corr: number, ttlMs: number, head: Buffer, id: string | undefined) {
    const { parts } = this
    if (kind === Kind.reply) {
      if (head.length !== 2) return undefined
      const [status, encoding] = head as unknown as [number, number]
      return (message: Buffer) =>
        parts.answered(arrival.from, corr, status, () => decodeBody(encoding, message, 2, message.length, parts.codec))
    }
    if (kind !== Kind.fire && kind !== Kind.call && kind !== Kind.acked) return undefined
    const deadline = kind === Kind.fire ? undefined : parts.clock() + Math.max(0, ttlMs)
    const number = kind === Kind.fire ? -1 : corr
    const read = (message: Buffer) => parts.delivery(arrival, kind, number, deadline, message, 0, message.length)
    if (read(head)?.bodyBytes !== 0) return undefined
    return (message: Buffer) => {
      const delivery = read(message)!
      if (id !== undefined) {
        delivery.outcome = new Outcome(arrival.from, arrival.scope, corr)
        delivery.messageId = `${arrival.from} ${id}`
      }
      parts.dispatch(delivery, true)
    }
  }

  private reserve(body: Waiting): void {
    body.stream.onOver = () => {
      this.waiting = this.waiting.filter((one) => one !== body)
    }
    this.waiting.push(body)
    this.admit()
  }

  /** Handlers have taken something of what waited here: there may be room for bodies that nobody waits for. */
  readonly admit = (): void => {
    const most = this.parts.limits.maxBodyBytes * bodiesAtOnce
    for (const next of [...this.waiting]) {
      if (this.reservedBytes + next.length > most) break
      if (!this.mayBegin(next)) continue
      this.waiting = this.waiting.filter((one) => one !== next)
      this.begin(next)
    }
    const held = this.waiting.some(({ unansweredOf }) => unansweredOf !== undefined)
    this.parts.whenHandled(held ? this.admit : undefined)
  }

  private mayBegin({ unansweredOf, length }: Waiting): boolean {
    if (unansweredOf === undefined) return true
    return this.parts.canQueue(unansweredOf, length + (this.reservedOf.get(unansweredOf) ?? 0))
  }

  private begin({ stream, length, unansweredOf, begin }: Waiting): void {
    this.reserveBytes(length, unansweredOf)
    stream.onOver = () => {
      this.reserveBytes(-length, unansweredOf)
      this.admit()
    }
    begin()
    // Its place is not kept for one that says nothing.
    stream.watchSilence(this.parts.limits.callTimeoutMs)
  }

  private reserveBytes(bytes: number, unansweredOf: string | undefined): void {
    this.reservedBytes += bytes
    if (unansweredOf === undefined) return
    const reserved = (this.reservedOf.get(unansweredOf) ?? 0) + bytes
    if (reserved === 0) this.reservedOf.delete(unansweredOf)
    else this.reservedOf.set(unansweredOf, reserved)
  }
}

function carryRecord({ kind, bytes, corr }: Carried): Uint8Array {
  const record = new Uint8Array(carryHeadBytes)
  record[0] = Op.carry
  record[1] = kind
  writeU64(record, 2, bytes.length)
  writeU64(record, 10, Math.max(0, corr))
  return record
}

const notWanted = () => new SealwayError('ABORTED', { message: 'nobody waits for this answer' })

/** Whoever takes a body sends none back. */
const nothing: Inflow = {
  offset: 0,
  starving: false,
  begin: () => 0,
  push: () => wrong('data that nobody asked for'),
  end: () => wrong('an end of nothing'),
  fail() {},
}
