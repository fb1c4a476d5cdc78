import { Kind, readU32, SealwayError } from '@sealway/protocol'
import type { Delivery } from '../delivery.js'
import { ReplyStatus } from '../payload.js'
import type { Arrival } from '../sender.js'
import { feed } from './feed.js'
import type { Inbound } from './inbound.js'
import { Items } from './items.js'
import { inboundOf, type Registry, type StreamsParts } from './registry.js'
import { closeStream, isStream, type Source, single, sourceOf } from './source.js'
import type { Stream } from './stream.js'

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
  stream.onOver = (error) => error && delivery.abort(error)
  delivery.takes(stream, new Items(inbound, limits.maxBodyBytes, what))
  stream.outbound.start(readU32(bytes, at))
  parts.dispatch(delivery)
  return true
}

/** What the handler answers: one value, a stream of them, or an error. */
export function answerStream(parts: StreamsParts, delivery: Delivery, status: number, body: unknown): void {
  if (body === answersItself) return
  const stream = delivery.stream!
  if (status === ReplyStatus.ok) return send(parts, delivery, stream, body)
  const { code, message } = (body ?? {}) as { code?: unknown; message?: unknown }
  if (status === ReplyStatus.failed) {
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
    return
  }
  let source: Source
  try {
    source = isStream(result) ? sourceOf(result) : single(result)
  } catch (error) {
    // Locked by another reader, or its iterator could not be had.
    parts.crashed(delivery, error)
    return
  }
  stream.onOver = (error) => {
    if (error) delivery.abort(error)
    source.close(error)
  }
  stream.onStop = () => stream.fail(new SealwayError('ABORTED', { message: `${stream.what}: nobody reads` }), true)
  stream.accept(0)
  void feed(stream, source, (error) => parts.crashed(delivery, error)).then(() => {
    if (stream.outbound.ended) stream.finish()
  })
}
