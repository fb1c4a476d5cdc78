import { Kind, SealwayError, type TransportName } from '@sealway/protocol'
import { RecordCursor } from '../crypto/bundle.js'
import type { OpeningFlow } from '../crypto/flow-table.js'
import { InboundRoute, type Opener, type OpenResult } from '../crypto/open.js'
import { decodeReceipt, type Receipt, ReceiptStatus } from '../crypto/receipt.js'
import { type Delivery, deliveryOf } from './delivery.js'
import { type Grant, grantOf } from './grants.js'
import { FlowOutcomes, Outcome } from './outcomes.js'
import { type ActionNames, type Codec, decodeBody, earlyOrKeptFlag } from './payload.js'
import { type Arrival, type AskGroups, Sender, Serials } from './sender.js'

/** What hangs on a flow that this node receives: where it is in its order. */
export interface FlowOrder {
  /** The counter that comes next. */
  expected: number
  /** Answers to what may come again. */
  outcomes?: FlowOutcomes
  /** Of messages that nobody waits for. */
  grant?: Grant
}

export interface InboxParts {
  readonly opener: Opener<FlowOrder>
  readonly actions: ActionNames
  readonly codec: Codec | undefined
  readonly clock: () => number
  readonly askGroups: AskGroups
  readonly dispatch: (delivery: Delivery) => void
  /** A frame came again: what was answered then is answered again. */
  readonly again: (outcome: Outcome) => void
  /** A caller withdrew its call. */
  readonly withdrawn: (from: string, corr: number) => void
  readonly answered: (from: string, corr: number, status: number, body: () => unknown) => void
  readonly receipt: (from: string, scope: string, receipt: Receipt) => void
  /** The sender of a flow waits for credit. */
  readonly creditAsked: (grant: Grant, counter: number) => void
  /** A frame with messages that nobody waits for has been dispatched. @param gap frames before it did not arrive */
  readonly arrived: (grant: Grant, counter: number, messages: number, bytes: number, gap: boolean) => void
  /** A record of a stream: its number, what its sender waits, and its payload. */
  readonly stream: (
    arrival: Arrival,
    number: number,
    ttlMs: number,
    late: boolean,
    bytes: Buffer,
    start: number,
    end: number,
  ) => void
  /** A frame was refused; the sender is told where that is possible. */
  readonly refused: (
    route: InboundRoute<FlowOrder>,
    result: OpenResult & { type: 'refused' },
    sealed: Uint8Array,
  ) => void
  /** Frames of a sender did not arrive: how many. */
  readonly gap: (from: string, to: string, missing: number, scope: string) => void
  /** Counted, not delivered. */
  readonly dropped: (from: string, why: 'duplicate' | 'late' | 'expired' | 'malformed') => void
}

const grantIn = (flow: OpeningFlow<FlowOrder>): Grant => {
  const order = flow.attached!
  order.grant ??= grantOf(flow)
  return order.grant
}

/** A delivery route, and whose it is. */
class Route extends InboundRoute<FlowOrder> {
  constructor(
    readonly sender: Sender,
    to: string,
    scope: string,
  ) {
    super(sender.name, to, scope)
  }
}

/** Opens what arrives, keeps its order, and hands on each message. */
export class Inbox {
  private readonly parts: InboxParts
  private readonly routes = new Map<number, Route>()
  private readonly senders = new Map<string, Sender>()
  private transport: TransportName | undefined
  private readonly cursor = new RecordCursor()
  private readonly serials = new Serials()
  /** Messages of the present frame that nobody waits for. */
  private unanswered = 0
  private unansweredBytes = 0

  constructor(parts: InboxParts) {
    this.parts = parts
  }

  announce(number: number, from: string, to: string, scope: string): void {
    this.retire(number)
    const sender = this.senders.get(from) ?? new Sender(from, this.parts.askGroups)
    sender.routes++
    this.senders.set(from, sender)
    this.routes.set(number, new Route(sender, to, scope))
  }

  /** @returns who is gone, where this was the last of its routes */
  retire(number: number): string | undefined {
    const route = this.routes.get(number)
    if (!route) return undefined
    this.routes.delete(number)
    const { sender } = route
    if (--sender.routes > 0) return undefined
    this.senders.delete(sender.name)
    sender.end()
    return sender.name
  }

  linked(transport: TransportName): void {
    this.transport = transport
  }

  /** Routes are the link's; on the next one everything is announced again. */
  unlinked(): void {
    this.routes.clear()
    for (const sender of this.senders.values()) sender.end()
    this.senders.clear()
  }

  /** @throws SealwayError `UNKNOWN_ROUTE`: the mediator broke the protocol */
  receive(number: number, sealed: Uint8Array): void {
    const route = this.routes.get(number)
    if (!route) {
      throw new SealwayError('UNKNOWN_ROUTE', {
        message: `a frame arrived on route ${number}, which was not announced`,
      })
    }
    const result = this.parts.opener.open(sealed, route)
    switch (result.type) {
      case 'refused':
        this.parts.refused(route, result, sealed)
        return
      case 'duplicate':
        this.parts.dropped(route.from, 'duplicate')
        for (const outcome of result.flow.attached?.outcomes?.of(result.counter) ?? []) this.parts.again(outcome)
        return
      case 'opened':
        this.opened(route, result)
    }
  }

  private opened(route: Route, result: OpenResult<FlowOrder> & { type: 'opened' }): void {
    const { plaintext, kind, flow, counter } = result
    // Whatever it is, it has its place in the order: a receipt takes a counter of the flow that the bundles are in.
    const gap = counter > (flow.attached?.expected ?? 0)
    const late = this.isLate(route, flow, counter)
    if (kind === Kind.receipt) {
      const receipt = decodeReceipt(plaintext)
      if (receipt) this.parts.receipt(route.from, route.scope, receipt)
      return
    }
    if (kind !== Kind.bundle) {
      this.parts.dropped(route.from, 'malformed')
      return
    }
    const { cursor } = this
    if (cursor.open(plaintext) < 0) {
      this.parts.dropped(route.from, 'malformed')
      return
    }
    const { clock } = this.parts
    const { from, to, scope, sender } = route
    const { transport, serials } = this
    const receivedAt = clock()
    const sentAt = result.ts
    const arrival: Arrival = { from, to, scope, flow: flow.id, sentAt, receivedAt, transport, sender, serials, clock }
    this.unanswered = 0
    this.unansweredBytes = 0
    while (cursor.next()) this.record(route, arrival, flow, counter, cursor, late)
    if (this.unanswered > 0) this.parts.arrived(grantIn(flow), counter, this.unanswered, this.unansweredBytes, gap)
  }

  private creditAsked(flow: OpeningFlow<FlowOrder>, counter: number): void {
    this.parts.creditAsked(grantIn(flow), counter)
  }

  /**
   * First in, first out: a frame behind one that was delivered already is late.
   * A flow to one member of a group is spread over all of them, so its gaps mean nothing here.
   */
  private isLate(route: InboundRoute<FlowOrder>, flow: OpeningFlow<FlowOrder>, counter: number): boolean {
    const order = flow.attached
    if (!order) {
      // To this node, a flow begins at 0; a member of a group may have come later than the flow.
      const direct = !route.to.includes(':')
      if (direct && counter > 0) this.parts.gap(route.from, route.to, counter, route.scope)
      flow.attached = { expected: counter + 1 }
      return false
    }
    if (route.to.startsWith('any:')) return false
    if (counter < order.expected) return true
    if (counter > order.expected) this.parts.gap(route.from, route.to, counter - order.expected, route.scope)
    order.expected = counter + 1
    return false
  }

  private record(
    route: Route,
    arrival: Arrival,
    flow: OpeningFlow<FlowOrder>,
    counter: number,
    cursor: RecordCursor,
    late: boolean,
  ): void {
    const { parts } = this
    const { kind, corr, bytes, payloadStart, payloadEnd } = cursor
    switch (kind) {
      case Kind.reply: {
        if (corr < 0 || payloadEnd - payloadStart < 2) return parts.dropped(route.from, 'malformed')
        const encoding = bytes[payloadStart + 1]!
        const { codec } = parts
        const body = () => decodeBody(encoding, bytes, payloadStart + 2, payloadEnd, codec)
        parts.answered(route.from, corr, bytes[payloadStart]!, body)
        return
      }
      case Kind.receipt: {
        const receipt = decodeReceipt(bytes.subarray(payloadStart, payloadEnd))
        if (receipt?.status === ReceiptStatus.creditAsked) this.creditAsked(flow, counter)
        else if (receipt) parts.receipt(route.from, route.scope, receipt)
        return
      }
      case Kind.call:
        if (payloadStart === payloadEnd) return parts.withdrawn(route.from, corr)
        break
      case Kind.fire:
      case Kind.broadcast:
        if (corr < 0) {
          this.unanswered++
          this.unansweredBytes += payloadEnd - payloadStart
        }
        // What nobody will ask for again must not overtake what came after it.
        if (payloadStart === payloadEnd) return parts.withdrawn(route.from, corr)
        if (late) return parts.dropped(route.from, 'late')
        break
      case Kind.acked:
        break
      case Kind.stream:
        return parts.stream(arrival, corr, cursor.ttlMs, late, bytes, payloadStart, payloadEnd)
      default:
        return parts.dropped(route.from, 'malformed')
    }
    const deadline = cursor.ttlMs < 0 ? undefined : arrival.receivedAt + cursor.ttlMs
    const { actions, codec } = parts
    const delivery = deliveryOf(arrival, kind, corr, deadline, bytes, payloadStart, payloadEnd, actions, codec)
    if (!delivery) return parts.dropped(route.from, 'malformed')
    if (kind === Kind.acked || (kind === Kind.call && (delivery.flags & earlyOrKeptFlag) !== 0)) {
      delivery.outcome = new Outcome(route.from, route.scope, corr)
      const order = flow.attached!
      order.outcomes ??= new FlowOutcomes()
      order.outcomes.add(counter, delivery.outcome)
      if (cursor.msgIdAt >= 0) {
        const id = bytes.toString('latin1', cursor.msgIdAt, cursor.msgIdAt + 16)
        delivery.messageId = `${route.from} ${id}`
      }
    }
    parts.dispatch(delivery)
  }
}
