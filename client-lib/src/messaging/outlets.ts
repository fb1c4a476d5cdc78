import { SealwayError } from '@sealway/protocol'
import { BundleWriter } from '../crypto/bundle.js'
import type { Timers } from '../session/timers.js'
import { Outlet, type OutletParts } from './outlet.js'
import { SendBudget } from './send-budget.js'

/** Two flushes closer than this are one too many: a seal and a write cost several microseconds whatever they carry. */
const holdMs = 0.1
/** Bytes handed to the link in one write while a burst goes on. */
const writeBytes = 64 * 1024
/** Below this a copy costs less than a write of three parts: 4 % of a lone call, each way. */
const copyBelowBytes = 4 * 1024
/**
 * Of the routes that the mediator lets a link hold (`limits.maxRoutesPerLink`; it cuts a link with more): up to the first
 * share all are kept. Beyond, those used longest ago give way, and up to the second share those that are in use stay.
 */
const keptShare = 0.5
const usedShare = 0.97
/** Outlets that are looked at for one that may go. */
const maxLooks = 512
/** Below so many, routes to nodes that are not there cost nothing worth a timer. */
const sweptFrom = 256
const sweepMs = 10_000
/** Retired routes of which the mediator may still say that a frame was refused. */
const maxLateNames = 65_536
/** Empty writers kept for reuse. */
const maxSpareWriters = 64

export interface OutletsParts
  extends Omit<OutletParts, 'schedule' | 'borrow' | 'giveBack' | 'write' | 'reopen' | 'budget'> {
  readonly writeLink: (parts: readonly Uint8Array[]) => void
  /** A route was made; the link must learn of it before its first frame. */
  readonly openRoute: (outlet: Outlet) => void
  /** Nothing was left to send there: the link may forget the route. */
  readonly retireRoute: (number: number) => void
  /** Whether messages wait for room there. */
  readonly awaited: (outlet: Outlet) => boolean
  readonly timers: Timers
  /** Runs when the current burst of synchronous and promise code has ended. */
  readonly afterBurst: (work: () => void) => void
  /** ms, never set back. */
  readonly monotonic: () => number
  /** Runs in the next turn of the event loop. */
  readonly nextTurn: (work: () => void) => void
}

/**
 * All outlets of a node, and when they are flushed:
 * at the end of the burst when it has been quiet, so that a lone message waits for nothing; and while flushes would
 * follow each other within 100 us, a turn later, as long as each turn still adds something. Nothing spins: a turn that
 * added nothing flushes.
 */
export class Outlets {
  private readonly parts: OutletsParts
  private readonly outletParts: OutletParts
  private readonly budget: SendBudget
  private readonly byAddress = new Map<string, Outlet>()
  private readonly byNumber = new Map<number, Outlet>()
  /** Those to one member of a group, or to all of them. */
  readonly toGroups = new Set<Outlet>()
  /** Names of retired routes by their numbers: since the last sweep, and before it. */
  private lateNames = new Map<number, string>()
  private olderNames = new Map<number, string>()
  private sweeping: unknown
  /** Routes from which on one must go for another, and those that are the most. */
  private readonly kept: number
  private readonly most: number
  private readonly spare: BundleWriter[] = []
  private dirty: Outlet[] = []
  private lastNumber = 0
  private pending: Uint8Array[] = []
  private pendingBytes = 0
  private scheduled = false
  private lastFlushAt = 0
  private appends = 0
  private appendsSeen = 0

  constructor(parts: OutletsParts) {
    this.parts = parts
    const { maxRoutesPerLink } = parts.limits
    this.kept = Math.floor(maxRoutesPerLink * keptShare)
    this.most = Math.floor(maxRoutesPerLink * usedShare)
    const { nodeOutletBytes: nodeBytes, processOutletBytes: processBytes } = parts.limits
    this.budget = new SendBudget({ nodeBytes, processBytes, roomy: parts.roomy })
    this.outletParts = {
      ...parts,
      budget: this.budget,
      write: (header, ciphertext, tag) => this.push(header, ciphertext, tag),
      reopen: (outlet) => this.reopen(outlet),
      schedule: (outlet) => this.schedule(outlet),
      borrow: () => this.spare.pop() ?? new BundleWriter(),
      giveBack: (writer) => {
        if (this.spare.length < maxSpareWriters) this.spare.push(writer)
      },
    }
  }

  /** @param scope whose keys seal what goes there */
  get(to: string, scope: string): Outlet {
    const key = keyOf(to, scope)
    const known = this.byAddress.get(key)
    if (known) return known
    this.makeRoom()
    const outlet = new Outlet(to, scope, ++this.lastNumber, this.outletParts)
    this.add(key, outlet)
    return outlet
  }

  /** The same where it was used before. */
  find(to: string, scope: string): Outlet | undefined {
    return this.byAddress.get(keyOf(to, scope))
  }

  private add(key: string, outlet: Outlet): void {
    if (!this.byAddress.has(key)) this.byAddress.set(key, outlet)
    this.byNumber.set(outlet.number, outlet)
    if (outlet.isToGroup) this.toGroups.add(outlet)
    this.parts.openRoute(outlet)
    if (this.byNumber.size > sweptFrom) this.sweepLater()
  }

  private reopen(outlet: Outlet): void {
    this.makeRoom()
    outlet.retired = false
    outlet.number = ++this.lastNumber
    this.add(keyOf(outlet.to, outlet.scope), outlet)
  }

  // ---- routes that are not used any more

  /** @throws SealwayError `BUSY` */
  private makeRoom(): void {
    if (this.byNumber.size < this.kept || this.retireOldest()) return
    // What was sent in this very turn may be all that is left to do there.
    this.flush()
    if (this.retireOldest() || this.byNumber.size < this.most) return
    throw new SealwayError('BUSY', {
      message: `${this.most} nodes and groups are being sent to at once`,
      outcome: 'not-delivered',
      hop: 'client',
    })
  }

  /** Retires one of those that were used longest ago: first come, but for a second chance where it was used since. */
  private retireOldest(): boolean {
    let looks = 0
    for (const [key, outlet] of this.byAddress) {
      if (looks++ === maxLooks) break
      const wasUsed = outlet.online !== false && outlet.framesSealed !== outlet.framesSeen
      outlet.framesSeen = outlet.framesSealed
      if (!wasUsed && this.retire(key, outlet)) return true
      this.byAddress.delete(key)
      this.byAddress.set(key, outlet)
    }
    return false
  }

  /** @returns false where somebody still needs it */
  private retire(key: string, outlet: Outlet): boolean {
    if (!outlet.disposable || this.parts.awaited(outlet)) return false
    // Its last frames go out before its route.
    this.writePending()
    outlet.retired = true
    if (this.byAddress.get(key) === outlet) this.byAddress.delete(key)
    this.byNumber.delete(outlet.number)
    this.toGroups.delete(outlet)
    this.parts.retireRoute(outlet.number)
    if (this.lateNames.size < maxLateNames) this.lateNames.set(outlet.number, outlet.to)
    this.sweepLater()
    return true
  }

  private sweepLater(): void {
    this.sweeping ??= this.parts.timers.setBackground(() => {
      this.sweeping = undefined
      for (const outlet of this.byNumber.values()) {
        const { framesSealed, framesSeen, online } = outlet
        outlet.framesSeen = framesSealed
        // Its receiver would take the end of the route for this node's leave, so one that is connected keeps it.
        if (online === false && framesSealed === framesSeen) this.retire(keyOf(outlet.to, outlet.scope), outlet)
      }
      this.olderNames = this.lateNames
      this.lateNames = new Map()
      if (this.byNumber.size > sweptFrom || this.olderNames.size > 0) this.sweepLater()
    }, sweepMs)
  }

  /** Whose route that number was, where it was retired lately: what the mediator still says of it is told by name. */
  retiredName(number: number): string | undefined {
    return this.lateNames.get(number) ?? this.olderNames.get(number)
  }

  get size(): number {
    return this.byNumber.size
  }

  /** The node was closed. */
  close(): void {
    this.parts.timers.clear(this.sweeping)
    this.sweeping = undefined
    this.budget.close()
  }

  // ----

  /** The outlet of an address as the user writes it, if it was used before. */
  peek(to: string): Outlet | undefined {
    return this.byAddress.get(to)
  }

  /** Calls of this node that one member of a group has not answered yet. */
  inFlight(member: string, group: string): number {
    return (this.byAddress.get(member)?.inFlight ?? 0) + (this.byAddress.get(keyOf(member, group))?.inFlight ?? 0)
  }

  numbered(number: number): Outlet | undefined {
    return this.byNumber.get(number)
  }

  all(): IterableIterator<Outlet> {
    return this.byNumber.values()
  }

  private push(header: Buffer, ciphertext: Buffer, tag: Buffer): void {
    this.pending.push(header, ciphertext, tag)
    this.pendingBytes += header.length + ciphertext.length + tag.length
    if (this.pendingBytes >= writeBytes) this.writePending()
  }

  private writePending(): void {
    if (this.pending.length === 0) return
    const { pending, pendingBytes } = this
    this.pending = []
    this.pendingBytes = 0
    this.parts.writeLink(pendingBytes < copyBelowBytes ? [Buffer.concat(pending, pendingBytes)] : pending)
  }

  private schedule(outlet: Outlet): void {
    this.appends++
    if (!outlet.scheduled) {
      outlet.scheduled = true
      this.dirty.push(outlet)
    }
    if (this.scheduled) return
    this.scheduled = true
    if (this.parts.monotonic() - this.lastFlushAt > holdMs) {
      this.parts.afterBurst(this.flush)
    } else {
      // The first look comes before this turn's user code has run, so it must not count as one that added nothing.
      this.appendsSeen = -1
      this.parts.nextTurn(this.considerFlush)
    }
  }

  private readonly considerFlush = (): void => {
    if (this.dirty.length === 0 && this.pending.length === 0) {
      this.scheduled = false
    } else if (this.appends !== this.appendsSeen && this.parts.monotonic() - this.lastFlushAt < holdMs) {
      this.appendsSeen = this.appends
      this.parts.nextTurn(this.considerFlush)
    } else {
      this.flush()
    }
  }

  /** Seals and writes everything that link and credit allow. */
  readonly flush = (): void => {
    this.scheduled = false
    const dirty = this.dirty
    this.dirty = []
    for (const outlet of dirty) {
      outlet.scheduled = false
      outlet.flush()
    }
    this.writePending()
    this.budget.serve()
    this.lastFlushAt = this.parts.monotonic()
  }

  /** A chunk was read to its end: what its handlers answered leaves with one write. */
  flushNow(): void {
    if (this.dirty.length > 0 || this.pending.length > 0) this.flush()
  }

  /** The link takes more again. */
  pump(): void {
    for (const outlet of this.byNumber.values()) outlet.pump()
    this.flush()
  }

  /** What was sealed for a link that is gone would be refused on the next one's order; it is lost with it. */
  unlinked(): void {
    this.pending = []
    this.pendingBytes = 0
    this.lateNames.clear()
    this.olderNames.clear()
  }

  get idle(): boolean {
    if (this.pending.length > 0) return false
    for (const outlet of this.byNumber.values()) if (!outlet.idle) return false
    return true
  }
}

/** A name cannot hold a space, so the two forms never meet. */
const keyOf = (to: string, scope: string): string => (scope === usualScope(to) ? to : `${to} ${scope}`)

/** A group's messages are sealed under the group's keys, a node's under the default ones. */
export const usualScope = (to: string): string => {
  const colon = to.indexOf(':')
  return colon < 0 ? 'default' : to.slice(colon + 1)
}
