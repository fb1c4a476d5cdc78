import type { Delivery } from './delivery.js'
import { Fifo, type Line } from './lines.js'

/** A message whose turn has come, but for which no place is free. */
export interface Turn {
  readonly delivery: Delivery
  readonly line: Line | undefined
}

/** Places for handlers that run: those of a node, or those of one of its actions. */
export class Slots {
  running = 0
  readonly waiting = new Fifo<Turn>()
  waitingBytes = 0
  /** When a place was last taken or given back while all were taken, ms of the monotonic clock. */
  private changedAt = 0

  constructor(
    readonly limit: number,
    private readonly monotonic: () => number,
  ) {}

  get full(): boolean {
    return this.running >= this.limit
  }

  take(): void {
    if (++this.running === this.limit) this.changedAt = this.monotonic()
  }

  giveBack(): void {
    if (this.running-- >= this.limit) this.changedAt = this.monotonic()
  }

  /** How long all places have been taken without one of them becoming free, ms; 0 where one is free. */
  get stalledMs(): number {
    return this.full ? this.monotonic() - this.changedAt : 0
  }

  push(turn: Turn): void {
    this.waiting.push(turn)
    this.waitingBytes += turn.delivery.queuedBytes
  }

  takeAll(): Delivery[] {
    const all: Delivery[] = []
    for (let turn = this.shift(); turn; turn = this.shift()) all.push(turn.delivery)
    return all
  }

  shift(): Turn | undefined {
    const turn = this.waiting.shift()
    if (turn) this.waitingBytes -= turn.delivery.queuedBytes
    return turn
  }
}

/** One action takes at most half of the places of its node, but 16 of them in any case. */
export const slotsOfAction = (ofNode: number): number => Math.min(ofNode, Math.max(16, Math.ceil(ofNode / 2)))
