import { bundleTargetBytes, SealwayError } from '@sealway/protocol'
import { type BodyWriter, Encoding } from '../payload.js'
import { dataCost } from './wire.js'

/** Bytes of one record: with its head it fills a bundle, and none is made larger for it. */
export const maxChunkBytes = bundleTargetBytes - 64
/** No chunk is smaller than this for want of credit, or a slow consumer would make many tiny ones, bytes. */
const minChunkBytes = 16 * 1024
/** Writes that may wait at once. */
const maxWaiting = 1_024
const noBytes = new Uint8Array(0)

export interface OutboundParts {
  /** Shared by all that this node sends: prepared and written within one turn. */
  readonly body: BodyWriter
  /** Whether the outlet takes more of what streams send. */
  hasRoom(): boolean
  /** Have `pump` called when it does. */
  awaitRoom(): void
  /**
   * Hands one record on.
   * @param bytes what to send; without, what is prepared in `body`
   * @throws SealwayError `TOO_LARGE`, `NO_KEY`
   */
  data(offset: number, encoding: number, bytes: Uint8Array | undefined): boolean
  end(length: number): void
}

interface Write {
  readonly item: unknown
  /** Bytes that are cut into chunks, and how many of them have left. */
  readonly bytes: Uint8Array | undefined
  sent: number
  left: boolean
  refused: SealwayError | undefined
  /** Set while somebody waits for it. */
  settle: ((error?: SealwayError) => void) | undefined
}

const done = Promise.resolve()

/** One direction of a stream as its sender has it: items go in, records come out as credit and room allow. */
export class Outbound {
  /** How far it was sent: bytes of byte items, and 1 for each other item. */
  offset = 0
  private readonly parts: OutboundParts
  private credit = 0
  /** The largest credit seen: what the receiver's window is taken to be. */
  private windowBytes = 0
  private writes: Write[] = []
  private started = false
  private ending = false
  /** The end has left. */
  ended = false
  /** Why nothing is taken any more. */
  private error: SealwayError | undefined

  constructor(parts: OutboundParts) {
    this.parts = parts
  }

  /** It waits for the receiver to take what it was sent. */
  get starving(): boolean {
    return this.started && this.writes.length > 0 && !this.mayGo(this.writes[0]!)
  }

  /** No more can be written: ended, broken, or not wanted. */
  get over(): boolean {
    return this.ending || this.error !== undefined
  }

  /**
   * Resolves when the item has left for the outlet. Until then bytes must not be changed.
   * @throws SealwayError what broke the stream; `UNSERIALISABLE`, `TOO_LARGE`; `BUSY` where 1,024 writes wait already
   */
  write(item: unknown): Promise<void> {
    if (this.error) return Promise.reject(this.error)
    if (this.ending) return Promise.reject(invalid('the stream was ended; nothing can be written after that'))
    const bytes = item instanceof Uint8Array ? item : item instanceof ArrayBuffer ? new Uint8Array(item) : undefined
    if (bytes?.length === 0) return done
    if (this.writes.length >= maxWaiting) {
      const message = `${maxWaiting} writes of this stream wait already: await each before the next`
      return Promise.reject(new SealwayError('BUSY', { message, outcome: 'not-delivered', hop: 'client' }))
    }
    const write = writeOf(item, bytes)
    this.writes.push(write)
    if (this.writes.length === 1) this.pump()
    if (write.left) return done
    if (write.refused) return Promise.reject(write.refused)
    return settled(write)
  }

  /** After all that was written; resolves when the end has left for the outlet. */
  end(): Promise<void> {
    if (this.error) return Promise.reject(this.error)
    if (this.ending) return done
    this.ending = true
    const write = writeOf(undefined, noBytes)
    this.writes.push(write)
    if (this.writes.length === 1) this.pump()
    return write.left ? done : settled(write)
  }

  /** The other end takes part, and takes so many bytes. Nothing leaves before. */
  start(bytes: number): void {
    this.started = true
    this.grant(bytes)
  }

  /** The receiver takes so many bytes more. */
  grant(bytes: number): void {
    this.credit += bytes
    if (this.credit > this.windowBytes) this.windowBytes = this.credit
    this.pump()
  }

  fail(error: SealwayError): void {
    if (this.error) return
    this.error = error
    const writes = this.writes
    this.writes = []
    for (const write of writes) finish(write, error)
  }

  /** Sends what credit and room allow. */
  pump(): void {
    while (this.started && this.writes.length > 0) {
      const write = this.writes[0]!
      // The end, which costs nothing.
      if (write.bytes === noBytes) {
        this.writes = []
        this.ended = true
        this.parts.end(this.offset)
        finish(write)
        return
      }
      if (!this.mayGo(write)) return
      if (!this.parts.hasRoom()) {
        this.parts.awaitRoom()
        return
      }
      try {
        if (!this.send(write)) {
          this.parts.awaitRoom()
          return
        }
      } catch (error) {
        this.writes.shift()
        finish(write, error as SealwayError)
        continue
      }
      // What was just sent may have ended it all.
      if (this.error) return
      if (write.bytes && write.sent < write.bytes.length) continue
      this.writes.shift()
      finish(write)
    }
  }

  private mayGo({ bytes, sent }: Write): boolean {
    if (!bytes) return this.credit > 0
    const least = Math.min(bytes.length - sent, minChunkBytes, Math.max(1, Math.floor(this.windowBytes / 8)))
    return this.credit - dataCost >= least
  }

  /** @returns false where the outlet has no room after all */
  private send(write: Write): boolean {
    const { bytes, sent, item } = write
    if (bytes) {
      const size = Math.min(bytes.length - sent, maxChunkBytes, this.credit - dataCost)
      if (!this.parts.data(this.offset, Encoding.bytes, bytes.subarray(sent, sent + size))) return false
      write.sent += size
      this.offset += size
      this.credit -= size + dataCost
      return true
    }
    const { body } = this.parts
    body.prepare(item, 'item')
    const { size, encoding } = body
    if (!this.parts.data(this.offset, encoding, undefined)) return false
    this.offset += 1
    this.credit -= size + dataCost
    return true
  }
}

const writeOf = (item: unknown, bytes: Uint8Array | undefined): Write => ({
  item,
  bytes,
  sent: 0,
  left: false,
  refused: undefined,
  settle: undefined,
})

const settled = (write: Write): Promise<void> =>
  new Promise((resolve, reject) => {
    write.settle = (error) => (error ? reject(error) : resolve())
  })

function finish(write: Write, error?: SealwayError): void {
  if (error) write.refused = error
  else write.left = true
  write.settle?.(error)
}

const invalid = (message: string) =>
  new SealwayError('INVALID_ARGUMENT', { message, outcome: 'not-delivered', hop: 'client' })
