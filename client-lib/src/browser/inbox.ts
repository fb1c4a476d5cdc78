import { type Code, Kind, SealwayError } from '@sealway/protocol'
import { decodeReceipt, type Receipt } from '../crypto/receipt.js'
import { FlowOutcomes, type Outcome } from '../messaging/outcomes.js'
import { earlyOrKeptFlag } from '../messaging/payload.js'
import { Serials } from '../messaging/sender.js'
import { type Bytes, latin1 } from './bytes.js'
import { type Arrival, Delivery, type FlowOrder, Sender } from './delivery.js'
import { decodeBody, readMessage } from './message.js'
import type { InboundRoute, Opened, Opener, OpenResult, Refusal } from './open.js'
import { type RecordFields, readRecords } from './record.js'

export interface InboxParts {
  readonly opener: Opener<FlowOrder>
  readonly clock: () => number
  readonly dispatch: (delivery: Delivery) => void
  /** A frame came again whose messages were answered. */
  readonly again: (outcome: Outcome) => void
  /** A caller gave up. */
  readonly withdrawn: (from: string, corr: number) => void
  readonly answered: (from: string, corr: number, status: number, body: () => unknown) => void
  readonly receipt: (from: string, receipt: Receipt) => void
  readonly stream: (arrival: Arrival, corr: number, payload: Bytes) => void
  /** It does not open. */
  readonly refused: (route: InboundRoute, refusal: Refusal, sealed: Bytes) => void
  /** Frames of a sender were lost on the way. */
  readonly gap: (from: string, to: string, missing: number) => void
  /** Counted, not delivered. */
  readonly unhandled: (from: string, code: Code | 'DUPLICATE' | 'LATE') => void
  /** A sender is gone. */
  readonly left: (name: string) => void
}

interface Route extends InboundRoute {
  readonly sender: Sender
}

const nothing = (): void => {}

/** Opens what arrives, keeps its order, and hands on each message. */
export class Inbox {
  private readonly routes = new Map<number, Route>()
  private readonly senders = new Map<string, Sender>()
  private readonly serials = new Serials()

  constructor(private readonly parts: InboxParts) {}

  announce(number: number, from: string, to: string, scope: string): void {
    this.retire(number)
    const sender = this.senders.get(from) ?? new Sender(from)
    sender.routes++
    this.senders.set(from, sender)
    this.routes.set(number, { from, to, scope, sender })
  }

  /** @returns what follows, once all that came before it was handed on */
  retire(number: number): () => void {
    const route = this.routes.get(number)
    if (!route) return nothing
    this.routes.delete(number)
    const { sender } = route
    if (--sender.routes > 0) return nothing
    this.senders.delete(sender.name)
    return () => {
      sender.link.end()
      this.parts.left(sender.name)
    }
  }

  /** Routes are the link's; on the next one everything is announced again. */
  unlinked(): void {
    this.routes.clear()
    for (const sender of this.senders.values()) sender.link.end()
    this.senders.clear()
  }

  /**
   * Begins to open a frame.
   * @returns what to do with it when its turn has come
   * @throws SealwayError `UNKNOWN_ROUTE`: the mediator broke the protocol
   */
  deliver(number: number, sealed: Bytes): Promise<() => void> {
    const route = this.routes.get(number)
    if (!route) {
      throw new SealwayError('UNKNOWN_ROUTE', {
        message: `a frame arrived on route ${number}, which was not announced`,
      })
    }
    return this.parts.opener.open(sealed, route).then((result) => () => this.handle(route, result, sealed))
  }

  private handle(route: Route, result: OpenResult<FlowOrder>, sealed: Bytes): void {
    switch (result.type) {
      case 'refused':
        this.parts.refused(route, result, sealed)
        return
      case 'duplicate':
        this.parts.unhandled(route.from, 'DUPLICATE')
        for (const outcome of result.flow.attached?.outcomes?.of(result.counter) ?? []) this.parts.again(outcome)
        return
      case 'opened':
        this.opened(route, result)
    }
  }

  private opened(route: Route, { plaintext, kind, flow, counter, ts }: Opened<FlowOrder>): void {
    const { parts } = this
    if (kind === Kind.receipt) {
      const receipt = decodeReceipt(plaintext)
      if (receipt) parts.receipt(route.from, receipt)
      return
    }
    const records = kind === Kind.bundle ? readRecords(plaintext) : undefined
    if (!records) return parts.unhandled(route.from, 'MALFORMED')
    const order = flow.attached
    const late = order !== undefined && !route.to.startsWith('any:') && counter < order.expected
    flow.attached ??= { expected: 0, outcomes: undefined }
    this.track(route, flow.attached, counter, order === undefined)
    const { from, to, scope, sender } = route
    const arrival = {
      from,
      to,
      scope,
      sender,
      sentAt: ts,
      receivedAt: parts.clock(),
      serials: this.serials,
      clock: parts.clock,
    }
    for (const record of records) this.record(arrival, flow.attached, counter, record, late)
  }

  /**
   * To this node a flow begins at 0; a member of a group may have come later than the flow. A flow to one member of a
   * group is spread over all of them, so its gaps mean nothing here.
   */
  private track(route: Route, order: FlowOrder, counter: number, first: boolean): void {
    const direct = !route.to.includes(':')
    const missing = first ? (direct ? counter : 0) : route.to.startsWith('any:') ? 0 : counter - order.expected
    if (missing > 0) this.parts.gap(route.from, route.to, missing)
    order.expected = Math.max(order.expected, counter + 1)
  }

  private record(arrival: Arrival, order: FlowOrder, counter: number, record: RecordFields, late: boolean): void {
    const { parts } = this
    const { kind, corr, ttlMs, payload, msgId } = record
    const { from } = arrival
    switch (kind) {
      case Kind.reply:
        if (corr === undefined || payload.length < 2) return parts.unhandled(from, 'MALFORMED')
        parts.answered(from, corr, payload[0]!, () => decodeBody(payload[1]!, payload.subarray(2)))
        return
      case Kind.receipt: {
        const receipt = decodeReceipt(payload)
        if (receipt) parts.receipt(from, receipt)
        return
      }
      case Kind.call:
      case Kind.fire:
      case Kind.broadcast:
        if (payload.length === 0) return corr === undefined ? undefined : parts.withdrawn(from, corr)
        // What nobody will ask for again must not overtake what came after it.
        if (late && kind !== Kind.call) return parts.unhandled(from, 'LATE')
        break
      case Kind.acked:
        break
      case Kind.stream:
        if (corr === undefined || payload.length === 0) return parts.unhandled(from, 'MALFORMED')
        parts.stream(arrival, corr, payload)
        return
      default:
        return parts.unhandled(from, 'MALFORMED')
    }
    const message = readMessage(payload)
    if (!message) return parts.unhandled(from, 'MALFORMED')
    const deadline = ttlMs === undefined ? undefined : arrival.receivedAt + ttlMs
    const delivery = new Delivery(arrival, kind, corr, deadline, message)
    const comesAgain = kind === Kind.acked || (kind === Kind.call && (delivery.flags & earlyOrKeptFlag) !== 0)
    if (comesAgain && corr !== undefined) {
      order.outcomes ??= new FlowOutcomes()
      order.outcomes.add(counter, delivery.keepOutcome())
      if (msgId) delivery.messageId = `${from} ${latin1(msgId)}`
    }
    parts.dispatch(delivery)
  }
}
