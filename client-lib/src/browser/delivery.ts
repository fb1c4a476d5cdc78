import { Kind, type SealwayError } from '@sealway/protocol'
import { type FlowOutcomes, Outcome } from '../messaging/outcomes.js'
import { Encoding, eventFlag } from '../messaging/payload.js'
import { LinkContext, type Serials } from '../messaging/sender.js'
import { isBaggage, isTraceparent } from '../messaging/trace.js'
import { decodeBody, type ReadMessage } from './message.js'

/** What a handler receives. */
export interface PageCommand<Body = unknown> {
  readonly action: string
  /** Bytes arrive as a Uint8Array that shares memory with its bundle; copy what is kept for long. */
  readonly body: Body
  /** Size of the body as sent, bytes. */
  readonly bodyBytes: number
  /**
   * Correlation: its sender, and the number that the question has there too. What is not answered has none; it gets one
   * here, with a minus.
   */
  readonly key: string
  /** What the sender put beside the body. */
  readonly meta: { readonly [name: string]: unknown }
}

/** What a handler can ask and do beyond its command. */
export interface PageContext {
  /** Verified by the seal: the name of the node that sent it. */
  readonly from: string
  /** As it was addressed: this node's name, `any:<group>` or `group:<group>`. */
  readonly to: string
  readonly key: string
  /** When it was sealed, by the sender's clock; ms since 1970. */
  readonly sentAt: number
  /** When it was opened, by this page's clock; ms since 1970. */
  readonly receivedAt: number
  /** When the caller stops waiting, ms since 1970; undefined where nobody waits. */
  readonly deadline: number | undefined
  /** How long the caller still waits, ms, at least 0; undefined where nobody waits. */
  readonly remaining: number | undefined
  /** W3C Trace Context and W3C Baggage of the caller. */
  readonly traceparent: string | undefined
  readonly baggage: string | undefined
  /** Kept for this sender as long as its link lives. */
  readonly link: LinkContext
  /** Fires when the caller gave up, its deadline passed, or it disconnected. */
  readonly signal: AbortSignal
  /** `throw ctx.fail(code, data)`: an expected error, which the caller gets as such. */
  fail(code: string, data?: unknown): PageExpectedError
}

/** Returns the answer, or a promise of it. Throws `context.fail(...)` for an expected error, anything else for a crash. */
export type PageHandler<Body = unknown> = (command: PageCommand<Body>, context: PageContext) => unknown

/** Thrown by a handler to answer with an error that the caller is meant to handle. */
export class PageExpectedError extends Error {
  override readonly name = 'ExpectedError'
  constructor(
    readonly code: string,
    readonly data: unknown,
  ) {
    super(`expected error ${code}`)
  }
}

/** One node whose messages arrive here, from the first route that is announced to the last that is retired. */
export class Sender {
  /** Delivery routes that come from it. */
  routes = 0
  readonly link: LinkContext

  constructor(readonly name: string) {
    this.link = new LinkContext(name)
  }
}

/** What is kept of each flow that arrives. */
export interface FlowOrder {
  /** Counter of the next frame. */
  expected: number
  outcomes: FlowOutcomes | undefined
}

/** One frame that arrived: what all its messages have in common. */
export interface Arrival {
  readonly from: string
  readonly to: string
  readonly scope: string
  readonly sender: Sender
  readonly sentAt: number
  readonly receivedAt: number
  readonly serials: Serials
  readonly clock: () => number
}

/** One message on its way to a handler: command and context in one object, decoded when asked. */
export class Delivery implements PageCommand, PageContext {
  /** Where its answer is kept, if it may come again. */
  outcome: Outcome | undefined
  /** Sender and the user's id, if it has one. */
  messageId: string | undefined
  /** Of the deadline, while the handler runs. */
  timer: unknown
  readonly from: string
  readonly to: string
  readonly scope: string
  readonly sentAt: number
  readonly receivedAt: number
  readonly action: string
  readonly bodyBytes: number
  private value: { readonly decoded: unknown } | undefined
  private serial: number | undefined
  private readonly controller = new AbortController()

  constructor(
    private readonly arrival: Arrival,
    readonly kind: Kind,
    /** undefined: nobody waits for an answer. */
    readonly corr: number | undefined,
    readonly deadline: number | undefined,
    private readonly message: ReadMessage,
  ) {
    const { from, to, scope, sentAt, receivedAt } = arrival
    this.from = from
    this.to = to
    this.scope = scope
    this.sentAt = sentAt
    this.receivedAt = receivedAt
    this.action = message.action
    this.bodyBytes = message.body.length
  }

  /** The encoding of its body, and flags. */
  get flags(): number {
    return this.message.encoding
  }

  /** The name of an event, not of an action: pages do not subscribe. */
  get isEvent(): boolean {
    return (this.flags & eventFlag) !== 0
  }

  get key(): string {
    if (this.corr !== undefined) return `${this.from}/${this.corr}`
    this.serial ??= this.arrival.serials.next()
    return `${this.from}/-${this.serial}`
  }

  get body(): unknown {
    this.value ??= { decoded: decodeBody(this.flags, this.message.body) }
    return this.value.decoded
  }

  get meta(): { readonly [name: string]: unknown } {
    const meta = this.message.meta && decodeBody(Encoding.json, this.message.meta)
    return typeof meta === 'object' && meta !== null ? (meta as { [name: string]: unknown }) : {}
  }

  get remaining(): number | undefined {
    return this.deadline === undefined ? undefined : Math.max(0, this.deadline - this.arrival.clock())
  }

  get traceparent(): string | undefined {
    const { traceparent } = this.meta
    return isTraceparent(traceparent) ? traceparent : undefined
  }

  get baggage(): string | undefined {
    const { baggage } = this.meta
    return isBaggage(baggage) ? baggage : undefined
  }

  get link(): LinkContext {
    return this.arrival.sender.link
  }

  get signal(): AbortSignal {
    return this.controller.signal
  }

  abort(reason: SealwayError): void {
    this.controller.abort(reason)
  }

  fail(code: string, data?: unknown): PageExpectedError {
    return new PageExpectedError(code, data)
  }

  /** It may come again: its answer is kept. */
  keepOutcome(): Outcome {
    this.outcome = new Outcome(this.from, this.scope, this.corr!)
    return this.outcome
  }

  get isAcked(): boolean {
    return this.kind === Kind.acked
  }
}
