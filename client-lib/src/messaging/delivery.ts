import type { SealwayError, TransportName } from '@sealway/protocol'
import type { Outcome } from './outcomes.js'
import { type ActionNames, type Codec, decodeBody, Encoding, eventEntry, eventFlag, metaFlag } from './payload.js'
import type { Arrival, LinkContext } from './sender.js'
import { type Items, noItems } from './streams/items.js'
import type { Stream } from './streams/stream.js'
import { isBaggage, isTraceparent } from './trace.js'

/** What a handler receives. */
export interface Command<Body = unknown> {
  readonly action: string
  /** Bytes arrive as a Buffer that shares memory with its bundle; copy what is kept for long. */
  readonly body: Body
  /** Size of the body as sent, bytes. */
  readonly bodyBytes: number
  /**
   * Correlation: its sender, and the number that the question has there too. What is not answered has none; it gets one
   * here, with a minus. No two messages that a process receives have the same key.
   */
  readonly key: string
  /** What the sender put beside the body. */
  readonly meta: { readonly [name: string]: unknown }
}

/** What a handler can ask and do beyond its command. */
export interface Context {
  /** Verified by the seal: the name of the node that sent it. */
  readonly from: string
  /** As it was addressed: this node's name, `any:<group>` or `group:<group>`. */
  readonly to: string
  /** The group it was addressed to; none where it was addressed to this node. */
  readonly groups: readonly string[]
  /**
   * The groups that the sender is in, as it says itself, sealed. It is asked with the first use, and not again while its
   * link lives.
   * @throws SealwayError `PEER_GONE` where it has left; else as a call
   */
  senderGroups(): Promise<readonly string[]>
  readonly key: string
  /** When it was sealed, by the sender's clock; ms since 1970. */
  readonly sentAt: number
  /** When it was opened, by this node's clock; ms since 1970. */
  readonly receivedAt: number
  /** What carries this node's link. */
  readonly transport: TransportName | undefined
  /** When the caller stops waiting, ms since 1970; undefined where nobody waits. */
  readonly deadline: number | undefined
  /** How long the caller still waits, ms, at least 0; undefined where nobody waits. */
  readonly remaining: number | undefined
  /** The caller's span, as W3C Trace Context says. */
  readonly traceparent: string | undefined
  /** W3C Baggage. */
  readonly baggage: string | undefined
  /** Kept for this sender as long as its link lives: a session, the user who logged in. */
  readonly link: LinkContext
  /** Fires when the caller gave up, its deadline passed, or it disconnected. */
  readonly signal: AbortSignal
  /** What the caller sends on a stream, pulled by whoever reads it; empty where it is no stream. */
  readonly input: Items
  /** `throw ctx.fail(code, data)`: an expected error, which the caller gets as such. */
  fail(code: string, data?: unknown): ExpectedError
}

/** The same in each copy of this package that a process has loaded: as CommonJS and as an ES module it is two. */
const expectedBrand = Symbol.for('sealway.ExpectedError')

/** Thrown by a handler to answer with an error that the caller is meant to handle. */
export class ExpectedError extends Error {
  override readonly name = 'ExpectedError'

  static {
    Object.defineProperty(ExpectedError.prototype, expectedBrand, { value: true })
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    // A class derived from it has the usual rule.
    if (this !== ExpectedError) return super[Symbol.hasInstance](value)
    return typeof value === 'object' && value !== null && expectedBrand in value
  }

  constructor(
    readonly code: string,
    readonly data: unknown,
  ) {
    super(`expected error ${code}`)
  }
}

/** Looks at whatever was thrown, which may throw at a look. */
export function isExpectedError(thrown: unknown): thrown is ExpectedError {
  try {
    return thrown instanceof ExpectedError
  } catch {
    return false
  }
}

/** What became of a stream that a handler answered with. */
export type StreamEnd =
  | { readonly type: 'complete' }
  /** Its reader stopped, or the way broke. */
  | { readonly type: 'broken'; readonly error: SealwayError }
  /** The handler's stream threw. */
  | { readonly type: 'threw'; readonly error: unknown }

/** One message on its way to a handler: command and context in one object, decoded when asked. */
export class Delivery implements Command, Context {
  private decoded: unknown
  private isDecoded = false
  private decodedMeta: typeof noMeta | undefined
  private controller: AbortController | undefined
  private abortReason: SealwayError | undefined
  /** What its handler asks of others. */
  private followers: Set<(reason: SealwayError) => void> | undefined
  /** Where its answer is kept, if it may come again. */
  outcome: Outcome | undefined
  /** Sender and the user's id, if it has one. */
  messageId: string | undefined
  /** Of the deadline, while the handler runs. */
  timer: unknown
  /** Its handler, while it runs: told when nobody waits for the answer any more. */
  run: { aborted(): void } | undefined
  /** The stream that it opened. */
  stream: Stream | undefined
  /** Its sender has its answer, or will get none. */
  answered = false
  /** Told once when the stream ends that the handler answered with: after its end, or with what broke it. */
  onStreamEnd: ((end: StreamEnd) => void) | undefined
  private items: Items | undefined
  private serial: number | undefined

  constructor(
    readonly action: string,
    /** The frame it came in, which its neighbours share. */
    private readonly arrival: Arrival,
    readonly kind: number,
    /** -1: nobody waits for an answer. */
    readonly corr: number,
    public deadline: number | undefined,
    private readonly encoding: number,
    private readonly bytes: Buffer,
    private readonly metaStart: number,
    private readonly bodyStart: number,
    private readonly bodyEnd: number,
    private readonly codec: Codec | undefined,
  ) {}

  get from(): string {
    return this.arrival.from
  }

  /** A message sealed for a node with a group's keys was for any member of the group: its sender chose this one. */
  get to(): string {
    const { to, scope } = this.arrival
    return scope === 'default' || to.includes(':') ? to : `any:${scope}`
  }

  get scope(): string {
    return this.arrival.scope
  }

  /** The 8 bytes that name the flow it came in. */
  get flow(): Uint8Array {
    return this.arrival.flow
  }

  get groups(): readonly string[] {
    const { to } = this
    const colon = to.indexOf(':')
    return colon < 0 ? [] : [to.slice(colon + 1)]
  }

  get sentAt(): number {
    return this.arrival.sentAt
  }

  get receivedAt(): number {
    return this.arrival.receivedAt
  }

  get transport(): TransportName | undefined {
    return this.arrival.transport
  }

  get remaining(): number | undefined {
    return this.deadline === undefined ? undefined : Math.max(0, this.deadline - this.arrival.clock())
  }

  get link(): LinkContext {
    return this.arrival.sender.link
  }

  senderGroups(): Promise<readonly string[]> {
    return this.arrival.sender.groups(this.arrival.scope)
  }

  get key(): string {
    if (this.corr >= 0) return `${this.from}/${this.corr}`
    this.serial ??= this.arrival.serials.next()
    return `${this.from}/-${this.serial}`
  }

  get flags(): number {
    return this.encoding
  }

  /** Under what the handler table knows it. */
  get entry(): string {
    return (this.encoding & eventFlag) === 0 ? this.action : eventEntry
  }

  get bodyBytes(): number {
    return this.bodyEnd - this.bodyStart
  }

  /** Size of meta and body as sent, bytes: what it takes while it waits. */
  get queuedBytes(): number {
    return this.bodyEnd - this.metaStart
  }

  get body(): unknown {
    if (!this.isDecoded) {
      this.decoded = decodeBody(this.encoding, this.bytes, this.bodyStart, this.bodyEnd, this.codec)
      this.isDecoded = true
    }
    return this.decoded
  }

  get meta(): { readonly [name: string]: unknown } {
    if ((this.encoding & metaFlag) === 0) return noMeta
    if (!this.decodedMeta) {
      const meta = decodeBody(Encoding.json, this.bytes, this.metaStart, this.bodyStart)
      this.decodedMeta = typeof meta === 'object' && meta !== null ? (meta as typeof noMeta) : noMeta
    }
    return this.decodedMeta
  }

  get traceparent(): string | undefined {
    const { traceparent } = this.meta
    return isTraceparent(traceparent) ? traceparent : undefined
  }

  get baggage(): string | undefined {
    const { baggage } = this.meta
    return isBaggage(baggage) ? baggage : undefined
  }

  get input(): Items {
    this.items ??= noItems()
    return this.items
  }

  /** It opened a stream, and sends these. */
  takes(stream: Stream, items: Items): void {
    this.stream = stream
    this.items = items
  }

  /** The stream that it answered with is over. */
  streamEnded(end: StreamEnd): void {
    const told = this.onStreamEnd
    this.answered = true
    this.onStreamEnd = undefined
    told?.(end)
  }

  get signal(): AbortSignal {
    this.controller ??= new AbortController()
    if (this.abortReason) this.controller.abort(this.abortReason)
    return this.controller.signal
  }

  /** Why nobody waits for it any more. */
  get aborted(): SealwayError | undefined {
    return this.abortReason
  }

  /**
   * What its handler asks of others follows its sender who gave up. A deadline they have inherited, so each ends by its
   * own; and a message that is kept comes again when its sender is back, so it goes on where that one has left.
   */
  get cancelled(): SealwayError | undefined {
    const reason = this.abortReason
    if (reason === undefined || reason.code === 'TIMEOUT' || this.remaining === 0) return undefined
    return this.outcome && reason.code === 'PEER_GONE' ? undefined : reason
  }

  onCancel(run: (reason: SealwayError) => void): () => void {
    this.followers ??= new Set()
    const { followers } = this
    followers.add(run)
    return () => followers.delete(run)
  }

  /** Something came beside the body. */
  get hasMeta(): boolean {
    return (this.encoding & metaFlag) !== 0
  }

  abort(reason: SealwayError): void {
    if (this.abortReason) return
    this.abortReason = reason
    this.controller?.abort(reason)
    this.run?.aborted()
    if (!this.cancelled || !this.followers) return
    for (const follower of [...this.followers]) if (this.followers.delete(follower)) follower(reason)
  }

  fail(code: string, data?: unknown): ExpectedError {
    return new ExpectedError(code, data)
  }
}

const noMeta: { readonly [name: string]: unknown } = Object.freeze({})

/** The message in `bytes[start..end]`; undefined where it is malformed. */
export function deliveryOf(
  arrival: Arrival,
  kind: number,
  corr: number,
  deadline: number | undefined,
  bytes: Buffer,
  start: number,
  end: number,
  actions: ActionNames,
  codec: Codec | undefined,
): Delivery | undefined {
  const payload = readPayload(bytes, start, end)
  if (!payload) return undefined
  const { encoding, actionStart, actionEnd, metaStart, bodyStart } = payload
  const action = actions.decode(bytes, actionStart, actionEnd)
  return new Delivery(action, arrival, kind, corr, deadline, encoding, bytes, metaStart, bodyStart, end, codec)
}

/** Reads a message out of its record. @returns undefined where the payload is malformed */
export function readPayload(
  bytes: Buffer,
  start: number,
  end: number,
): { encoding: number; actionStart: number; actionEnd: number; metaStart: number; bodyStart: number } | undefined {
  if (end - start < 2) return undefined
  const encoding = bytes[start]!
  const actionStart = start + 2
  const actionEnd = actionStart + bytes[start + 1]!
  if (actionEnd > end || actionEnd === actionStart) return undefined
  if ((encoding & metaFlag) === 0)
    return { encoding, actionStart, actionEnd, metaStart: actionEnd, bodyStart: actionEnd }
  if (actionEnd + 2 > end) return undefined
  const metaStart = actionEnd + 2
  const bodyStart = metaStart + bytes.readUInt16BE(actionEnd)
  return bodyStart > end ? undefined : { encoding, actionStart, actionEnd, metaStart, bodyStart }
}
