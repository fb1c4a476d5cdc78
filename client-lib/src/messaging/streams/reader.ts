import { SealwayError } from '@sealway/protocol'
import type { SendOptions } from '../verb-options.js'
import type { Inbound } from './inbound.js'
import { Items } from './items.js'
import type { StreamSource } from './source.js'
import type { Stream } from './stream.js'

export interface StreamOptions extends SendOptions {
  /** What the handler reads as `ctx.input`. Without it, write to `.input` of the reader. */
  readonly input?: StreamSource
  /** How long to wait until a handler has begun, ms; default as a call's. How long the stream then takes is not limited. */
  readonly timeout?: number
  /** Breaks the stream with `TIMEOUT` when this end waits and hears nothing for so long, ms. Default: not at all. */
  readonly idleTimeout?: number
  /** Most bytes that may wait here for the reader; 1 KiB to 16 MiB. Default: 256 KiB. */
  readonly credit?: number
}

/** The caller's end, to write to. */
export interface StreamWriter<Item = unknown> {
  /**
   * Resolves when the item has left this process's hands; it waits for the receiver to take what came before. Bytes
   * (Uint8Array) are one stream of bytes, whose chunks may be cut anew; anything else arrives item by item.
   * @throws SealwayError what broke the stream; `UNSERIALISABLE`, `TOO_LARGE` (an item that does not fit a frame)
   */
  write(item: Item): Promise<void>
  /** Nothing more will be written. */
  end(): Promise<void>
}

/** What `node.stream` gives: the handler's items, and the way to send it some. */
export class StreamReader<Item = unknown> extends Items<Item> {
  /** Resolves with the name of the node whose handler has begun. @throws SealwayError as `call` */
  readonly accepted: Promise<string>
  private writer: StreamWriter | undefined
  private last: Promise<unknown> | undefined
  private reading = false

  /** Use `node.stream`. @param fed `input` was given */
  constructor(
    private readonly stream: Stream,
    inbound: Inbound,
    maxBodyBytes: number,
    accepted: Promise<string>,
    private readonly fed: boolean,
  ) {
    super(inbound, maxBodyBytes, stream.what)
    this.accepted = accepted
    // Whoever reads hears of it; nobody has to look here.
    accepted.catch(() => {})
  }

  /**
   * To send items to the handler. Take it before reading: where nobody took it by then, the handler's input ends.
   * @throws SealwayError `INVALID_ARGUMENT`
   */
  get input(): StreamWriter {
    if (this.writer) return this.writer
    if (this.fed) throw invalid(`${this.stream.what}: its input was given`)
    if (this.reading) throw invalid(`${this.stream.what}: take .input before reading; it was ended with the first read`)
    const { outbound } = this.stream
    this.writer = {
      write: (item) => outbound.write(item),
      end: () => outbound.end(),
    }
    return this.writer
  }

  override next(): Promise<IteratorResult<Item, undefined>> {
    if (!this.reading) this.begin()
    return super.next()
  }

  /** The last item: what a handler that only takes input returned. Reads to the end. */
  result(): Promise<Item | undefined> {
    this.last ??= this.readLast()
    return this.last as Promise<Item | undefined>
  }

  /** Ends it here and at the other end. */
  cancel(): void {
    void this.return()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cancel()
  }

  private begin(): void {
    this.reading = true
    if (!this.fed && !this.writer) this.stream.outbound.end().catch(() => {})
  }

  private async readLast(): Promise<unknown> {
    let last: unknown
    for await (const item of this) last = item
    return last
  }
}

const invalid = (message: string) =>
  new SealwayError('INVALID_ARGUMENT', { message, outcome: 'not-delivered', hop: 'client' })
