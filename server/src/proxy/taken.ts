import type { Budget } from '../session/outbox.js'

/** What of a stream says how much it still holds. */
interface Holding {
  readonly writableLength: number
}

/**
 * Counts the bytes that were written to a client and that it has not taken yet: they are part of the mediator's budget,
 * and the node is granted more only as they go.
 */
export class Taken {
  private outstanding = 0
  private stream: Holding

  constructor(
    stream: Holding,
    private readonly budget: Budget,
    private readonly onTaken: (bytes: number) => void,
  ) {
    this.stream = stream
  }

  /** Whether something waits: the client is slower than the node. */
  get waits(): boolean {
    return this.outstanding > 0
  }

  wrote(bytes: number): void {
    this.outstanding += bytes
    this.budget.usedBytes += bytes
  }

  /** To be called when a write is through: hand it to `write` as its callback. */
  readonly settle = (): void => {
    const freed = this.outstanding - Math.min(this.outstanding, this.stream.writableLength)
    if (freed === 0) return
    this.outstanding -= freed
    this.budget.usedBytes -= freed
    this.onTaken(freed)
  }

  /** The client is gone, or has all of it. */
  close(): void {
    this.budget.usedBytes -= this.outstanding
    this.outstanding = 0
  }
}

/** Where the client is slow, a small piece of a large read is copied: kept as it is, it would keep all of that read. */
export const ownCopy = (chunk: Uint8Array): Uint8Array =>
  chunk.buffer.byteLength > 2 * chunk.length ? new Uint8Array(chunk) : chunk
