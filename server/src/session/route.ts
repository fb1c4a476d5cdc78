import { type Address, type Code, encodeCredit } from '@sealway/protocol'
import type { Releasable } from './outbox.js'
import type { Session } from './session.js'

/**
 * One address that one link sends to. `number` is the sender's; `id` is the mediator's, the same towards every
 * receiver, so that a frame for a whole group is the same bytes for all of them (docs/decisions/0002).
 */
export class Route implements Releasable {
  /** Receivers that know what `id` stands for. */
  readonly announcedTo = new Set<Session>()
  /** Why it is refused while no live target answers to it. */
  absence: Code | undefined
  /** It was opened while the mediator drained: only answers may use it. */
  isNewWork = false
  /** The database is being asked whether its target exists. */
  lookup: Promise<void> | undefined
  /** The target it was last allowed to reach: asked once, not per frame. */
  allowedTarget: Session | undefined
  /** Bytes and frames accepted and not yet written to their targets. */
  usedBytes = 0
  usedFrames = 0
  private freedBytes = 0
  private freedFrames = 0
  private closed = false
  private readonly creditBytes: number
  private readonly creditFrames: number

  constructor(
    readonly id: number,
    readonly number: number,
    readonly sender: Session,
    readonly address: Address,
    /** Canonical text of the address. */
    readonly to: string,
    readonly scope: string,
    window: { readonly bytes: number; readonly frames: number },
  ) {
    this.creditBytes = window.bytes / 4
    this.creditFrames = window.frames / 4
  }

  accept(bytes: number, frames: number): void {
    this.usedBytes += bytes
    this.usedFrames += frames
  }

  /** Gives the window back to the sender, a quarter at a time: one small frame per many. */
  release(bytes: number, frames: number): void {
    this.usedBytes -= bytes
    this.usedFrames -= frames
    this.freedBytes += bytes
    this.freedFrames += frames
    if (this.closed || (this.freedBytes < this.creditBytes && this.freedFrames < this.creditFrames)) return
    const credit = encodeCredit(this.number, this.freedBytes, this.freedFrames)
    this.freedBytes = 0
    this.freedFrames = 0
    this.sender.control(credit)
  }

  close(): void {
    this.closed = true
  }
}
