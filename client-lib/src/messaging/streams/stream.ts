import { readU32, SealwayError } from '@sealway/protocol'
import { readU64, writeU64 } from '../../crypto/u64.js'
import type { Timers } from '../../session/timers.js'
import type { Waiter } from '../bundle.js'
import type { Outlet } from '../outlet.js'
import type { BodyWriter, Codec } from '../payload.js'
import { type Fault, type Inflow, wrong } from './inbound.js'
import type { Lanes } from './lanes.js'
import { Outbound } from './outbound.js'
import {
  acceptorFlag,
  dataHeadBytes,
  decodeReset,
  endRecord,
  Op,
  type Reset,
  resetRecord,
  stopRecord,
  streamLost,
  u32Record,
} from './wire.js'

/** What all streams of a node share. */
export interface StreamParts {
  readonly lanes: Lanes
  readonly timers: Timers
  readonly codec: Codec | undefined
  readonly body: BodyWriter
  /** What is sealed for a node with the keys of a scope. */
  outletOf(name: string, scope: string): Outlet
  /** The other end broke the rules. */
  misbehaved(from: string): void
  /** The stream is over and needs no place any more. */
  over(stream: Stream): void
}

/** No honest end grants so much, bytes. */
const maxGrantBytes = 2 ** 31

/** One end of a stream: what arrives on it, what leaves by it, and how it ends. */
export class Stream {
  readonly outbound: Outbound
  readonly inflow: Inflow
  /** Name of the other end, where it is known. */
  peer: string | undefined
  over = false
  /** The other end wants no more of what is sent here, but goes on itself. */
  onStop: (() => void) | undefined
  /** It is over: with the error that broke it, if one did. */
  onOver: ((error: SealwayError | undefined) => void) | undefined
  /** The member of a group that was asked refused it. Returns true where another is asked, and the stream goes on. */
  onRefused: ((error: SealwayError) => boolean) | undefined
  /** The other end has sent all it had. */
  onEnd: (() => void) | undefined
  /** The other end has begun with it; its name. */
  onAccepted: ((peer: string) => void) | undefined
  accepted = false
  /** Waits for what becomes of the end that this side sends. */
  endWaiter: Waiter | undefined
  /** The end has left this process. */
  onEndLeft: (() => void) | undefined
  private outlet: Outlet | undefined
  private readonly flag: number
  private heardAt = 0
  private idleTimer: unknown

  /**
   * @param what for errors, as `stream export to any:orders`
   * @param inflow makes what takes in the other direction
   */
  constructor(
    private readonly parts: StreamParts,
    readonly number: number,
    readonly opener: boolean,
    readonly scope: string,
    readonly what: string,
    inflow: (stream: Stream) => Inflow,
  ) {
    this.flag = opener ? 0 : acceptorFlag
    this.inflow = inflow(this)
    this.outbound = new Outbound({
      body: parts.body,
      hasRoom: () => parts.lanes.hasRoom(this.outlet!),
      awaitRoom: () => parts.lanes.wait(this.outlet!, this.outbound),
      data: (offset, encoding, bytes) => this.sendData(offset, encoding, bytes),
      end: (length) => this.say(endRecord(length), this.endWaiter, () => this.onEndLeft?.()),
    })
  }

  /** From now on it is known who the other end is. */
  join(peer: string): void {
    this.peer = peer
    const outlet = this.parts.outletOf(peer, this.scope)
    outlet.holders++
    if (this.outlet) this.outlet.holders--
    this.outlet = outlet
  }

  /** It is not known any more who the other end is: another member of the group is asked. */
  leave(): void {
    this.peer = undefined
    this.outlet = undefined
  }

  // ---- to the other end

  /** The acceptor has begun; the opener may send so many bytes. Once; later it is as `grant`. */
  accept(credit: number): void {
    if (this.over) return
    if (this.accepted) return this.grant(credit)
    this.accepted = true
    this.say(u32Record(Op.accept, credit))
  }

  grant(bytes: number): void {
    if (!this.over && bytes > 0) this.say(u32Record(Op.credit, bytes))
  }

  stop(): void {
    if (!this.over) this.say(stopRecord())
  }

  /** Control records are small and few; they go out even where messages wait for room. */
  private say(record: Uint8Array, waiter?: Waiter, left?: () => void): void {
    if (this.outlet && sayRecord(this.outlet, this.number, this.flag, record, waiter, left)) return
    this.fail(this.lost('the queue to it is full'), false)
  }

  private sendData(offset: number, encoding: number, bytes: Uint8Array | undefined): boolean {
    const { body } = this.parts
    const size = dataHeadBytes + (bytes ? bytes.length : body.size)
    return this.outlet!.stream(
      this.number,
      size,
      (buffer, at) => {
        buffer[at] = Op.data | this.flag
        writeU64(buffer, at + 1, offset)
        buffer[at + 9] = encoding
        if (!bytes) return body.write(buffer, at + dataHeadBytes)
        buffer.set(bytes, at + dataHeadBytes)
        return at + size
      },
      { data: true },
    )
  }

  // ---- from the other end

  /** A record of the other end but open, accept and carry. */
  arrived(op: number, bytes: Buffer, at: number, end: number): void {
    this.heardAt = this.parts.timers.monotonic()
    const fault = this.take(op, bytes, at, end)
    if (fault === undefined || this.over) return
    if (fault.code === 'STREAM_LOST') return this.fail(this.lost(fault.why), true)
    this.parts.misbehaved(this.peer!)
    const message = `${this.what}: ${this.peer} broke the rules of streams: ${fault.why}`
    this.fail(new SealwayError('MALFORMED', { message, hop: 'receiver', target: this.peer! }), true)
  }

  private take(op: number, bytes: Buffer, at: number, end: number): Fault | undefined {
    const size = end - at
    switch (op) {
      case Op.data: {
        const offset = size < 9 ? undefined : readU64(bytes, at)
        if (offset === undefined) return wrong('data without an offset')
        return this.inflow.push(offset, bytes[at + 8]!, bytes, at + 9, end)
      }
      case Op.end: {
        const length = size === 8 ? readU64(bytes, at) : undefined
        if (length === undefined) return wrong('an end without a length')
        const fault = this.inflow.end(length)
        if (fault === undefined) this.onEnd?.()
        return fault
      }
      case Op.credit: {
        const granted = size === 4 ? readU32(bytes, at) : 0
        if (granted === 0 || granted > maxGrantBytes) return wrong('credit of no use')
        this.outbound.grant(granted)
        return undefined
      }
      case Op.stop:
        this.outbound.fail(this.lost('the other end takes no more'))
        this.onStop?.()
        return undefined
      case Op.reset: {
        const error = this.resetError(decodeReset(bytes.subarray(at, end)))
        if (!this.onRefused?.(error)) this.fail(error, false)
        return undefined
      }
      default:
        return wrong(`op ${op}`)
    }
  }

  private resetError({ code, message, data }: Reset): SealwayError {
    const said = `${this.what}: ${this.peer}: ${message}`
    if (code === 'STREAM_LOST') return streamLost(said, this.inflow.offset, this.peer)
    return new SealwayError(code, {
      message: said,
      hop: 'receiver',
      target: this.peer!,
      // Refused by the library before any handler ran.
      outcome: this.accepted || code === 'APPLICATION_ERROR' || code === 'EXCEPTION' ? 'unknown' : 'not-delivered',
      ...(data === undefined ? {} : { data }),
    })
  }

  // ---- its end

  /** What a break is to whoever reads here: with how far it came. */
  lost(why: string, cause?: unknown): SealwayError {
    return streamLost(`${this.what} broke: ${why}`, this.inflow.offset, this.peer, cause)
  }

  /** Everything was said that there was to say. */
  finish(): void {
    if (this.over) return
    this.close(this.lost('it is over'))
    this.onOver?.(undefined)
  }

  /** @param tell the other end does not know yet */
  fail(error: SealwayError, tell: boolean): void {
    if (this.over) return
    if (tell && this.outlet) this.say(resetRecord(error))
    if (this.over) return
    this.inflow.fail(error)
    this.close(error)
    this.onOver?.(error)
  }

  private close(error: SealwayError): void {
    this.over = true
    this.parts.timers.clear(this.idleTimer)
    if (this.outlet) {
      this.outlet.holders--
      this.parts.lanes.leave(this.outlet, this.outbound)
    }
    this.outbound.fail(error)
    this.parts.over(this)
  }

  // ---- silence

  /** Breaks it when this end waits and hears nothing for `idleMs`, to a quarter more. */
  watchSilence(idleMs: number): void {
    if (!Number.isFinite(idleMs) || this.over) return
    const { timers } = this.parts
    let waited = false
    const look = (): void => {
      const waits = this.inflow.starving || this.outbound.starving
      // It may only just have begun to wait, and the silence before was this end's own.
      if (!waits || !waited) this.heardAt = timers.monotonic()
      waited = waits
      if (timers.monotonic() - this.heardAt < idleMs) {
        this.idleTimer = timers.set(look, idleMs / 4)
        return
      }
      const message = `${this.what}: ${this.peer} was silent for ${idleMs} ms`
      this.fail(new SealwayError('TIMEOUT', { message, outcome: 'unknown', hop: 'client', target: this.peer! }), true)
    }
    look()
  }
}

/** A control record of any stream, also of one that is not known here. @returns false where it cannot be said */
export function sayRecord(
  outlet: Outlet,
  number: number,
  flag: number,
  record: Uint8Array,
  waiter?: Waiter,
  left?: () => void,
): boolean {
  const fill = (buffer: Buffer, at: number): number => {
    buffer.set(record, at)
    buffer[at]! |= flag
    return at + record.length
  }
  try {
    return outlet.stream(number, record.length, fill, {
      urgent: true,
      ...(waiter ? { waiter } : {}),
      ...(left ? { left } : {}),
    })
  } catch {
    // There is no key for it any more; it is called for by what came, which must not suffer.
    return false
  }
}
