import type { BlockPool } from '../session/block.js'
import type { Budget } from '../session/outbox.js'

/** What of a stream takes bytes, and says how much it still holds. */
interface Taking {
  readonly writableLength: number
  write(chunk: Uint8Array, written: () => void): unknown
}

/**
 * Counts the bytes that were written to a client and that it has not taken yet: they are part of the mediator's budget,
 * and the node is granted more only as they go.
 */
export class Taken {
  private outstanding = 0
  private readonly stream: Taking

  constructor(
    stream: Taking,
    private readonly budget: Budget,
    private readonly onTaken: (bytes: number) => void,
  ) {
    this.stream = stream
  }

  /** Writes a copy, in memory that is used again when it is through: the chunk is the caller's during this call only. */
  write(chunk: Uint8Array, blocks: BlockPool): void {
    const block = blocks.copy(chunk)
    this.wrote(chunk.length)
    this.stream.write(block.bytes.subarray(0, chunk.length), () => {
      this.settle()
      block.release()
    })
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
