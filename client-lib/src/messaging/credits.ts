import { Kind } from '@sealway/protocol'
import { type CreditReceipt, encodeReceipt, ReceiptStatus } from '../crypto/receipt.js'
import type { Timers } from '../session/timers.js'
import type { Outlet } from './outlet.js'
import type { Outlets } from './outlets.js'
import type { Waiting } from './waiting.js'

/** How often it is checked whether messages have waited long enough for credit, ms. */
const tickMs = 50

export interface CreditsParts {
  readonly outlets: Outlets
  readonly timers: Timers
  readonly waiting: Waiting
}

/** Receives the credit of receivers, and asks for it where messages wait too long (SPEC.md, "Back-pressure"). */
export class Credits {
  private readonly parts: CreditsParts
  private ticking = false

  constructor(parts: CreditsParts) {
    this.parts = parts
    parts.waiting.onWaitForCredit = () => this.tickLater()
  }

  /** A receiver says what it can queue of a flow. */
  granted(from: string, scope: string, receipt: CreditReceipt): void {
    const outlet = this.outletOf(from, scope, receipt.flow)
    if (!outlet) return
    outlet.allowance.granted(from, receipt, this.parts.timers.monotonic())
    this.parts.waiting.retry(outlet)
  }

  /** Where a flow goes that a receiver speaks of; undefined where it is not in use any more. */
  outletOf(from: string, scope: string, flow: Uint8Array): Outlet | undefined {
    const { outlets } = this.parts
    const direct = outlets.find(from, scope)
    if (direct?.seals(flow)) return direct
    for (const outlet of outlets.toGroups) if (outlet.seals(flow)) return outlet
    return undefined
  }

  private tickLater(): void {
    if (this.ticking) return
    this.ticking = true
    this.parts.timers.setBackground(() => {
      this.ticking = false
      this.tick()
    }, tickMs)
  }

  private tick(): void {
    const { waiting, outlets, timers } = this.parts
    const waitHere = waiting.outletsWithoutCredit()
    for (const outlet of waitHere) {
      const next = outlet.allowance.room ? 'room' : outlet.allowance.waited(timers.monotonic())
      if (next === 'room') waiting.retry(outlet)
      else if (next === 'ask') this.ask(outlet)
    }
    outlets.flushNow()
    if (waitHere.length > 0) this.tickLater()
  }

  private ask(outlet: Outlet): void {
    const flow = outlet.flowId
    const status = ReceiptStatus.creditAsked
    if (flow) outlet.raw(Kind.receipt, encodeReceipt({ status, flow, ackUpTo: 0, bitmapLow: 0, bitmapHigh: 0 }))
  }
}
