import { SealwayError } from './errors.js'
import { headerBytes, highestFrameType, readU32 } from './frame.js'

/** Where a complete frame lies: `bytes[at..at+12]` is its header, `bytes[at+12..end]` its body. */
export type OnFrame = (bytes: Uint8Array, at: number, end: number) => void

/**
 * Cuts a byte stream into frames without copying: a frame that lies whole in a chunk is handed on where it lies;
 * only one that straddles two chunks is put together, in a buffer of exactly its size.
 * The length is checked before anything is allocated.
 */
export class FrameReader {
  /** Highest body length, bytes; a session raises it when the hello was accepted. */
  maxBodyBytes: number
  private readonly head = new Uint8Array(headerBytes)
  private headFilled = 0
  private partial: Uint8Array | undefined
  private partialFilled = 0
  private readonly allocate: (bytes: number) => Uint8Array

  constructor(maxBodyBytes: number, allocate: (bytes: number) => Uint8Array = (bytes) => new Uint8Array(bytes)) {
    this.maxBodyBytes = maxBodyBytes
    this.allocate = allocate
  }

  /** True between frames; at the end of a stream, false means that it was cut. */
  get idle(): boolean {
    return this.headFilled === 0
  }

  /** Whether memory that was allocated here waits for the rest of its frame. */
  get assembling(): boolean {
    return this.partial !== undefined
  }

  /**
   * @param onFrame is called for each complete frame, in order
   * @throws SealwayError `TOO_LARGE` or `MALFORMED`; the reader must not be used after it
   */
  push(chunk: Uint8Array, onFrame: OnFrame): void {
    let at = this.headFilled > 0 ? this.complete(chunk, onFrame) : 0
    const length = chunk.length
    while (length - at >= headerBytes) {
      const end = at + headerBytes + this.check(chunk, at)
      if (end > length) break
      onFrame(chunk, at, end)
      at = end
    }
    if (at < length) this.keep(chunk, at)
  }

  /** Body length of the header at `at`. */
  private check(bytes: Uint8Array, at: number): number {
    const bodyBytes = readU32(bytes, at)
    if (bodyBytes > this.maxBodyBytes) {
      throw new SealwayError('TOO_LARGE', {
        message: `a frame announces ${bodyBytes} bytes; at most ${this.maxBodyBytes} are allowed here`,
      })
    }
    const type = bytes[at + 4]!
    if (type === 0 || type > highestFrameType) {
      throw new SealwayError('MALFORMED', { message: `frame type ${type} is unknown` })
    }
    if (bytes[at + 6] !== 0 || bytes[at + 7] !== 0) {
      throw new SealwayError('MALFORMED', { message: 'reserved bits of a frame are not zero' })
    }
    return bodyBytes
  }

  private keep(chunk: Uint8Array, from: number): void {
    const rest = chunk.length - from
    const headPart = Math.min(rest, headerBytes)
    this.head.set(chunk.subarray(from, from + headPart))
    this.headFilled = headPart
    if (headPart === headerBytes) {
      this.begin()
      this.partial!.set(chunk.subarray(from), 0)
      this.partialFilled = rest
    }
  }

  private begin(): void {
    this.partial = this.allocate(headerBytes + this.check(this.head, 0))
    this.partial.set(this.head)
    this.partialFilled = headerBytes
  }

  /** Goes on with the frame that the last chunk left incomplete; returns where the next one begins. */
  private complete(chunk: Uint8Array, onFrame: OnFrame): number {
    let at = 0
    if (!this.partial) {
      at = Math.min(headerBytes - this.headFilled, chunk.length)
      this.head.set(chunk.subarray(0, at), this.headFilled)
      this.headFilled += at
      if (this.headFilled < headerBytes) return at
      this.begin()
    }
    const partial = this.partial!
    const take = Math.min(partial.length - this.partialFilled, chunk.length - at)
    partial.set(chunk.subarray(at, at + take), this.partialFilled)
    this.partialFilled += take
    if (this.partialFilled < partial.length) return at + take
    this.partial = undefined
    this.headFilled = 0
    onFrame(partial, 0, partial.length)
    return at + take
  }
}
