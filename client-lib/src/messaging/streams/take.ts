import { Kind, readU32, SealwayError } from '@sealway/protocol'
import type { Delivery } from '../delivery.js'
import { runFor } from '../inherited.js'
import { leftField } from '../meta.js'
import { ReplyStatus } from '../payload.js'
import type { Arrival } from '../sender.js'
import { feed } from './feed.js'
import type { Inbound } from './inbound.js'
import { Items } from './items.js'
import { inboundOf, type Registry, type StreamsParts } from './registry.js'
import { closeStream, isStream, type Source, single, sourceOf } from './source.js'
import type { Stream } from './stream.js'
import { checkErrorBody } from './wire.js'

/** What a handler of the library's own returns that answers on its stream itself. */
export const answersItself = Symbol('answers itself')

/** Another node opens a stream: its handler is asked. @returns false where the record is malformed */
export function takeStream(
  parts: StreamsParts,
  registry: Registry,
  arrival: Arrival,
  number: number,
  bytes: Buffer,
  at: number,
  end: number,
): boolean {
  const { from } = arrival
  if (end - at < 4) return false
  const delivery = parts.delivery(arrival, Kind.stream, number, undefined, bytes, at + 4, end)
  if (!delivery) return false
  const leftMs = leftOf(delivery)
  if (leftMs !== undefined) delivery.deadline = arrival.receivedAt + leftMs
  const { limits } = parts
  const what = `stream ${delivery.action} from ${from}`
  let inbound!: Inbound
  const make = (own: Stream): Inbound => {
    inbound = inboundOf(parts, own, limits.streamCreditBytes, () => {
      own.accept(0)
      own.stop()
    })
    return inbound
  }
  const stream = registry.make(number, arrival.scope, what, make, from)
  stream.onOver = (error) => {
    if (error) delivery.abort(error)
    delivery.answered = true
  }
  delivery.takes(stream, new Items(inbound, limits.maxBodyBytes, what))
  stream.outbound.start(readU32(bytes, at))
  parts.dispatch(delivery)
  return true
}

/**
 * What the handler answers: one value, a stream of them, or an error.
 * @throws SealwayError `UNSERIALISABLE`, `TOO_LARGE`: the data of an expected error
 */
export function answerStream(parts: StreamsParts, delivery: Delivery, status: number, body: unknown): void {
  if (body === answersItself) return
  const stream = delivery.stream!
  if (status === ReplyStatus.ok) return send(parts, delivery, stream, body)
  const { code, message } = (body ?? {}) as { code?: unknown; message?: unknown }
  if (status === ReplyStatus.failed) {
    checkErrorBody(body)
    stream.fail(new SealwayError('APPLICATION_ERROR', { message: `it answered ${code}`, data: body }), true)
  } else if (status === ReplyStatus.refused) {
    stream.fail(new SealwayError(code as SealwayError['code'], { message: `refused: ${message}` }), true)
  } else {
    stream.fail(new SealwayError('EXCEPTION', { message: `the handler crashed: ${message}` }), true)
  }
}

function send(parts: StreamsParts, delivery: Delivery, stream: Stream, result: unknown): void {
  if (stream.over) {
    if (isStream(result)) closeStream(result, delivery.aborted)
    delivery.streamEnded({ type: 'broken', error: delivery.aborted ?? stream.lost('it is over') })
    return
  }
  let source: Source
  try {
    source = isStream(result) ? sourceOf(result) : single(result)
  } catch (error) {
    // Locked by another reader, or its iterator could not be had.
    delivery.streamEnded({ type: 'threw', error })
    parts.crashed(delivery, error)
    return
  }
  stream.onOver = (error) => {
    if (error) delivery.abort(error)
    source.close(error)
    delivery.streamEnded(error ? { type: 'broken', error } : { type: 'complete' })
  }
  stream.onStop = () => stream.fail(new SealwayError('ABORTED', { message: `${stream.what}: nobody reads` }), true)
  stream.accept(0)
  const failed = (error: unknown): void => {
    delivery.streamEnded({ type: 'threw', error })
    parts.crashed(delivery, error)
  }
  void feed(stream, inherited(delivery, source), failed).then(() => {
    if (stream.outbound.ended) stream.finish()
  })
}

/** A generator runs when it is pulled, long after its handler has returned: what it asks still follows its caller. */
const inherited = (delivery: Delivery, source: Source): Source => ({
  next: () => runFor(delivery, () => source.next()),
  close: (reason) => source.close(reason),
})

/** How long the one waits for whom the stream was opened; undefined where that is not said. */
function leftOf(delivery: Delivery): number | undefined {
  let left: unknown
  try {
    left = delivery.meta[leftField]
  } catch {
    // The handler that looks at it will say so.
  }
  return typeof left === 'number' && left >= 0 ? left : undefined
}
