import type { Outlet } from './outlet.js'

/** What the nodes of one process have queued to be sent. */
export class ProcessBudget {
  usedBytes = 0
  /** Nodes that found no room in it. */
  readonly short = new Set<SendBudget>()
}

/** Of this process: its nodes share one heap. */
const ofProcess = new ProcessBudget()

export interface SendBudgetParts {
  /** Bytes that may be queued in this node. */
  readonly nodeBytes: number
  /** Bytes that may be queued in all nodes of the process. */
  readonly processBytes: number
  /** There may be room again for what waits for this outlet. */
  readonly roomy: (outlet: Outlet) => void
}

/** One target may have queued so much of what is left over. */
const shareOfFree = 1 / 8

/**
 * Bounds what a node has queued for all targets together, and what all nodes of the process have. A target may use an
 * eighth of what is left over: full targets have about the same share, and one that has nothing queued yet finds room.
 */
export class SendBudget {
  private usedBytes = 0
  private readonly blocked = new Set<Outlet>()
  private serving = false
  private closed = false

  constructor(
    private readonly parts: SendBudgetParts,
    private readonly process = ofProcess,
  ) {}

  /** Bytes that one target may have queued now; 0 or less where nothing more may be queued at all. */
  get share(): number {
    const ofNode = this.parts.nodeBytes - this.usedBytes
    const ofAll = this.parts.processBytes - this.process.usedBytes
    return (ofNode < ofAll ? ofNode : ofAll) * shareOfFree
  }

  /** @param bytes negative: they have left */
  add(bytes: number): void {
    if (this.closed) return
    this.usedBytes += bytes
    this.process.usedBytes += bytes
  }

  /** An outlet found no room. */
  refused(outlet: Outlet): void {
    this.blocked.add(outlet)
    this.process.short.add(this)
  }

  /** Something may have left: outlets that found no room try again, in this node and in the others of the process. */
  serve(): void {
    if (this.process.short.size === 0) return
    // A copy: those that find no room again are added again.
    for (const budget of [...this.process.short]) budget.retry()
  }

  private retry(): void {
    if (this.serving || this.share <= 0) return
    this.serving = true
    this.process.short.delete(this)
    const outlets = [...this.blocked]
    this.blocked.clear()
    for (const outlet of outlets) this.parts.roomy(outlet)
    this.serving = false
  }

  /** The node has ended, and what it had queued is gone. */
  close(): void {
    this.process.short.delete(this)
    this.add(-this.usedBytes)
    this.closed = true
    this.serve()
  }
}
