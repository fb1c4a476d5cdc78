import { Kind } from '@sealway/protocol'
import type { Keyring } from '../crypto/keyring.js'
import { generateKey, type PayloadKey } from '../crypto/keys.js'
import { encodeReceipt, ReceiptStatus } from '../crypto/receipt.js'
import type { Timers } from '../session/timers.js'
import { counterOf } from './frame-id.js'
import type { Outlets } from './outlets.js'

export interface HintsParts {
  readonly outlets: Outlets
  readonly incarnation: number
  readonly clock: () => number
  readonly timers: Timers
  readonly keyring: Keyring
}

/** One sender is told so often within a second, and then once more at its end: a flood of frames makes none of hints. */
const hintsPerSecond = 32
const secondMs = 1_000
/** Senders whose hints are counted at once. */
const maxCounted = 10_000

interface Count {
  readonly since: number
  given: number
  /** The last one that was held back: sent when the second is over. */
  held: Uint8Array | undefined
}

/** Tells senders why their frames were refused, so that their calls need not wait for the deadline. */
export class Hints {
  private readonly parts: HintsParts
  private readonly counts = new Map<string, Count>()
  private nobodys: PayloadKey | undefined

  constructor(parts: HintsParts) {
    this.parts = parts
  }

  /** A frame was sealed for a process that is no more; the live one says who it is. */
  incarnation(to: string, scope: string, sealed: Uint8Array): void {
    const { incarnation } = this.parts
    const receipt = encodeReceipt({ status: ReceiptStatus.incarnation, ...positionOf(sealed), incarnation })
    this.give(`inc ${to} ${scope}`, to, scope, receipt)
  }

  /** A frame was sealed with a key that this node does not hold. */
  unknownKey(to: string, scope: string, kid: Uint8Array, sealed: Uint8Array): void {
    const receipt = encodeReceipt({ status: ReceiptStatus.unknownKey, ...positionOf(sealed), kid })
    this.give(`key ${to} ${scope}`, to, scope, receipt)
  }

  private give(what: string, to: string, scope: string, receipt: Uint8Array): void {
    const now = this.parts.clock()
    let count = this.counts.get(what)
    if (!count || now - count.since >= secondMs) {
      if (this.counts.size >= maxCounted) this.counts.clear()
      count = { since: now, given: 0, held: undefined }
      this.counts.set(what, count)
    }
    if (count.given++ < hintsPerSecond) this.send(to, scope, receipt)
    else this.holdBack(count, to, scope, receipt)
  }

  private holdBack(count: Count, to: string, scope: string, receipt: Uint8Array): void {
    const first = count.held === undefined
    count.held = receipt
    if (!first) return
    this.parts.timers.setBackground(() => {
      this.send(to, scope, count.held!)
      // The others leave with the chunk whose frames they answer.
      this.parts.outlets.flushNow()
    }, secondMs)
  }

  /** In a frame of its own, whose kind shows: a receiver that refuses all that is not bound to it takes receipts. */
  private send(to: string, scope: string, receipt: Uint8Array): void {
    this.parts.outlets.get(to, scope).sealAlone(Kind.receipt, receipt, this.keyFor(scope))
  }

  /**
   * Where this node can seal nothing, a key of nobody's: what it seals is never opened, but that it came at all is seen.
   * @returns undefined where the scope has its own
   */
  private keyFor(scope: string): PayloadKey | undefined {
    try {
      this.parts.keyring.sealing(scope)
      return undefined
    } catch {
      this.nobodys ??= generateKey()
      return this.nobodys
    }
  }
}

/** The place of a frame in its flow, from the clear header. */
const positionOf = (sealed: Uint8Array) => ({
  flow: sealed.slice(20, 28),
  ackUpTo: counterOf(sealed, 56),
  bitmapLow: 1,
  bitmapHigh: 0,
})
