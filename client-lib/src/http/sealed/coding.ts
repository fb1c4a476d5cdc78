import { pipeline, Readable, type Transform } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'

const decoders: ReadonlyMap<string, () => Transform> = new Map<string, () => Transform>([
  ['gzip', createGunzip],
  ['x-gzip', createGunzip],
  ['deflate', createInflate],
  ['br', createBrotliDecompress],
])

/**
 * What was coded for its transport (RFC 9110 s8.4), as `fetch` hands it out: decoded. It is pulled, so what a small
 * body becomes waits for its reader, however much that is. Nobody is asked to code anything; some do it unasked.
 * @param coding of `Content-Encoding`; one that is not known leaves the body as it is
 */
export function decoded(body: ReadableStream<Uint8Array>, coding: string): ReadableStream<Uint8Array> {
  const steps = coding.split(',').map((name) => decoders.get(name.trim().toLowerCase()))
  // The last one named was applied last.
  return steps.reduceRight<ReadableStream<Uint8Array>>(
    (coded, decoder) => (decoder ? through(coded, decoder()) : coded),
    body,
  )
}

function through(body: ReadableStream<Uint8Array>, decoder: Transform): ReadableStream<Uint8Array> {
  // Whatever breaks either breaks both, and whoever reads hears of it.
  pipeline(Readable.fromWeb(body), decoder, () => {})
  return Readable.toWeb(decoder) as ReadableStream<Uint8Array>
}
