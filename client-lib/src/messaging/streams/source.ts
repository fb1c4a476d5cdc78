import { Readable } from 'node:stream'
import { SealwayError } from '@sealway/protocol'

/** Whatever items come from: generators, Node and web streams, any iterable. */
export type StreamSource<Item = unknown> = AsyncIterable<Item> | Iterable<Item> | ReadableStream<Item> | Readable

/** One item after the other, and a way to say that no more are wanted. */
export interface Source {
  next(): PromiseLike<IteratorResult<unknown>>
  /** Called at most once, also while a `next` is under way. */
  close(reason: unknown): void
}

type Methods = { readonly [name: string | symbol]: unknown }

/**
 * Whether what a handler returned is a stream, and not one value. Arrays, texts, bytes, maps and sets are values; a
 * generator, also a synchronous one, is a stream.
 */
export function isStream(value: unknown): value is StreamSource {
  if (typeof value !== 'object' || value === null) return false
  try {
    const it = value as Methods
    if (typeof it[Symbol.asyncIterator] === 'function' || typeof it.getReader === 'function') return true
    return typeof it[Symbol.iterator] === 'function' && typeof it.next === 'function'
  } catch {
    // A getter threw; whoever encodes it will say so.
    return false
  }
}

/** @throws SealwayError `INVALID_ARGUMENT` */
export function sourceOf(value: unknown): Source {
  if (value instanceof Readable) return fromReadable(value)
  if (typeof value === 'string' || value instanceof Uint8Array) return single(value)
  if (typeof value === 'object' && value !== null) {
    const it = value as Methods
    // Before its iterator: that one cannot be cancelled while a read is pending.
    if (typeof it.getReader === 'function') return fromWeb(value as ReadableStream)
    if (typeof it[Symbol.asyncIterator] === 'function') {
      return fromIterator((value as AsyncIterable<unknown>)[Symbol.asyncIterator]())
    }
    if (typeof it[Symbol.iterator] === 'function') return fromIterator((value as Iterable<unknown>)[Symbol.iterator]())
  }
  throw new SealwayError('INVALID_ARGUMENT', {
    message: 'the input of a stream must be an iterable, a Node Readable or a web ReadableStream',
    outcome: 'not-delivered',
    hop: 'client',
  })
}

/** A stream of one item; of none where it is undefined. */
export function single(value: unknown): Source {
  let given = value === undefined
  return {
    async next() {
      if (given) return { done: true, value: undefined }
      given = true
      return { done: false, value }
    },
    close() {
      given = true
    },
  }
}

/** Ends a stream that nobody will read. */
export function closeStream(value: StreamSource, reason: unknown): void {
  try {
    sourceOf(value).close(reason)
  } catch {
    // Somebody else reads it.
  }
}

function fromIterator(iterator: AsyncIterator<unknown> | Iterator<unknown>): Source {
  return {
    // Async, so that what a synchronous iterator throws is a rejection like any other.
    next: async () => iterator.next(),
    close() {
      try {
        // A generator that waits inside `next` hears of this when it goes on; `ctx.signal` reaches it at once.
        Promise.resolve(iterator.return?.()).catch(() => {})
      } catch {
        // It is over either way.
      }
    },
  }
}

function fromReadable(readable: Readable): Source {
  const source = fromIterator(readable[Symbol.asyncIterator]())
  return {
    next: () => source.next(),
    close() {
      // Its iterator would only end with the next chunk.
      readable.once('error', () => {})
      readable.destroy()
    },
  }
}

function fromWeb(stream: ReadableStream): Source {
  const reader = stream.getReader()
  return {
    next: async () => {
      const { done, value } = await reader.read()
      return done ? { done, value: undefined } : { done: false, value }
    },
    close: (reason) => void reader.cancel(reason).catch(() => {}),
  }
}
