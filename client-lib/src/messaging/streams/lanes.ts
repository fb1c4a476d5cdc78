import type { Outlet } from '../outlet.js'
import type { Outbound } from './outbound.js'

/**
 * What all streams to one target together may have waiting in its outlet, bytes: enough to fill a link, and so little
 * that a message behind it is not delayed.
 */
const laneBytes = 256 * 1024

/** Which streams wait for room in which outlet: each in turn. */
export class Lanes {
  private readonly waiting = new Map<Outlet, Set<Outbound>>()
  private readonly serving = new Set<Outlet>()

  hasRoom(outlet: Outlet): boolean {
    return outlet.streamBytes < laneBytes
  }

  wait(outlet: Outlet, outbound: Outbound): void {
    const lane = this.waiting.get(outlet)
    if (lane) lane.add(outbound)
    else this.waiting.set(outlet, new Set([outbound]))
  }

  /** It was broken off. */
  leave(outlet: Outlet, outbound: Outbound): void {
    const lane = this.waiting.get(outlet)
    if (lane?.delete(outbound) && lane.size === 0) this.waiting.delete(outlet)
  }

  /** The outlet has sealed some of what waited. */
  roomy(outlet: Outlet): void {
    const lane = this.waiting.get(outlet)
    // What is written here may seal more and so lead back here; the loop below goes on with it.
    if (!lane || this.serving.has(outlet)) return
    this.serving.add(outlet)
    for (const outbound of lane) {
      if (!this.hasRoom(outlet)) break
      // Behind the others, where it still has more.
      lane.delete(outbound)
      outbound.pump()
    }
    this.serving.delete(outlet)
    if (lane.size === 0) this.waiting.delete(outlet)
  }
}
