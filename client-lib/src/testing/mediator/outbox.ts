import type { Connection, Limits } from '@sealway/protocol'

interface Entry {
  readonly part: Uint8Array
  readonly frames: number
  readonly at: number
  /** Gives its window back; once. */
  release: (() => void) | undefined
  /** Its window is shared with other receivers of the same broadcast. */
  readonly shared: boolean
}

/** A head older than this marks a reader that holds the others' credit no longer, ms. */
const laggingAfterMs = 1_000
/** Handed to the connection in one write. */
const writeBytes = 256 * 1024

/** What waits for one link, bounded. */
export class Outbox {
  bytes = 0
  private frames = 0
  private queue: Entry[] = []
  private inFlight: Entry[] = []
  private full = false
  private scheduled = false
  private closed = false

  constructor(
    private readonly connection: Connection,
    private readonly limits: Limits,
    private readonly now: () => number,
    private readonly soon: (work: () => void) => void,
  ) {}

  hasRoom(bytes: number): boolean {
    const { outboxBytes, outboxFrames } = this.limits
    return !this.closed && this.bytes + bytes <= outboxBytes && this.frames < outboxFrames
  }

  /** Of the oldest that waits, ms. */
  get ageMs(): number {
    const oldest = this.inFlight[0] ?? this.queue[0]
    return oldest ? this.now() - oldest.at : 0
  }

  get lagging(): boolean {
    return this.ageMs > laggingAfterMs
  }

  /** @param frames 0 for frames of the link itself, which are always taken */
  push(part: Uint8Array, frames = 0, release?: () => void, shared = false): void {
    if (this.closed) return
    this.bytes += part.length
    this.frames += frames
    this.queue.push({ part, frames, at: this.now(), release, shared })
    if (this.scheduled || this.full) return
    this.scheduled = true
    this.soon(() => this.flush())
  }

  flush(): void {
    this.scheduled = false
    while (!this.full && !this.closed && this.queue.length > 0) {
      let bytes = 0
      let count = 0
      while (count < this.queue.length && bytes < writeBytes) bytes += this.queue[count++]!.part.length
      this.inFlight = this.queue.splice(0, count)
      if (this.connection.write(this.inFlight.map(({ part }) => part))) this.written()
      else this.full = true
    }
  }

  drained(): void {
    if (!this.full) return
    this.full = false
    this.written()
    this.flush()
  }

  private written(): void {
    const written = this.inFlight
    this.inFlight = []
    for (const entry of written) {
      this.bytes -= entry.part.length
      this.frames -= entry.frames
      entry.release?.()
    }
  }

  /** Lets go of the credit that broadcasts hold here: one slow reader delays nobody else. */
  releaseShared(): void {
    for (const entry of [...this.inFlight, ...this.queue]) {
      if (!entry.shared) continue
      entry.release?.()
      entry.release = undefined
    }
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    const lost = [...this.inFlight, ...this.queue]
    this.inFlight = []
    this.queue = []
    this.bytes = 0
    for (const entry of lost) entry.release?.()
  }
}
