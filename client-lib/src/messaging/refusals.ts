import { type Code, codeNumber, Kind } from '@sealway/protocol'
import { type Receipt, ReceiptStatus } from '../crypto/receipt.js'
import type { Pending } from './calls.js'
import type { Emitter, NodeEvents } from './events.js'
import { sameFlow } from './frame-id.js'
import type { Hints } from './hints.js'
import type { Outlet } from './outlet.js'
import type { Outlets } from './outlets.js'
import { ReplyStatus } from './payload.js'

export interface RefusalsParts {
  readonly outlets: Outlets
  readonly hints: Hints
  readonly events: Emitter<NodeEvents>
  /** A frame to that node is missing: what streams to it carry has a hole. */
  readonly gap: (name: string, scope: string, why: string) => void
}

/** Frames that went nowhere: what the mediator and receivers say of ours, and what we say of those we cannot open. */
export class Refusals {
  private readonly parts: RefusalsParts

  constructor(parts: RefusalsParts) {
    this.parts = parts
  }

  /** What a receiver says of a frame of this node. */
  told(from: string, receipt: Receipt): void {
    switch (receipt.status) {
      case ReceiptStatus.incarnation: {
        const outlet = this.parts.outlets.get(from, 'default')
        outlet.retarget(receipt.incarnation)
        this.frame(outlet, receipt.flow, receipt.ackUpTo, 'STALE_INCARNATION', 'receiver')
        return
      }
      case ReceiptStatus.unknownKey:
        this.keyMismatch(from, (waiter) => sameFlow(waiter.flow!.id, receipt.flow) && mayHave(waiter, from, receipt))
    }
  }

  /** Something came from there that is sealed with a key that is not ours. */
  unknownKey(from: string, scope: string, kid: Uint8Array, sealed: Uint8Array): void {
    if (sealed[2] !== Kind.receipt) this.parts.hints.unknownKey(from, scope, kid, sealed)
    // What it says cannot be read; that it came at all says enough.
    else this.keyMismatch(from, (waiter) => waiter.outlet.scope === scope && mayHave(waiter, from))
  }

  private keyMismatch(from: string, concerns: (waiter: Pending) => boolean): void {
    const message = `${from} does not hold the key this was sealed with`
    for (const outlet of [...this.parts.outlets.all()]) {
      for (const waiter of [...outlet.awaiting] as Pending[]) {
        if (concerns(waiter)) waiter.answered(from, ReplyStatus.refused, () => ({ code: 'UNKNOWN_KEY', message }))
      }
    }
    this.parts.events.emit('dropped', { to: from, code: 'UNKNOWN_KEY' })
  }

  /** One frame was not taken, by the mediator or by its receiver. */
  frame(outlet: Outlet, flow: Uint8Array, counter: number, code: Code, hop: 'mediator' | 'receiver'): void {
    for (const waiter of [...outlet.awaiting] as Pending[]) {
      if (waiter.counter !== counter || !sameFlow(waiter.flow!.id, flow)) continue
      // An earlier copy may have arrived; the next one may get through.
      if (waiter.kept && waiter.repeated && hop === 'mediator') continue
      const outcome = waiter.repeated ? 'unknown' : 'not-delivered'
      waiter.fail(waiter.error(code, `${waiter.what}: ${meaning(code, outlet.to)}`, outcome, { hop }))
    }
    this.parts.events.emit('dropped', { to: outlet.to, code })
    this.parts.gap(outlet.to, outlet.scope, `a frame to it was refused (${code})`)
  }
}

/**
 * Whether that node was handed this. All frames of a flow are sealed with one key, so what one of them met there the
 * others meet; but those of a flow to `any:` were spread, each to the member that the mediator named.
 */
function mayHave({ outlet, member, counter }: Pending, name: string, receipt?: Receipt): boolean {
  if (!outlet.to.startsWith('any:')) return outlet.to === name || outlet.to.startsWith('group:')
  return member === undefined ? counter === receipt?.ackUpTo : member === name
}

function meaning(code: Code, to: string): string {
  switch (code) {
    case 'OFFLINE':
      return `${to} is not connected`
    case 'UNKNOWN_NODE':
      return `no node is named ${to}`
    case 'UNKNOWN_GROUP':
      return `there is no ${to}`
    case 'BUSY':
      return `the queue of ${to} is full`
    case 'FORBIDDEN':
      return `this node shares no group with ${to}, and its token does not allow more`
    default:
      return `${to} was not reached (${code}, ${codeNumber(code)})`
  }
}
