import {
  type Code,
  type Connection,
  codeFromNumber,
  decodeAccepted,
  decodeAnnounce,
  decodeCredit,
  decodeJson,
  decodeReject,
  decodeStatus,
  encodeFrame,
  encodeJson,
  encodeOpen,
  type Farewell,
  FrameReader,
  FrameType,
  type Hello,
  headerBytes,
  isCode,
  limits,
  type PeerChange,
  type Query,
  readU32,
  SealwayError,
  type Welcome,
} from '@sealway/protocol'
import { type Bytes, utf8 } from './bytes.js'
import { InOrder } from './in-order.js'

/** What arrives on a live link, in its order. */
export interface LinkEvents {
  /** At once: what is opened next may be of this route. */
  announce(route: number, from: string, to: string, scope: string): void
  /** At once. @returns what follows from it, in its turn */
  retire(route: number): () => void
  /** At once begins to open. @returns what to do with it in its turn. @throws SealwayError `UNKNOWN_ROUTE` */
  deliver(route: number, sealed: Bytes): Promise<() => void>
  credit(route: number, bytes: number, frames: number): void
  reject(route: number, code: Code, frameId: Bytes): void
  accepted(route: number, frameId: Bytes, names: readonly string[]): void
  status(route: number, online: boolean, incarnation: number): void
  peers(change: PeerChange): void
  goaway(farewell: Farewell): void
  /** What was written is on its way; more may follow. */
  writable(): void
  /** Once, after which nothing follows. */
  closed(error: SealwayError): void
}

/** How many questions may wait for their answers at once. */
const maxQueries = 1_024
/** A browser cannot stop reading its socket: a page that is so far behind gives its link up. */
const maxWaitingBytes = 64 * 1024 * 1024

/** One connection to the mediator, from its hello to its end. */
export class Link {
  welcome!: Welcome
  private readonly reader = new FrameReader(limits.hardMaxFrameBytes)
  private readonly order = new InOrder((error) => this.fail(error))
  private readonly queries = new Map<number, { resolve(value: unknown): void; reject(error: unknown): void }>()
  private events!: LinkEvents
  private lastQuery = 0
  private onWelcome: ((error?: SealwayError) => void) | undefined
  private farewell: Farewell | undefined
  /** What the mediator sent that cannot be read. */
  private broken: SealwayError | undefined
  private heardAt: number
  private pingedAt = 0
  private ended = false
  private full = false

  constructor(
    private readonly connection: Connection,
    private readonly clock: () => number,
  ) {
    this.heardAt = clock()
  }

  get transport() {
    return this.connection.transport
  }

  /** False while what was written still waits in this page, and after the end. */
  get writableNow(): boolean {
    return !this.full && !this.ended
  }

  /** Says hello and waits for the welcome. @throws SealwayError with the mediator's code, or `NOT_CONNECTED` */
  async begin(hello: Hello, events: LinkEvents, signal: AbortSignal): Promise<Welcome> {
    this.events = events
    this.connection.start({
      data: (chunk) => this.receive(chunk),
      drain: () => {
        this.full = false
        if (this.welcome) events.writable()
      },
      close: (error) => this.finish(error),
    })
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => settle(notConnected('the mediator did not answer the hello in time'))
      const settle = (error?: SealwayError): void => {
        signal.removeEventListener('abort', onAbort)
        this.onWelcome = undefined
        if (!error) return resolve()
        this.destroy()
        reject(error)
      }
      this.onWelcome = settle
      if (signal.aborted) return onAbort()
      signal.addEventListener('abort', onAbort)
      this.write([encodeJson(FrameType.hello, hello)])
    })
    return this.welcome
  }

  /** Writes whole frames. The bytes must not be changed afterwards. */
  write(parts: readonly Uint8Array[]): void {
    if (this.ended) return
    if (!this.connection.write(parts)) this.full = true
  }

  openRoute(route: number, to: string, scope: string): void {
    this.write([encodeOpen(route, to, scope)])
  }

  /** @throws SealwayError with the mediator's code, `LINK_LOST` or `BUSY`; the reason of the signal */
  query(question: Query, signal: AbortSignal): Promise<unknown> {
    if (this.queries.size >= maxQueries) {
      return Promise.reject(new SealwayError('BUSY', { message: 'too many questions to the mediator at once' }))
    }
    this.lastQuery = (this.lastQuery + 1) >>> 0
    const id = this.lastQuery
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.queries.delete(id)
        reject(signal.reason)
      }
      const settled = (settle: (value: unknown) => void) => (value: unknown) => {
        signal.removeEventListener('abort', onAbort)
        settle(value)
      }
      if (signal.aborted) return onAbort()
      signal.addEventListener('abort', onAbort)
      this.queries.set(id, { resolve: settled(resolve), reject: settled(reject) })
      this.write([encodeJson(FrameType.query, question, id)])
    })
  }

  /** Hands the mediator a fresh token for this link. */
  renewToken(token: string): void {
    this.write([encodeFrame(FrameType.token, 0, utf8(token))])
  }

  /** Called about once a second: pings when it is quiet, and gives up when nothing is heard. */
  tick(now: number): void {
    if (this.ended || !this.welcome) return
    const { pingEveryMs, deadAfterMs } = this.welcome.limits
    const quietMs = now - this.heardAt
    if (quietMs >= deadAfterMs) {
      this.farewell = { code: 'HEARTBEAT_LOST', message: `the mediator was not heard for ${quietMs} ms` }
      this.destroy()
    } else if (quietMs >= pingEveryMs && now - this.pingedAt >= pingEveryMs) {
      this.pingedAt = now
      this.write([encodeFrame(FrameType.ping)])
    }
  }

  /** Tells the mediator to give this node no more of what any member of its groups could take. */
  goaway(): void {
    this.write([encodeJson(FrameType.goaway, { code: 'DRAINING', message: 'the node is draining' })])
  }

  /** Says goodbye, sends what was written, and ends. */
  end(): void {
    if (this.ended) return
    this.write([encodeJson(FrameType.close, { code: 'CLOSED', message: 'the node left' })])
    this.connection.end()
  }

  destroy(): void {
    this.connection.destroy()
    this.finish()
  }

  private receive(chunk: Uint8Array): void {
    if (this.ended) return
    this.heardAt = this.clock()
    try {
      this.reader.push(chunk, this.onFrame)
    } catch (error) {
      this.fail(error)
    }
  }

  private fail(error: unknown): void {
    if (this.ended) return
    const { code, message } = error instanceof SealwayError ? error : new SealwayError('INTERNAL')
    this.broken = new SealwayError(this.welcome ? 'LINK_LOST' : code, {
      message: `the mediator sent what this library cannot read: ${message}`,
      hop: 'client',
      cause: error,
    })
    this.destroy()
  }

  private readonly onFrame = (bytes: Uint8Array, at: number, end: number): void => {
    if (this.ended) return
    const type = bytes[at + 4]!
    const route = readU32(bytes, at + 8)
    // A copy: it is read when its turn has come.
    const body: Bytes = new Uint8Array(bytes.subarray(at + headerBytes, end))
    if (type === FrameType.ping) this.write([encodeFrame(FrameType.pong, route, body)])
    else if (type === FrameType.welcome) {
      this.welcome = decodeJson(body) as Welcome
      this.onWelcome?.()
    } else if (type === FrameType.close) {
      this.farewell = decodeJson(body) as Farewell
      this.destroy()
    } else if (type === FrameType.deliver) this.deliver(route, body)
    else if (type !== FrameType.pong) this.order.run(this.eventOf(type, route, body))
  }

  private deliver(route: number, sealed: Bytes): void {
    if (this.order.waitingBytes + sealed.length > maxWaitingBytes) {
      this.farewell = { code: 'SLOW', message: `over ${maxWaitingBytes} bytes wait to be opened in this page` }
      this.destroy()
    } else {
      this.order.later(this.events.deliver(route, sealed), sealed.length)
    }
  }

  /** Parsed at once, so that a malformed one ends the link; done in its turn. @throws SealwayError `MALFORMED` */
  private eventOf(type: number, route: number, body: Bytes): () => void {
    const { events } = this
    switch (type) {
      case FrameType.credit: {
        const { bytes, frames } = decodeCredit(body)
        return () => events.credit(route, bytes, frames)
      }
      case FrameType.announce: {
        const { from, to, scope } = decodeAnnounce(body)
        events.announce(route, from, to, scope)
        return nothing
      }
      case FrameType.retire:
        return events.retire(route)
      case FrameType.reject: {
        const { code } = decodeReject(body)
        return () => events.reject(route, codeFromNumber(code) ?? 'INTERNAL', body.subarray(2))
      }
      case FrameType.accepted: {
        const { names } = decodeAccepted(body)
        return () => events.accepted(route, body, names)
      }
      case FrameType.status: {
        const { online, incarnation } = decodeStatus(body)
        return () => events.status(route, online, incarnation)
      }
      case FrameType.answer: {
        const answer = decodeJson(body)
        return () => this.answered(route, answer)
      }
      case FrameType.peers: {
        const change = decodeJson(body) as PeerChange
        return () => events.peers(change)
      }
      case FrameType.goaway: {
        const farewell = decodeJson(body) as Farewell
        return () => events.goaway(farewell)
      }
      default:
        throw new SealwayError('MALFORMED', { message: `frame type ${type} is not for a page` })
    }
  }

  private answered(id: number, answer: unknown): void {
    const waiting = this.queries.get(id)
    this.queries.delete(id)
    const { error } = answer as { error?: { code: unknown; message: unknown } }
    if (!error) waiting?.resolve(answer)
    else waiting?.reject(new SealwayError(toCode(error.code), { message: String(error.message), hop: 'mediator' }))
  }

  private finish(cause?: Error): void {
    if (this.ended) return
    this.ended = true
    const { broken, farewell } = this
    const error = broken
      ? broken
      : farewell
        ? new SealwayError(toCode(farewell.code), {
            message: farewell.message,
            hop: 'mediator',
            data: { reconnectInMs: farewell.reconnectInMs },
          })
        : new SealwayError('LINK_LOST', { message: 'the link to the mediator broke', hop: 'client', cause })
    if (this.onWelcome) this.onWelcome(broken || farewell ? error : notConnected(error.message, cause))
    // What had arrived before the end is still handed on.
    else this.order.run(() => this.over(error))
  }

  private over(error: SealwayError): void {
    for (const waiting of this.queries.values()) waiting.reject(error)
    this.queries.clear()
    if (this.welcome) this.events.closed(error)
  }
}

const nothing = (): void => {}

const notConnected = (message: string, cause?: unknown) =>
  new SealwayError('NOT_CONNECTED', { message, outcome: 'not-delivered', hop: 'client', cause })

const toCode = (code: unknown): Code => (isCode(code) ? code : 'INTERNAL')
