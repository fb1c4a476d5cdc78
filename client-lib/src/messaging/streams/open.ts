import { SealwayError, writeU32 } from '@sealway/protocol'
import { onAbort } from '../../session/abort-listener.js'
import { aborted, refuseAborted } from '../deadline.js'
import { followCaller } from '../inherited.js'
import type { MemberChoice } from '../member-choice.js'
import type { Outlet } from '../outlet.js'
import { messageBytes, writeMessage } from '../payload.js'
import { messageOf } from '../thrown.js'
import { feed } from './feed.js'
import type { Inbound } from './inbound.js'
import { Opening } from './opening.js'
import { type StreamOptions, StreamReader } from './reader.js'
import { inboundOf, type Registry, type StreamsParts } from './registry.js'
import { type Source, sourceOf } from './source.js'
import type { Stream } from './stream.js'
import { Op } from './wire.js'

/** What a caller asks for, already encoded but for the body. */
export interface Asked {
  readonly outlet: Outlet
  readonly action: string
  readonly name: Uint8Array
  readonly meta: Uint8Array | undefined
  readonly body: unknown
  readonly options: StreamOptions
  /** Until it is accepted. */
  readonly timeoutMs: number
  /** How long the one still waits for whom it is opened, ms: then it ends, wherever it is. */
  readonly leftMs: number | undefined
  /** What to wait for before it is sent. */
  readonly ready: Promise<void> | undefined
  /** The members to ask, where it goes to any of a group. */
  readonly choice: MemberChoice | undefined
}

const minCreditBytes = 1_024
const maxCreditBytes = 16 * 1024 * 1024

/** @throws SealwayError `INVALID_ARGUMENT`, `BUSY`, `ABORTED`; all else comes to who reads */
export function openStream(parts: StreamsParts, registry: Registry, asked: Asked): StreamReader {
  const { outlet, action, name, meta, body, options, timeoutMs, leftMs, ready, choice } = asked
  const { limits, calls, body: writer } = parts
  const what = `stream ${action} to ${outlet.to}`
  if (outlet.to.startsWith('group:')) throw invalid(`a stream has one other end; ${outlet.to} has many: use any:`)
  const credit = creditOf(options.credit ?? limits.streamCreditBytes)
  const idleMs = idleOf(options.idleTimeout)
  const { signal } = options
  refuseAborted(signal, what)
  const source = options.input === undefined ? undefined : sourceOf(options.input)

  let inbound!: Inbound
  const stream = registry.make(calls.nextCorr(), outlet.scope, what, (own) => {
    inbound = inboundOf(parts, own, credit, () => {
      const error = new SealwayError('ABORTED', { message: `${what}: its reader stopped`, hop: 'client' })
      own.fail(error, opening.flow !== undefined)
    })
    return inbound
  })
  const accepted = new Promise<string>((resolve, reject) => {
    stream.onAccepted = (peer) => {
      opening.done()
      resolve(peer)
    }
    stream.onOver = (error) => {
      opening.done()
      parts.timers.clear(timer)
      unlisten?.()
      unfollow?.()
      source?.close(error)
      reject(error)
    }
  })
  const began = parts.timers.monotonic()
  const openingTo = (to: Outlet): Opening => {
    const remainingMs = Math.ceil(timeoutMs - (parts.timers.monotonic() - began))
    return new Opening(calls, stream.number, to, what, remainingMs, undefined, (error) => {
      if (!movedOn(error)) stream.fail(error, error.outcome === 'unknown')
    })
  }
  /** Asks another member of the group, where the one that was asked has not begun and another can. */
  const movedOn = (error: SealwayError): boolean => {
    const next = stream.over || stream.accepted ? undefined : choice?.next(error)
    if (!next) return false
    opening.done()
    stream.leave()
    opening = openingTo(next)
    launch(next)
    return true
  }
  let opening = openingTo(outlet)
  stream.onRefused = movedOn
  const giveUp = (why: (outcome: 'not-delivered' | 'unknown') => SealwayError): void => {
    const left = opening.flow !== undefined
    const error = why(left ? 'unknown' : 'not-delivered')
    inbound.drop(error)
    stream.fail(error, left)
  }
  const onCallerGone = (): void => {
    const message = `${what}: the one for whom it was opened waits no longer`
    const left = opening.flow !== undefined
    const outcome = left ? 'unknown' : 'not-delivered'
    stream.fail(new SealwayError('TIMEOUT', { message, outcome, hop: 'client', target: outlet.to }), left)
  }
  const timer = leftMs === undefined ? undefined : parts.timers.setBackground(onCallerGone, leftMs)
  const unlisten = signal && onAbort(signal, () => giveUp((outcome) => aborted(what, signal, outcome)))
  const unfollow = followCaller(giveUp)
  stream.onEnd = () => stream.finish()
  const reader = new StreamReader(stream, inbound, limits.maxBodyBytes, accepted, source !== undefined)
  const first = inbound.begin()
  const launch = (to: Outlet): void => registry.launch(stream, opening, to, () => attempt(to))
  const attempt = (to: Outlet): boolean => {
    if (opening.settled) return true
    writer.prepare(body)
    return to.stream(
      stream.number,
      5 + messageBytes(name, meta, writer),
      (buffer, at) => {
        buffer[at] = Op.open
        writeU32(buffer, at + 1, first)
        return writeMessage(buffer, at + 5, name, meta, writer, 0)
      },
      { waiter: opening, ttlMs: timeoutMs, wantAccepted: to.to.includes(':') },
    )
  }
  accepted.then(
    () => stream.watchSilence(idleMs),
    () => {},
  )
  if (source) feedInput(stream, source)
  const begin = (): void => {
    const to = choice?.first() ?? outlet
    if (to !== outlet && !opening.settled) {
      opening.done()
      opening = openingTo(to)
    }
    launch(to)
  }
  if (ready) void ready.then(begin)
  else begin()
  return reader
}

function feedInput(stream: Stream, source: Source): void {
  stream.onStop = () => source.close(undefined)
  void feed(stream, source, (cause) => {
    const message = `${stream.what}: its input failed: ${messageOf(cause)}`
    stream.fail(new SealwayError('ABORTED', { message, hop: 'client', cause }), true)
    source.close(cause)
  })
}

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
