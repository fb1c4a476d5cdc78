import { offset } from '@sealway/protocol'
import { ReceiptStatus } from '../crypto/receipt.js'
import { readU64 } from '../crypto/u64.js'
import type { Bytes } from './bytes.js'
import { freshKey, type PageKey } from './key.js'
import type { PageKeyring } from './keyring.js'
import type { Outlet } from './outlet.js'
import { encodeReceipt } from './receipt.js'

/** One sender is told so often within a second: a flood of frames makes none of hints. */
const hintsPerSecond = 32
const secondMs = 1_000
/** Senders whose hints are counted at once. */
const maxCounted = 1_000

/** So many in a second, for each of many. */
export class Rate {
  private readonly counts = new Map<string, { readonly since: number; given: number }>()

  constructor(private readonly clock: () => number) {}

  /** @returns whether one more may be given to this one */
  take(who: string): boolean {
    const now = this.clock()
    let count = this.counts.get(who)
    if (!count || now - count.since >= secondMs) {
      if (this.counts.size >= maxCounted) this.counts.clear()
      count = { since: now, given: 0 }
      this.counts.set(who, count)
    }
    return count.given++ < hintsPerSecond
  }
}

/** Tells senders why their frames were refused, so that their calls need not wait for the deadline. */
export class Hints {
  private readonly rate: Rate
  private nobodys: Promise<PageKey> | undefined

  constructor(
    private readonly keyring: PageKeyring,
    private readonly incarnationHere: number,
    clock: () => number,
  ) {
    this.rate = new Rate(clock)
  }

  /** A frame was sealed for a page that is no more; the live one says who it is. */
  incarnation(outlet: Outlet, sealed: Bytes): void {
    const incarnation = this.incarnationHere
    this.give(outlet, encodeReceipt({ status: ReceiptStatus.incarnation, ...positionOf(sealed), incarnation }))
  }

  /** A frame was sealed with a key that this page does not hold. */
  unknownKey(outlet: Outlet, sealed: Bytes, kid: Bytes): void {
    this.give(outlet, encodeReceipt({ status: ReceiptStatus.unknownKey, ...positionOf(sealed), kid }))
  }

  private give(outlet: Outlet, receipt: Bytes): void {
    if (!this.rate.take(`${outlet.to} ${outlet.scope}`)) return
    if (this.canSeal(outlet.scope)) return outlet.sealAlone(receipt)
    // A key of nobody's: what it seals is never opened, but that it came at all is seen.
    this.nobodys ??= freshKey()
    void this.nobodys.then((key) => outlet.sealAlone(receipt, key))
  }

  private canSeal(scope: string): boolean {
    try {
      this.keyring.sealing(scope)
      return true
    } catch {
      return false
    }
  }
}

/** The place of a frame in its flow, from the clear header. */
const positionOf = (sealed: Bytes) => ({
  flow: sealed.slice(offset.salt, offset.salt + 8),
  ackUpTo: readU64(sealed, offset.counter) ?? 0,
  bitmapLow: 1,
  bitmapHigh: 0,
})
