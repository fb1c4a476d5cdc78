import type { SealwayError } from '@sealway/protocol'
import { type Codec, decodeBody, Encoding } from '../payload.js'
import { dataCost } from './wire.js'

/** What is wrong with a record: something is missing before it, or its sender broke the rules. */
export interface Fault {
  readonly code: 'STREAM_LOST' | 'MALFORMED'
  readonly why: string
}

export const missing = (why: string): Fault => ({ code: 'STREAM_LOST', why })
export const wrong = (why: string): Fault => ({ code: 'MALFORMED', why })

/** What takes in one direction of a stream. */
export interface Inflow {
  /** How far it came: bytes of byte items, and 1 for each other item. */
  readonly offset: number
  /** Somebody waits for what comes next. */
  readonly starving: boolean
  /** What it lets the other end send from the beginning, bytes; from then on it grants by itself. */
  begin(): number
  push(offset: number, encoding: number, plaintext: Buffer, start: number, end: number): Fault | undefined
  end(length: number): Fault | undefined
  /** Nothing more will come; the first error counts. */
  fail(error: SealwayError): void
}

export interface InboundParts {
  readonly codec: Codec | undefined
  /** Most bytes that wait here for the consumer. */
  readonly windowBytes: number
  /** The other end may send so many more bytes. */
  grant(bytes: number): void
  /** The consumer wants no more. */
  stopped(): void
  /** An item that is not what it says: what its consumer gets, and the sender too. */
  malformed(cause: unknown): SealwayError
}

interface Entry {
  readonly encoding: number
  readonly bytes: Buffer
}

interface Taker {
  resolve(result: IteratorResult<unknown, undefined>): void
  reject(error: SealwayError): void
}

const over: IteratorResult<never, undefined> = { done: true, value: undefined }

/**
 * Items that arrived and wait for their consumer. Nothing may come before somebody wants it, and no more than was
 * granted: what the consumer takes out is granted anew, a quarter of the window at a time.
 */
export class Inbound implements Inflow {
  offset = 0
  /** Bytes that wait here, with what each item costs beside its body. */
  bufferedBytes = 0
  private readonly parts: InboundParts
  private entries: Entry[] = []
  private head = 0
  private takers: Taker[] = []
  /** What the sender may still send. */
  private allowed = 0
  /** Taken, and not granted anew yet. */
  private owed = 0
  private begun = false
  private ended = false
  private closed = false
  private error: SealwayError | undefined

  constructor(parts: InboundParts) {
    this.parts = parts
  }

  get starving(): boolean {
    return this.takers.length > 0
  }

  /** Nothing is left to be taken, and nothing will come. */
  get spent(): boolean {
    return (this.ended || this.closed || this.error !== undefined) && this.head === this.entries.length
  }

  begin(): number {
    this.begun = true
    this.allowed = this.parts.windowBytes
    return this.allowed
  }

  push(offset: number, encoding: number, plaintext: Buffer, start: number, end: number): Fault | undefined {
    const size = end - start
    const isBytes = encoding === Encoding.bytes
    if (this.ended) return wrong('data after its end')
    if (encoding > Encoding.custom) return wrong(`encoding ${encoding}`)
    if (offset !== this.offset) return missing(`data at ${offset}, where ${this.offset} comes next`)
    if (isBytes && size === 0) return wrong('bytes without any byte')
    const cost = size + dataCost
    // One that is not cut may take the rest of the credit and more; bytes are cut to fit.
    if (this.allowed <= 0 || (isBytes && cost > this.allowed)) return wrong('more data than was granted')
    this.allowed -= cost
    this.offset += isBytes ? size : 1
    if (this.closed || this.error) return undefined
    const bytes = plaintext.subarray(start, end)
    // A view keeps its whole bundle alive, which may be many times what was counted.
    const entry = { encoding, bytes: size * 2 < plaintext.length ? Buffer.from(bytes) : bytes }
    const taker = this.takers.shift()
    if (taker) this.hand(entry, taker)
    else {
      this.entries.push(entry)
      this.bufferedBytes += cost
    }
    return undefined
  }

  end(length: number): Fault | undefined {
    if (this.ended) return wrong('a second end')
    if (length !== this.offset) return missing(`an end at ${length}, where ${this.offset} had come`)
    this.ended = true
    this.finish((taker) => taker.resolve(over))
    return undefined
  }

  fail(error: SealwayError): void {
    if (this.ended || this.error) return
    this.error = error
    this.finish((taker) => taker.reject(error))
  }

  /** The next item; after the last one, or after `close`, none; after a failure, what was still here and then the error. */
  next(): Promise<IteratorResult<unknown, undefined>> {
    if (!this.begun && !this.ended && !this.closed && !this.error) this.parts.grant(this.begin())
    return new Promise((resolve, reject) => {
      const taker = { resolve, reject }
      if (this.head < this.entries.length) {
        const entry = this.entries[this.head++]!
        if (this.head === this.entries.length) {
          this.entries = []
          this.head = 0
        } else if (this.head >= 1_024) {
          this.entries = this.entries.slice(this.head)
          this.head = 0
        }
        this.bufferedBytes -= entry.bytes.length + dataCost
        this.hand(entry, taker)
      } else if (this.ended || this.closed) resolve(over)
      else if (this.error) reject(this.error)
      else this.takers.push(taker)
    })
  }

  /** Fails at once: what is here is dropped. */
  drop(error: SealwayError): void {
    this.empty()
    this.fail(error)
  }

  /** The consumer is done with it: what is here is dropped. */
  close(): void {
    if (this.closed) return
    const spent = this.spent
    this.closed = true
    this.empty()
    this.finish((taker) => taker.resolve(over))
    if (!spent) this.parts.stopped()
  }

  private hand(entry: Entry, taker: Taker): void {
    let value: unknown
    try {
      value = decodeBody(entry.encoding, entry.bytes, 0, entry.bytes.length, this.parts.codec)
    } catch (cause) {
      const error = this.parts.malformed(cause)
      taker.reject(error)
      this.drop(error)
      return
    }
    taker.resolve({ done: false, value })
    this.owed += entry.bytes.length + dataCost
    if (this.owed * 4 < this.parts.windowBytes || this.ended || this.error) return
    const bytes = this.owed
    this.owed = 0
    this.allowed += bytes
    this.parts.grant(bytes)
  }

  private empty(): void {
    this.entries = []
    this.head = 0
    this.bufferedBytes = 0
  }

  private finish(settle: (taker: Taker) => void): void {
    const takers = this.takers
    this.takers = []
    for (const taker of takers) settle(taker)
  }
}
