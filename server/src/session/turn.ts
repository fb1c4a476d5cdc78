import type { Outbox } from './outbox.js'

/**
 * What one link may cost in one turn of the event loop, bytes read from it or queued because of it, whichever is more:
 * then it is read no further until the next turn. Without this, node:net reads up to 2 MiB of one link (32 reads of
 * 64 KiB, libuv) before any other is looked at, and ten receivers make 20 MiB to write of it.
 */
export const quantumBytes = 256 * 1024
/** Bytes written in one turn to links with much to write. At 2 to 4 GB/s that is well under a millisecond. */
export const turnBytes = 1024 * 1024
/** With no more than this to write, a link goes first, whatever is left of the turn: writing it is but a system call. */
export const lightBytes = 16 * 1024

/** A link that is read no further in this turn. */
export interface Resting {
  resume(): void
}

/**
 * A turn of the mediator's event loop: what is read is written at its end, a link at a time, those with little first,
 * and of the others only so much that whoever has sent meanwhile is not kept waiting.
 */
export class Turn {
  /** Counts turns, so that a link knows whether what it has spent was in this one. */
  number = 0
  private waiting: Outbox[] = []
  private resting: Resting[] = []
  private deferred = false

  /** @param defer runs the work at the end of this turn of the event loop */
  constructor(private readonly defer: (work: () => void) => void) {}

  /** To be flushed at the end of this turn, or of one soon after. */
  readonly schedule = (outbox: Outbox): void => {
    this.waiting.push(outbox)
    this.ask()
  }

  /** To be read again in the next turn. */
  readonly rest = (link: Resting): void => {
    this.resting.push(link)
    this.ask()
  }

  private ask(): void {
    if (this.deferred) return
    this.deferred = true
    this.defer(this.end)
  }

  private readonly end = (): void => {
    const { waiting, resting } = this
    this.waiting = []
    this.resting = []
    this.deferred = false
    this.number++
    let left = turnBytes
    let heavy: Outbox[] | undefined
    for (const outbox of waiting) {
      if (outbox.bytes <= lightBytes) left -= outbox.flush()
      else {
        heavy ??= []
        heavy.push(outbox)
      }
    }
    if (heavy) this.flushHeavy(heavy, left)
    for (const link of resting) link.resume()
  }

  /** A piece each, in the order in which they came; those that are not reached come first in the next turn. */
  private flushHeavy(heavy: readonly Outbox[], bytes: number): void {
    let left = bytes
    let at = 0
    // At least one: light links must not starve a heavy one either.
    do left -= heavy[at++]!.flush(quantumBytes)
    while (left > 0 && at < heavy.length)
    if (at === heavy.length) return
    // Before those that have been served and have more.
    this.waiting = [...heavy.slice(at), ...this.waiting]
    this.ask()
  }
}
