import type { SealedFrame } from '../crypto/seal.js'
import { Resending } from './resending.js'

/** A sealed frame kept until all who wait for it are settled. What is sent again are the same bytes, never a new seal. */
export class Unacked extends Resending {
  constructor(
    readonly frame: SealedFrame,
    now: number,
    random: () => number,
  ) {
    super(now, random)
  }
}

/** Sealed frames that are sent again until they are acknowledged. */
export class UnackedFrames {
  /** Oldest first. */
  readonly all = new Set<Unacked>()
  bytes = 0

  add(kept: Unacked): Unacked {
    this.all.add(kept)
    this.bytes += kept.frame.bytes
    return kept
  }

  /** @returns false where it was not kept any more */
  delete(kept: Unacked): boolean {
    if (!this.all.delete(kept)) return false
    this.bytes -= kept.frame.bytes
    return true
  }
}
