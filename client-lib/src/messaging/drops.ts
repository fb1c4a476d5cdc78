import type { Code } from '@sealway/protocol'
import { type Receipt, ReceiptStatus } from '../crypto/receipt.js'
import type { Timers } from '../session/timers.js'
import type { Delivery } from './delivery.js'

/** Refusals are added up for so long before their sender is told, ms. */
const collectMs = 100
/** Flows and codes that are added up at once; what comes beyond that is told as one sum. */
const maxSums = 1_024

interface Sum {
  readonly from: string
  readonly scope: string
  readonly flow: Uint8Array
  readonly code: Code
  messages: number
}

export interface DropsParts {
  readonly timers: Timers
  readonly tell: (to: string, scope: string, receipt: Receipt) => void
  /** What was told is to leave. */
  readonly flush: () => void
}

/** Tells senders how many of their messages were not handled here, where nobody waits for an answer. */
export class Drops {
  private readonly parts: DropsParts
  private byFlow = new Map<Uint8Array, Sum[]>()
  private sums = 0
  private timer: unknown

  constructor(parts: DropsParts) {
    this.parts = parts
  }

  add({ from, scope, flow }: Delivery, code: Code): void {
    const known = this.byFlow.get(flow)?.find((sum) => sum.code === code)
    if (known) {
      known.messages++
      return
    }
    if (this.sums >= maxSums) this.tell()
    const sum = { from, scope, flow, code, messages: 1 }
    this.byFlow.set(flow, [...(this.byFlow.get(flow) ?? []), sum])
    this.sums++
    this.timer ??= this.parts.timers.setBackground(() => {
      this.tell()
      this.parts.flush()
    }, collectMs)
  }

  /** Tells all of it now. */
  tell(): void {
    this.parts.timers.clear(this.timer)
    this.timer = undefined
    const { byFlow } = this
    this.byFlow = new Map()
    this.sums = 0
    for (const { from, scope, flow, code, messages } of [...byFlow.values()].flat()) {
      const status = ReceiptStatus.dropped
      this.parts.tell(from, scope, { status, flow, ackUpTo: 0, bitmapLow: 0, bitmapHigh: 0, code, messages })
    }
  }
}
