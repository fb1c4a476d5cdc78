import type { Code, RequestHead } from '@sealway/protocol'
import type { Log } from '../observe/log.js'
import type { Client, ClientRequest, ClientResponse, Streams, Whole } from './client.js'
import type { Guarded, Refusal } from './guard.js'
import type { HttpOutcomes } from './outcomes.js'
import { refuse } from './refuse.js'
import type { Target } from './target.js'
import type { Uploads } from './uploads.js'

/** What all visits share. */
export interface VisitParts {
  readonly log: Log
  readonly outcomes: HttpOutcomes
  readonly uploads: Uploads
  /** ms, of no known beginning, in fractions. */
  readonly monotonic: () => number
  readonly ended: () => void
}

/** What closes when a visit is over: its response, or a socket that was switched. */
export interface Held {
  on(event: 'close', listener: () => void): unknown
}

/** Methods that may be said twice (RFC 9110 s9.2.2). */
const idempotent: ReadonlySet<string> = new Set(['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'TRACE'])
/** Failures after which another member may do better. */
const worthAnother: ReadonlySet<Code> = new Set<Code>([
  ...(['PEER_GONE', 'BUSY', 'NO_HTTP', 'DRAINING', 'OFFLINE', 'ADDRESS_REFUSED'] as const),
])
const maxAttempts = 3

/** One request of an HTTP client, from its head to the end of its answer. */
export class Visit {
  readonly startedAt: number
  /** When it was handed to the node, by the same clock. */
  handedAt = 0
  /** Who was asked; empty: nobody yet. */
  node = ''
  /** As the node will see it; set when it is known that there is one. */
  head: RequestHead | undefined
  /** Whoever answers it, to be told that the client has gone. */
  current: { abort(code: Code): void } | undefined
  /** An answer below 200 went out. */
  informed = false
  /** One of them was 100: the client sends its body. */
  continued = false
  /** After 101 the response has no say any more. */
  switched = false
  attempts = 0
  /** How to ask another member; undefined: there is none to ask. */
  retry: ((visit: Visit, failure: Refusal) => void) | undefined
  private settled = false

  constructor(
    private client: Client,
    readonly guarded: Guarded,
    readonly target: Target,
    private readonly parts: VisitParts,
  ) {
    this.startedAt = parts.monotonic()
    client.response.on('close', () => this.gone())
    if (client.body === undefined) client.response.on('error', ignore)
  }

  get request(): ClientRequest {
    return this.client.request
  }

  get response(): ClientResponse {
    return this.client.response
  }

  /** Undefined: it comes as a stream. */
  get whole(): Whole | undefined {
    const { client } = this
    return client.body === undefined ? undefined : client
  }

  /** What came whole lies in memory that is another request's after this call. */
  keepBody(): void {
    const { client } = this
    if (client.body !== undefined) this.client = { ...client, body: Buffer.from(client.body) }
  }

  /** @throws Error: it came whole */
  get streams(): Streams {
    const { client } = this
    if (client.body !== undefined) throw new Error('this request came whole: there is no stream of it')
    return client
  }

  get monotonic(): () => number {
    return this.parts.monotonic
  }

  get over(): boolean {
    return this.settled
  }

  /** `Server-Timing` of an answer whose head comes now (https://www.w3.org/TR/server-timing). */
  timing(): string {
    const now = this.parts.monotonic()
    const nodeMs = now - this.handedAt
    return `sealway;dur=${(now - this.startedAt - nodeMs).toFixed(2)}, node;dur=${nodeMs.toFixed(2)}`
  }

  /** The answer was handed to the client, all of it. */
  answered(): void {
    this.settle('ANSWERED')
  }

  /** Nobody answers: says why where nothing was said yet, tries another member, or breaks the answer off. */
  failed(code: Code, detail: string): void {
    if (this.settled) return
    this.current = undefined
    if (this.retry && this.mayRetry(code)) {
      this.retry(this, { code, detail })
      return
    }
    this.refused(code, detail)
  }

  private mayRetry(code: Code): boolean {
    return (
      worthAnother.has(code) &&
      this.attempts < maxAttempts &&
      this.guarded.bodyBytes === 0 &&
      !this.informed &&
      !this.response.headersSent &&
      idempotent.has(this.request.method!)
    )
  }

  refused(code: Code, detail: string): void {
    if (this.settled) return
    this.settle(code, detail)
    const { response } = this
    if (this.switched) return
    if (response.headersSent) response.destroy()
    else refuse(response, code, detail, false)
  }

  /** The client waits for a 100 that will not come: whether its body follows nobody knows. */
  get expectsStill(): boolean {
    return this.guarded.expects && !this.continued && !this.request.complete
  }

  /** The client closed its connection, or lost it. */
  gone(): void {
    if (this.settled) return
    const { current } = this
    this.settle('ABORTED', 'the client has gone')
    current?.abort('ABORTED')
  }

  private settle(outcome: Code | 'ANSWERED', detail?: string): void {
    if (this.settled) return
    this.settled = true
    this.current = undefined
    const { parts, request } = this
    parts.outcomes.add(outcome)
    if (!request.complete) parts.uploads.leave(this.streams.request)
    parts.ended()
    if (outcome !== 'ANSWERED') this.logFailure(outcome, detail ?? '')
  }

  private logFailure(code: Code, detail: string): void {
    const { target, request, node } = this
    const query = target.path.indexOf('?')
    const path = query < 0 ? target.path : target.path.slice(0, query)
    const fields = {
      method: request.method,
      mode: target.mode,
      group: target.group,
      node,
      // Without its query, which may hold what is nobody's business.
      path: path.slice(0, 200),
      code,
      detail,
      ms: Math.round(this.parts.monotonic() - this.startedAt),
    }
    if (failsOfNodes.has(code)) this.parts.log.warn(fields, 'http request failed')
    else this.parts.log.debug(fields, 'http request refused')
  }
}

/** A write that came too late for a client that has gone. Its 'close' says the same. */
const ignore = (): void => {}

/** What an operator should see: a node did not do what it should. */
const failsOfNodes: ReadonlySet<Code> = new Set<Code>([
  ...(['PEER_GONE', 'BAD_ANSWER', 'TIMEOUT', 'BUSY', 'NO_HTTP', 'OFFLINE', 'INTERNAL', 'ADDRESS_REFUSED'] as const),
])
