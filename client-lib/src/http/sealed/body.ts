import { SealwayError } from '@sealway/protocol'
import { type StreamSource, sourceOf } from '../../messaging/streams/source.js'
import { dataFrames, inlineBytes, maxPieceBytes, none } from './frames.js'

/** What a request may carry: as with `fetch`, and any iterable of bytes or text. */
export type FetchBody =
  | string
  | ArrayBuffer
  | NodeJS.ArrayBufferView
  | URLSearchParams
  | Blob
  | FormData
  | StreamSource<Uint8Array | string>

/** A body, as it will be sent. */
export interface Content {
  /** What it is, where the caller does not say. */
  readonly type: string | undefined
  /** All of it, where it is known and small enough to go with the head, or is bytes anyway. */
  readonly bytes: Uint8Array | undefined
  /** What of it comes bit by bit. */
  readonly source: StreamSource | undefined
  /** Bytes of all of it, where that is known. */
  readonly length: number | undefined
}

/** @throws SealwayError `INVALID_ARGUMENT` */
export async function contentOf(body: FetchBody | null | undefined): Promise<Content | undefined> {
  if (body === null || body === undefined) return undefined
  if (typeof body === 'string') return known(Buffer.from(body), 'text/plain;charset=UTF-8')
  if (body instanceof URLSearchParams) {
    return known(Buffer.from(body.toString()), 'application/x-www-form-urlencoded;charset=UTF-8')
  }
  if (body instanceof Uint8Array) return known(body, undefined)
  if (body instanceof ArrayBuffer) return known(new Uint8Array(body), undefined)
  if (ArrayBuffer.isView(body)) return known(new Uint8Array(body.buffer, body.byteOffset, body.byteLength), undefined)
  if (body instanceof Blob) return blobContent(body)
  if (body instanceof FormData) return formContent(body)
  return { type: undefined, bytes: undefined, source: streamed(body), length: undefined }
}

/** Whether it can be sent a second time. */
export const isReplayable = (body: FetchBody | null | undefined): boolean =>
  body === null ||
  body === undefined ||
  typeof body === 'string' ||
  body instanceof ArrayBuffer ||
  ArrayBuffer.isView(body) ||
  body instanceof URLSearchParams ||
  body instanceof Blob ||
  body instanceof FormData

const known = (bytes: Uint8Array, type: string | undefined): Content => ({
  type,
  bytes,
  source: undefined,
  length: bytes.length,
})

async function blobContent(blob: Blob): Promise<Content> {
  const type = blob.type === '' ? undefined : blob.type
  if (blob.size <= inlineBytes) return known(new Uint8Array(await blob.arrayBuffer()), type)
  return { type, bytes: undefined, source: blob.stream() as StreamSource, length: blob.size }
}

/** A small form goes with the head, as any small body; its parts are at hand, so that nothing is waited for. */
async function formContent(form: FormData): Promise<Content> {
  // Node writes multipart, and chooses the boundary.
  const encoded = new Response(form as ConstructorParameters<typeof Response>[0])
  const type = encoded.headers.get('content-type') ?? undefined
  const reader = encoded.body!.getReader()
  const begin: Uint8Array[] = []
  let bytes = 0
  while (bytes <= inlineBytes) {
    const { done, value } = await reader.read()
    if (done) return known(Buffer.concat(begin, bytes), type)
    begin.push(value)
    bytes += value.length
  }
  const source = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const first = begin.shift()
      if (first) return controller.enqueue(first)
      const { done, value } = await reader.read()
      if (done) controller.close()
      else controller.enqueue(value)
    },
    cancel: (reason) => reader.cancel(reason),
  })
  return { type, bytes: undefined, source: source as StreamSource, length: undefined }
}

/** @throws SealwayError `INVALID_ARGUMENT`: a plain object, a number */
function streamed(body: unknown): StreamSource {
  const it = body as { [Symbol.asyncIterator]?: unknown; [Symbol.iterator]?: unknown; getReader?: unknown }
  if (body instanceof ReadableStream && body.locked) throw invalid('the body is locked: somebody reads it, or has')
  if (typeof body === 'object' && (it[Symbol.asyncIterator] || it[Symbol.iterator] || it.getReader)) {
    return body as StreamSource
  }
  throw invalid(`a body is text, bytes, a form or a stream, not ${typeof body}; JSON is JSON.stringify(...)`)
}

/** The frames of a body that does not go with its head, pulled as the other end takes them. */
export function bodyFrames(content: Content): AsyncIterableIterator<Uint8Array, undefined, undefined> {
  const source = sourceOf(content.source ?? slices(content.bytes!))
  let ended = false
  return {
    async next() {
      if (ended) return { done: true, value: undefined }
      const { done, value } = await source.next()
      if (!done) return { done: false, value: dataFrames(chunkOf(value), false) }
      ended = true
      return { done: false, value: dataFrames(none, true) }
    },
    async return() {
      source.close(undefined)
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

/** What is copied on its way out at once, bytes. */
const sliceBytes = 4 * maxPieceBytes

function* slices(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += sliceBytes) yield bytes.subarray(at, at + sliceBytes)
}

/** @throws SealwayError `INVALID_ARGUMENT` */
function chunkOf(item: unknown): Uint8Array {
  if (item instanceof Uint8Array) return item
  if (typeof item === 'string') return Buffer.from(item)
  if (item instanceof ArrayBuffer) return new Uint8Array(item)
  throw invalid(`a body that is a stream has chunks of bytes or text, not ${typeof item}`)
}

const invalid = (message: string) =>
  new SealwayError('INVALID_ARGUMENT', { message, outcome: 'not-delivered', hop: 'client' })
