/** Sizes of blocks, bytes. A frame of 64 KiB of payload fits into the largest with all that is around it. */
const sizes = [4 * 1024, 16 * 1024, 72 * 1024] as const
export const smallestBlockBytes = sizes[0]
export const largestBlockBytes = sizes[sizes.length - 1]!
/** Of each size, kept for whoever needs one next, bytes: about what the links use in a turn when all is busy. */
const keptBytes = 4 * 1024 * 1024

/** Memory in which frames wait. Whoever holds it says so, and the last to let go of it gives it back to its pool. */
export class Block {
  /** Bytes from its beginning that are filled. */
  used = 0
  private holders = 1

  constructor(
    readonly bytes: Uint8Array,
    private readonly pool: BlockPool,
  ) {}

  get room(): number {
    return this.bytes.length - this.used
  }

  hold(): void {
    this.holders++
  }

  release(): void {
    if (--this.holders > 0) return
    this.used = 0
    this.holders = 1
    this.pool.give(this)
  }
}

/**
 * Blocks that are used again and again. Memory taken anew for what is read and written makes V8 mark its whole heap
 * many times a second under load, milliseconds each, though nothing of it is garbage but those buffers.
 */
export class BlockPool {
  private readonly free: readonly Block[][] = sizes.map(() => [])

  /** A block of at least so many bytes, or of the largest size where `orLess`; above that, memory of its own. */
  take(bytes: number, orLess = false): Block {
    const at = sizes.findIndex((size) => size >= bytes)
    if (at < 0 && !orLess) return new Block(Buffer.allocUnsafeSlow(bytes), this)
    const size = at < 0 ? sizes.length - 1 : at
    return this.free[size]!.pop() ?? new Block(Buffer.allocUnsafeSlow(sizes[size]!), this)
  }

  /** A copy, held once. */
  copy(bytes: Uint8Array): Block {
    const block = this.take(bytes.length)
    block.bytes.set(bytes)
    block.used = bytes.length
    return block
  }

  /** Only for a block that nobody holds any more. */
  give(block: Block): void {
    const size = block.bytes.length
    const free = this.free[sizes.indexOf(size as (typeof sizes)[number])]
    if (free && (free.length + 1) * size <= keptBytes) free.push(block)
  }
}
