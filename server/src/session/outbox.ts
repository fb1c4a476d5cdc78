import type { Connection } from '@sealway/protocol'

/** Bytes handed to the connection in one write: large enough to be cheap, small enough that credit flows. */
const writeBytes = 256 * 1024
/** Below this a queued piece is copied: a slice would keep the whole chunk it came in alive. */
const copyBelowBytes = 16 * 1024
/** Several pieces of no more than this together are copied into one: cheaper than the bookkeeping of a piece each. */
const joinBytes = 16 * 1024
/** Copies lie in blocks that double up to the larger of these: a thousand links with one frame each need little. */
const minBlockBytes = 2 * 1024
const maxBlockBytes = 64 * 1024
/**
 * Of the budget, the share that links with unwritten bytes may use, and broadcasts. The rest is for links that have read
 * everything until now: they hold it for a turn only, and a thousand that stopped reading must not make them wait.
 * Above 0.95, so that the overload ladder still comes to its last step.
 */
const stalledShare = 31 / 32
/**
 * A head older than this marks a reader that holds the others' credit no longer, ms. Broadcasts may wait for it so long
 * once; at 250 ms, a machine with too much to do lost frames to members that were only late.
 */
export const laggingAfterMs = 1_000

/** Measurements under way in one outbox at once. */
const maxProbes = 16

/** Who is told when bytes have left: the route they came by. */
export interface Releasable {
  release(bytes: number, frames: number): void
}

/** One broadcast run in several outboxes: its route is credited once, when the last of them has written it. */
export class SharedRelease implements Releasable {
  constructor(
    private readonly route: Releasable,
    private holders: number,
  ) {}

  release(bytes: number, frames: number): void {
    if (--this.holders === 0) this.route.release(bytes, frames)
  }
}

interface Entry {
  part: Uint8Array
  frames: number
  owner: Releasable | undefined
  at: number
}

/** Told when the frames that were taken before it are written. */
interface Probe {
  readonly until: number
  readonly done: () => void
}

/** Bytes of all outboxes of one mediator. */
export interface Budget {
  usedBytes: number
  readonly limitBytes: number
}

export interface OutboxParts {
  readonly connection: Connection
  readonly budget: Budget
  readonly maxBytes: number
  readonly maxFrames: number
  /** Coarse clock, ms: read per frame, so it only steps with the mediator's tick. */
  readonly now: () => number
  /** Asks to be flushed at the end of this turn, so that a link gets one write per turn. */
  readonly schedule: (outbox: Outbox) => void
}

/** What waits for one link, bounded in bytes and frames. Every frame it takes is written, or counted as lost. */
export class Outbox {
  bytes = 0
  frames = 0
  /** Frames that were taken and then lost with the link. */
  lostFrames = 0
  writtenFrames = 0
  /** Of messages and of the link's own frames. */
  writtenBytes = 0
  /** Charged to the budget beside `bytes`: the rest of the chunks in which a write under way lies. */
  heldBytes = 0
  private queue: Entry[] = []
  private head = 0
  private readonly inFlight: Entry[] = []
  private waiting = false
  private scheduled = false
  private closed = false
  private block: Uint8Array | undefined
  private blockUsed = 0
  /** Undefined but while somebody measures. */
  private probes: Probe[] | undefined
  private readonly parts: OutboxParts

  constructor(parts: OutboxParts) {
    this.parts = parts
  }

  /** Whether this much more may be queued. @param yields it is a broadcast, and leaves the last of the budget to others */
  hasRoom(bytes: number, frames: number, yields = false): boolean {
    const { budget, maxBytes, maxFrames } = this.parts
    return (
      !this.closed &&
      this.bytes + bytes <= maxBytes &&
      this.frames + frames <= maxFrames &&
      budget.usedBytes + bytes <= budget.limitBytes * (this.waiting || yields ? stalledShare : 1)
    )
  }

  /** Age of the oldest byte that waits, ms. */
  ageMs(): number {
    const oldest = this.inFlight[0] ?? this.queue[this.head]
    return oldest ? this.parts.now() - oldest.at : 0
  }

  get lagging(): boolean {
    return this.ageMs() > laggingAfterMs
  }

  /**
   * Queues whole frames. The caller has asked `hasRoom`; frames of the link itself (credit, pong) are always taken, and
   * count as 0 `frames`: only messages are counted as written or lost.
   */
  push(part: Uint8Array, frames: number, owner?: Releasable): void {
    if (this.closed) {
      this.lostFrames += frames
      return
    }
    const bytes = part.length
    this.bytes += bytes
    this.frames += frames
    this.parts.budget.usedBytes += bytes
    if (this.waiting && bytes < copyBelowBytes) this.append(part, frames, owner)
    else this.queue.push({ part: this.waiting ? unchained(part, owner) : part, frames, owner, at: this.parts.now() })
    if (!this.waiting) this.askFlush()
  }

  private askFlush(): void {
    if (this.scheduled) return
    this.scheduled = true
    this.parts.schedule(this)
  }

  /** Calls `done` once the frame that was taken last is written; never, if it is lost or enough others measure here. */
  whenWritten(done: () => void): void {
    if (this.closed) return
    this.probes ??= []
    if (this.probes.length < maxProbes) this.probes.push({ until: this.writtenFrames + this.frames, done })
  }

  private settleProbes(probes: Probe[]): void {
    while (probes.length > 0 && probes[0]!.until <= this.writtenFrames) probes.shift()!.done()
    if (probes.length === 0) this.probes = undefined
  }

  /** Copies a small piece behind the last one, so that many of them cost their own size and one entry per route. */
  private append(part: Uint8Array, frames: number, owner: Releasable | undefined): void {
    let block = this.block
    if (!block || this.blockUsed + part.length > block.length) {
      const doubled = Math.min(maxBlockBytes, 2 * (block?.length ?? 0))
      block = this.block = new Uint8Array(Math.max(minBlockBytes, doubled, part.length))
      this.blockUsed = 0
    }
    const at = this.blockUsed
    block.set(part, at)
    this.blockUsed += part.length
    const last = this.queue.length > this.head ? this.queue[this.queue.length - 1] : undefined
    if (
      last &&
      last.owner === owner &&
      last.part.buffer === block.buffer &&
      last.part.byteOffset + last.part.length === at
    ) {
      last.part = block.subarray(last.part.byteOffset, this.blockUsed)
      last.frames += frames
    } else {
      this.queue.push({ part: block.subarray(at, this.blockUsed), frames, owner, at: this.parts.now() })
    }
  }

  /**
   * Writes what waits. With more than `maxBytes`, it writes about so much, and asks to be flushed again.
   * @returns bytes handed to the connection
   */
  flush(maxBytes = Number.POSITIVE_INFINITY): number {
    this.scheduled = false
    const { connection } = this.parts
    let written = 0
    while (!this.waiting && !this.closed && this.head < this.queue.length) {
      if (written >= maxBytes) {
        this.askFlush()
        break
      }
      const most = Math.min(writeBytes, maxBytes - written)
      const parts: Uint8Array[] = []
      let bytes = 0
      while (this.head < this.queue.length && bytes < most) {
        const entry = this.queue[this.head++]!
        parts.push(entry.part)
        bytes += entry.part.length
        this.inFlight.push(entry)
      }
      if (this.head === this.queue.length) {
        this.queue.length = 0
        this.head = 0
      }
      written += bytes
      if (connection.write(parts.length > 1 && bytes <= joinBytes ? [joined(parts, bytes)] : parts)) this.settle()
      else this.stall()
    }
    return written
  }

  /** What the system has not taken lies where it came in, and keeps all of its chunk: that is what it costs. */
  private stall(): void {
    this.waiting = true
    let chunk: unknown
    for (const { part, owner } of this.inFlight) {
      // Where several links hold it, each would be charged for all of it.
      if (owner instanceof SharedRelease) continue
      if (part.buffer !== chunk) this.heldBytes += part.buffer.byteLength
      this.heldBytes -= part.length
      chunk = part.buffer
    }
    this.parts.budget.usedBytes += this.heldBytes
  }

  private unhold(): void {
    this.parts.budget.usedBytes -= this.heldBytes
    this.heldBytes = 0
  }

  /** The connection took everything. */
  drained(): void {
    if (!this.waiting) return
    this.waiting = false
    this.settle()
    // Not at once: many links that drain in one turn would write without a bound.
    if (this.head < this.queue.length) this.askFlush()
  }

  private settle(): void {
    this.unhold()
    for (const entry of this.inFlight) {
      this.bytes -= entry.part.length
      this.frames -= entry.frames
      this.writtenFrames += entry.frames
      this.writtenBytes += entry.part.length
      this.parts.budget.usedBytes -= entry.part.length
      entry.owner?.release(entry.part.length, entry.frames)
    }
    this.inFlight.length = 0
    if (this.probes) this.settleProbes(this.probes)
    if (this.head > 1_024) {
      this.queue.splice(0, this.head)
      this.head = 0
    }
    if (this.queue.length === 0) this.block = undefined
  }

  /** Lets go of the credit that broadcasts hold here: one slow reader delays nobody else. */
  releaseShared(): void {
    for (const entries of [this.inFlight, this.queue.slice(this.head)]) {
      for (const entry of entries) {
        if (entry.owner instanceof SharedRelease) {
          entry.owner.release(entry.part.length, entry.frames)
          entry.owner = undefined
        }
      }
    }
  }

  /** The link is gone: what waited is lost, counted, and credited back to its senders. */
  close(): void {
    if (this.closed) return
    this.closed = true
    this.unhold()
    for (const entries of [this.inFlight, this.queue.slice(this.head)]) {
      for (const entry of entries) {
        this.lostFrames += entry.frames
        this.parts.budget.usedBytes -= entry.part.length
        entry.owner?.release(entry.part.length, entry.frames)
      }
    }
    this.inFlight.length = 0
    this.queue.length = 0
    this.head = 0
    this.bytes = 0
    this.frames = 0
    this.block = undefined
    this.probes = undefined
  }
}

/** A larger piece is copied where most of its chunk is not its own, unless it lies there for several links. */
const unchained = (part: Uint8Array, owner: Releasable | undefined): Uint8Array =>
  part.buffer.byteLength > 2 * part.length && !(owner instanceof SharedRelease) ? new Uint8Array(part) : part

function joined(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  const whole = Buffer.allocUnsafe(bytes)
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
