import { type Code, codeNumber, type Outcome, type SealwayError } from '@sealway/protocol'
import { type Receipt, ReceiptStatus } from '../crypto/receipt.js'
import { sameFlow } from './frame-id.js'
import { ReplyStatus } from './payload.js'

type Hop = 'mediator' | 'receiver'

/** Who waits for what becomes of a frame. */
export interface Refusable {
  /** What it was sealed in; absent before it has left. */
  readonly flow: { readonly id: Uint8Array } | undefined
  readonly counter: number
  readonly outlet: { readonly to: string; readonly scope: string }
  /** The member of a group that has it, as the mediator said. */
  readonly member: string | undefined
  readonly what: string
  /** The frame that is sent again for this. */
  readonly kept: object | undefined
  /** It left more than once. */
  readonly repeated: boolean
  error(code: Code, message: string, outcome: Outcome, more: { hop: Hop }): SealwayError
  fail(error: SealwayError): void
  answered(from: string, status: number, body: () => unknown): void
}

export interface RefusalsParts {
  /** All whose frames have left. */
  readonly waiting: () => Iterable<Refusable>
  /** The process to which a frame was bound is no more. */
  readonly stale: (from: string, incarnation: number, { flow, ackUpTo }: Receipt) => void
  readonly dropped: (to: string, code: Code, messages?: number) => void
}

/** Frames that went nowhere: what the mediator and receivers say of ours. */
export class Refusals {
  private readonly parts: RefusalsParts

  constructor(parts: RefusalsParts) {
    this.parts = parts
  }

  /** What a receiver says of a frame of this node. */
  told(from: string, receipt: Receipt): void {
    switch (receipt.status) {
      case ReceiptStatus.incarnation:
        this.parts.stale(from, receipt.incarnation, receipt)
        return
      case ReceiptStatus.unknownKey:
        this.keyMismatch(from, (waiter) => sameFlow(waiter.flow!.id, receipt.flow) && mayHave(waiter, from, receipt))
    }
  }

  /** A receipt came from there that cannot be read; that it came at all says enough. */
  unreadable(from: string, scope: string): void {
    this.keyMismatch(from, (waiter) => waiter.outlet.scope === scope && mayHave(waiter, from))
  }

  private keyMismatch(from: string, concerns: (waiter: Refusable) => boolean): void {
    const message = `${from} does not hold the key this was sealed with`
    for (const waiter of this.parts.waiting()) {
      if (concerns(waiter)) waiter.answered(from, ReplyStatus.refused, () => ({ code: 'UNKNOWN_KEY', message }))
    }
    this.parts.dropped(from, 'UNKNOWN_KEY')
  }

  /**
   * One frame was not taken, by the mediator or by its receiver.
   * @param awaiting who waits for something that was sent there
   * @param flow begins with the 8 bytes that name it
   * @param messages in it that nobody waits for
   */
  frame(
    to: string,
    awaiting: Iterable<Refusable>,
    flow: Uint8Array,
    counter: number | undefined,
    code: Code,
    hop: Hop,
    messages = 0,
  ): void {
    for (const waiter of [...awaiting]) {
      if (waiter.counter !== counter || !sameFlow(waiter.flow!.id, flow)) continue
      // An earlier copy may have arrived; the next one may get through.
      if (waiter.kept && waiter.repeated && hop === 'mediator') continue
      const outcome = waiter.repeated ? 'unknown' : 'not-delivered'
      waiter.fail(waiter.error(code, `${waiter.what}: ${meaning(code, to)}`, outcome, { hop }))
    }
    this.parts.dropped(to, code, messages)
  }
}

/**
 * Whether that node was handed this. All frames of a flow are sealed with one key, so what one of them met there the
 * others meet; but those of a flow to `any:` were spread, each to the member that the mediator named.
 */
function mayHave({ outlet, member, counter }: Refusable, name: string, receipt?: Receipt): boolean {
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
      return `this node is in no group of ${to} and reaches none: connect with reaches: ['<group>'], and a token that allows it`
    default:
      return `${to} was not reached (${code}, ${codeNumber(code)})`
  }
}
