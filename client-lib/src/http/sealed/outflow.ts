import { maxChunkBytes } from '../../messaging/streams/outbound.js'
import type { StreamWriter } from '../../messaging/streams/reader.js'

/** Bytes that wait here, beyond which the one who writes should wait. */
const highWaterBytes = 128 * 1024
/** Writes that the stream is given at once; more are put together until these have left. */
const maxWrites = 16

/** Frames on their way into a stream that takes them as credit allows; small ones that have to wait become one. */
export class Outflow {
  private queue: Uint8Array[] = []
  private waitingBytes = 0
  private writes = 0
  private ending = false
  private blocked = false
  private broken = false

  /**
   * @param sink the stream
   * @param roomy there is room again, after an `add` that returned false
   */
  constructor(
    private readonly sink: StreamWriter<Uint8Array>,
    private readonly roomy: () => void,
  ) {}

  /** @param frames not changed from now on. @returns false where the next one should wait */
  add(frames: Uint8Array): boolean {
    if (this.ending || this.broken) return false
    this.waitingBytes += frames.length
    if (this.writes < maxWrites) this.write(frames)
    else this.queue.push(frames)
    if (this.waitingBytes < highWaterBytes) return true
    this.blocked = true
    return false
  }

  /** After all that was added. */
  end(): void {
    if (this.ending) return
    this.ending = true
    if (this.queue.length === 0) this.finish()
  }

  private write(frames: Uint8Array): void {
    this.writes++
    this.sink.write(frames).then(
      () => this.left(frames.length),
      () => {
        // Whoever holds the stream hears of it.
        this.broken = true
        this.queue = []
      },
    )
  }

  private left(bytes: number): void {
    this.writes--
    this.waitingBytes -= bytes
    if (this.queue.length > 0) {
      this.write(this.take())
      if (this.ending && this.queue.length === 0) this.finish()
    }
    if (!this.blocked || this.waitingBytes >= highWaterBytes || this.broken) return
    this.blocked = false
    this.roomy()
  }

  private finish(): void {
    this.sink.end().catch(() => {})
  }

  /** The first, and as many more as fit a record with it. */
  private take(): Uint8Array {
    const { queue } = this
    let bytes = queue[0]!.length
    let count = 1
    while (count < queue.length && bytes + queue[count]!.length <= maxChunkBytes) bytes += queue[count++]!.length
    const taken = queue.splice(0, count)
    return count === 1 ? taken[0]! : Buffer.concat(taken, bytes)
  }
}
