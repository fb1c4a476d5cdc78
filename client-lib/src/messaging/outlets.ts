import { BundleWriter } from '../crypto/bundle.js'
import { Outlet, type OutletParts } from './outlet.js'

/** Two flushes closer than this are one too many: a seal and a write cost several microseconds whatever they carry. */
const holdMs = 0.1
/** Bytes handed to the link in one write while a burst goes on. */
const writeBytes = 64 * 1024
/** Below this a copy costs less than a write of three parts: 4 % of a lone call, each way. */
const copyBelowBytes = 4 * 1024
/** Empty writers kept for reuse. */
const maxSpareWriters = 64

export interface OutletsParts extends Omit<OutletParts, 'schedule' | 'borrow' | 'giveBack' | 'write'> {
  readonly writeLink: (parts: readonly Uint8Array[]) => void
  /** A route was made; the link must learn of it before its first frame. */
  readonly openRoute: (outlet: Outlet) => void
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
  private readonly byAddress = new Map<string, Outlet>()
  private readonly byNumber = new Map<number, Outlet>()
  /** Those to one member of a group, or to all of them. */
  readonly toGroups = new Set<Outlet>()
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
    this.outletParts = {
      ...parts,
      write: (header, ciphertext, tag) => this.push(header, ciphertext, tag),
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
    const outlet = new Outlet(to, scope, ++this.lastNumber, this.outletParts)
    this.byAddress.set(key, outlet)
    this.byNumber.set(outlet.number, outlet)
    if (outlet.isToGroup) this.toGroups.add(outlet)
    this.parts.openRoute(outlet)
    return outlet
  }

  /** The same where it was used before. */
  find(to: string, scope: string): Outlet | undefined {
    return this.byAddress.get(keyOf(to, scope))
  }

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
