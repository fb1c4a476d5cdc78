import { Readable } from 'node:stream'
import { SealwayError } from '@sealway/protocol'
import { Inbound } from './inbound.js'

export interface CollectOptions {
  /** Most bytes to collect; beyond, the stream is cancelled and `TOO_LARGE` thrown. Default: `limits.maxBodyBytes`. */
  readonly limit?: number
}

/**
 * What arrives on a stream, pulled by whoever reads it: the sender is let go on as items are taken out. `break` ends it
 * at the other end too. It is read once: by a loop, or by one of the methods.
 */
export class Items<Item = unknown> implements AsyncIterableIterator<Item, undefined, undefined> {
  constructor(
    private readonly inbound: Inbound,
    private readonly maxBodyBytes: number,
    private readonly what: string,
  ) {}

  /** @throws SealwayError what broke the stream; `STREAM_LOST` carries data `{ offset }` */
  next(): Promise<IteratorResult<Item, undefined>> {
    return this.inbound.next() as Promise<IteratorResult<Item, undefined>>
  }

  /** What `break` calls. */
  async return(): Promise<IteratorResult<Item, undefined>> {
    this.inbound.close()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** A Node stream: in object mode, which pipes bytes too, unless it is to be read in pieces of other sizes. */
  readable(options: { readonly objectMode?: boolean } = {}): Readable {
    const { inbound, what } = this
    const next = () => this.next()
    const objectMode = options.objectMode ?? true
    return new Readable({
      objectMode,
      // Nothing is pulled before somebody reads, and one item at a time: what waits, waits under the credit.
      highWaterMark: objectMode ? 1 : 16 * 1024,
      read() {
        next().then(
          ({ done, value }) => {
            if (done) this.push(null)
            // A null would be taken for the end.
            else if (value === null || value === undefined) this.destroy(noValue(what, value))
            else this.push(value)
          },
          (error: Error) => this.destroy(error),
        )
      },
      destroy(error, settled) {
        inbound.close()
        settled(error)
      },
    })
  }

  /** A web stream. */
  web(): ReadableStream<Item> {
    const { inbound } = this
    return new ReadableStream<Item>(
      {
        pull: async (controller) => {
          const { done, value } = await this.next()
          if (done) controller.close()
          else controller.enqueue(value)
        },
        cancel: () => inbound.close(),
      },
      { highWaterMark: 0 },
    )
  }

  /** All of it as one: items must be bytes or text. @throws SealwayError also `TOO_LARGE`, `INVALID_ARGUMENT` */
  async bytes(options: CollectOptions = {}): Promise<Buffer> {
    const limit = options.limit ?? this.maxBodyBytes
    const chunks: Uint8Array[] = []
    let size = 0
    for await (const item of this) {
      const chunk = typeof item === 'string' ? Buffer.from(item) : item
      if (!(chunk instanceof Uint8Array)) {
        const message = `${this.what}: items of type ${typeof item} are neither bytes nor text`
        throw new SealwayError('INVALID_ARGUMENT', { message, hop: 'client' })
      }
      size += chunk.length
      if (size > limit) {
        throw new SealwayError('TOO_LARGE', { message: `${this.what}: more than ${limit} bytes`, hop: 'client' })
      }
      chunks.push(chunk)
    }
    return Buffer.concat(chunks, size)
  }

  /** The same as text, from UTF-8. */
  async text(options: CollectOptions = {}): Promise<string> {
    return (await this.bytes(options)).toString('utf8')
  }
}

const noValue = (what: string, value: unknown) =>
  new SealwayError('INVALID_ARGUMENT', {
    message: `${what}: an item is ${value}, which a Node stream cannot carry; read it with for await`,
    hop: 'client',
  })

/** What is no stream has no input. */
export function noItems(): Items {
  const inbound = new Inbound({
    codec: undefined,
    windowBytes: 0,
    grant() {},
    stopped() {},
    malformed: () => new SealwayError('MALFORMED'),
  })
  inbound.end(0)
  return new Items(inbound, 0, 'no stream')
}
