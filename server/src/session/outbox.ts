import type { Connection } from '@sealway/protocol'
import type { Block, BlockPool } from './block.js'

/** Bytes handed to the connection in one write: large enough to be cheap, small enough that credit flows. */
const writeBytes = 256 * 1024
/** Frames of one route that follow each other are accounted for together, up to so many bytes. */
const entryBytes = 16 * 1024
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

/** A stretch of a block that waits to be written. */
interface Piece {
  readonly block: Block
  from: number
  to: number
}

/** Frames that count as written together. */
interface Entry {
  /** Where the last of them ends, in bytes of all that was ever queued here. */
  end: number
  bytes: number
  frames: number
  owner: Releasable | undefined
  readonly at: number
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
  readonly blocks: BlockPool
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
  /** In the order of the link; the first `handed` of them are with the connection. */
  private pieces: Piece[] = []
  private handed = 0
  private entries: Entry[] = []
  private head = 0
  /** Bytes that were ever queued, and handed to the connection. */
  private queuedEnd = 0
  private handedEnd = 0
  /** The block that is being filled, and its piece if that may still grow. */
  private fill: Block | undefined
  private tail: Piece | undefined
  private waiting = false
  private scheduled = false
  private closed = false
  /** Undefined but while somebody measures. */
  private probes: Probe[] | undefined
  private readonly parts: OutboxParts

  constructor(parts: OutboxParts) {
    this.parts = parts
  }

  get blocks(): BlockPool {
    return this.parts.blocks
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

  /** Charged to the budget beside `bytes` while the connection is full: what is left of the block that is being filled. */
  get heldBytes(): number {
    return this.waiting && this.fill ? this.fill.room : 0
  }

  /** Age of the oldest byte that waits, ms. */
  ageMs(): number {
    const oldest = this.entries[this.head]
    return oldest ? this.parts.now() - oldest.at : 0
  }

  get lagging(): boolean {
    return this.ageMs() > laggingAfterMs
  }

  /**
   * Queues whole frames, and copies them: what they lie in is the caller's again at once. The caller has asked `hasRoom`;
   * frames of the link itself (credit, pong) are always taken, and count as 0 `frames`: only messages are counted as
   * written or lost.
   */
  push(part: Uint8Array, frames: number, owner?: Releasable): void {
    if (this.closed) {
      this.lostFrames += frames
      return
    }
    this.copy(part)
    this.enter(part.length, frames, owner)
  }

  /** The same of a block that several links hold. */
  pushShared(block: Block, frames: number, owner?: Releasable): void {
    if (this.closed) {
      this.lostFrames += frames
      return
    }
    block.hold()
    this.pieces.push({ block, from: 0, to: block.used })
    this.tail = undefined
    this.enter(block.used, frames, owner)
  }

  private enter(bytes: number, frames: number, owner: Releasable | undefined): void {
    this.bytes += bytes
    this.frames += frames
    this.parts.budget.usedBytes += bytes
    this.queuedEnd += bytes
    const last = this.entries.length > this.head ? this.entries[this.entries.length - 1]! : undefined
    if (last && last.owner === owner && last.bytes + bytes <= entryBytes && last.end - last.bytes >= this.handedEnd) {
      last.end = this.queuedEnd
      last.bytes += bytes
      last.frames += frames
    } else this.entries.push({ end: this.queuedEnd, bytes, frames, owner, at: this.parts.now() })
    if (!this.waiting) this.askFlush()
  }

  private copy(part: Uint8Array): void {
    for (let at = 0; at < part.length; ) {
      const block = this.fill && this.fill.room > 0 ? this.fill : this.grow(part.length - at)
      const size = Math.min(part.length - at, block.room)
      block.bytes.set(size === part.length ? part : part.subarray(at, at + size), block.used)
      if (this.tail) this.tail.to += size
      else {
        block.hold()
        this.tail = { block, from: block.used, to: block.used + size }
        this.pieces.push(this.tail)
      }
      block.used += size
      at += size
      if (this.waiting) this.parts.budget.usedBytes -= size
    }
  }

  /** A thousand links with one frame each need little, one with much to write a few large blocks. */
  private grow(bytes: number): Block {
    const before = this.fill
    const block = this.parts.blocks.take(before ? Math.max(bytes, before.bytes.length + 1) : bytes, true)
    before?.release()
    this.fill = block
    this.tail = undefined
    if (this.waiting) this.parts.budget.usedBytes += block.room
    return block
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

  /**
   * Writes what waits. With more than `maxBytes`, it writes so much, and asks to be flushed again.
   * @returns bytes handed to the connection
   */
  flush(maxBytes = Number.POSITIVE_INFINITY): number {
    this.scheduled = false
    let written = 0
    while (!this.waiting && !this.closed && this.pieces.length > 0) {
      if (written >= maxBytes) {
        this.askFlush()
        break
      }
      written += this.hand(Math.min(writeBytes, maxBytes - written))
    }
    return written
  }

  /** Gives the connection so much, or all there is. */
  private hand(most: number): number {
    const parts: Uint8Array[] = []
    let bytes = 0
    while (this.handed < this.pieces.length && bytes < most) {
      const piece = this.pieces[this.handed]!
      if (piece.to - piece.from > most - bytes) this.split(piece, most - bytes)
      const { block, from, to } = this.pieces[this.handed++]!
      parts.push(block.bytes.subarray(from, to))
      bytes += to - from
    }
    // What is on its way does not grow any more.
    if (this.handed === this.pieces.length) this.tail = undefined
    this.handedEnd += bytes
    if (this.parts.connection.write(parts)) this.settle()
    else {
      this.waiting = true
      this.parts.budget.usedBytes += this.heldBytes
    }
    return bytes
  }

  /** Its first bytes become a piece of their own. */
  private split(piece: Piece, bytes: number): void {
    const { block, from } = piece
    block.hold()
    piece.from += bytes
    this.pieces.splice(this.handed, 0, { block, from, to: piece.from })
  }

  /** The connection took everything. */
  drained(): void {
    if (!this.waiting) return
    this.parts.budget.usedBytes -= this.heldBytes
    this.waiting = false
    this.settle()
    // Not at once: many links that drain in one turn would write without a bound.
    if (this.pieces.length > 0) this.askFlush()
  }

  private settle(): void {
    for (let i = 0; i < this.handed; i++) this.pieces[i]!.block.release()
    if (this.handed === this.pieces.length) {
      this.pieces.length = 0
      this.fill?.release()
      this.fill = undefined
      this.tail = undefined
    } else this.pieces.splice(0, this.handed)
    this.handed = 0
    // Who is told of it below may write here in turn: that is not written yet.
    const writtenEnd = this.handedEnd
    while (this.head < this.entries.length && this.entries[this.head]!.end <= writtenEnd) {
      const entry = this.entries[this.head++]!
      this.bytes -= entry.bytes
      this.frames -= entry.frames
      this.writtenFrames += entry.frames
      this.writtenBytes += entry.bytes
      this.parts.budget.usedBytes -= entry.bytes
      entry.owner?.release(entry.bytes, entry.frames)
    }
    if (this.head === this.entries.length) {
      this.entries.length = 0
      this.head = 0
    } else if (this.head > 1_024) {
      this.entries.splice(0, this.head)
      this.head = 0
    }
    if (this.probes) this.settleProbes(this.probes)
  }

  /** Lets go of the credit that broadcasts hold here: one slow reader delays nobody else. */
  releaseShared(): void {
    for (let i = this.head; i < this.entries.length; i++) {
      const entry = this.entries[i]!
      if (entry.owner instanceof SharedRelease) {
        entry.owner.release(entry.bytes, entry.frames)
        entry.owner = undefined
      }
    }
  }

  /** The link is gone: what waited is lost, counted, and credited back to its senders. */
  close(): void {
    if (this.closed) return
    this.parts.budget.usedBytes -= this.heldBytes
    this.closed = true
    this.waiting = false
    for (let i = this.head; i < this.entries.length; i++) {
      const entry = this.entries[i]!
      this.lostFrames += entry.frames
      this.parts.budget.usedBytes -= entry.bytes
      entry.owner?.release(entry.bytes, entry.frames)
    }
    // What the connection has, it may still write: those blocks are nobody's any more, and are not used again.
    for (let i = this.handed; i < this.pieces.length; i++) this.pieces[i]!.block.release()
    this.fill?.release()
    this.pieces.length = 0
    this.handed = 0
    this.entries.length = 0
    this.head = 0
    this.bytes = 0
    this.frames = 0
    this.fill = undefined
    this.tail = undefined
    this.probes = undefined
  }
}
