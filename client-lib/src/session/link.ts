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
  type PolicyChange,
  type Query,
  readU32,
  SealwayError,
  type Welcome,
} from '@sealway/protocol'

/** What arrives on a live link, already parsed. */
export interface LinkEvents {
  announce(route: number, from: string, to: string, scope: string): void
  retire(route: number): void
  /** `bytes[start..end]` is a sealed frame, valid during the call. */
  deliver(route: number, sealed: Uint8Array): void
  credit(route: number, bytes: number, frames: number): void
  reject(route: number, code: Code, frameId: Uint8Array): void
  accepted(route: number, frameId: Uint8Array, names: string[]): void
  status(route: number, online: boolean, incarnation: number): void
  peers(change: PeerChange): void
  policies(change: PolicyChange): void
  goaway(farewell: Farewell): void
  /** A frame of an HTTP exchange, all types but response; `body` is valid during the call. */
  exchange(type: number, flags: number, number: number, body: Uint8Array): void
  /** What was written is on its way; more may follow. */
  writable(): void
  /** A chunk was read to its end. */
  idle(): void
  /** The mediator's answer to a question has come, or none will; `settle` tells who asked. */
  answered(settle: () => void): void
  /** Once, after which nothing follows. */
  closed(error: SealwayError): void
}

/** Of what others send before this side is ready for it, bytes; more waits in the mediator. */
const maxHeldBytes = 1024 * 1024

/** How many questions may wait for their answers at once. */
const maxQueries = 1_024

/** One connection to the mediator, from its hello to its end. It knows frames, and nothing of what is sealed in them. */
export class Link {
  welcome!: Welcome
  private readonly connection: Connection
  private readonly clock: () => number
  private readonly reader: FrameReader
  private events: LinkEvents | undefined
  private readonly queries = new Map<number, { resolve(value: unknown): void; reject(error: unknown): void }>()
  private lastQuery = 0
  private onWelcome: ((error?: SealwayError) => void) | undefined
  private farewell: Farewell | undefined
  /** What the mediator sent that cannot be read. */
  private broken: SealwayError | undefined
  private heardAt: number
  private pingedAt = 0
  private ended = false
  private full = false
  /** What others have sent, until the link is opened. */
  private held: Uint8Array[] | undefined = []
  private heldBytes = 0

  /**
   * @param allocate memory for frames that arrive in pieces; need not be cleared
   * @param arrived told of each read, in bytes
   */
  constructor(
    connection: Connection,
    clock: () => number,
    allocate: (bytes: number) => Uint8Array,
    private readonly arrived?: (bytes: number) => void,
  ) {
    this.connection = connection
    this.clock = clock
    this.reader = new FrameReader(limits.hardMaxFrameBytes, allocate)
    this.heardAt = clock()
  }

  get transport() {
    return this.connection.transport
  }

  /** False while what was written still waits in this process, and after the end. */
  get writableNow(): boolean {
    return !this.full && !this.ended
  }

  /**
   * Says hello and waits for the welcome.
   * @throws SealwayError with the mediator's code, or `NOT_CONNECTED`
   */
  async begin(hello: Hello, events: LinkEvents, signal: AbortSignal): Promise<Welcome> {
    this.events = events
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
      // Last: frames that came together with the answer to the upgrade are handed over inside this call.
      this.connection.start({
        data: (chunk) => {
          this.arrived?.(chunk.length)
          this.receive(chunk)
        },
        drain: () => {
          this.full = false
          if (this.welcome) events.writable()
        },
        close: (error) => this.finish(error),
      })
      this.write([encodeJson(FrameType.hello, hello)])
    })
    return this.welcome
  }

  /** What others send is handed on from now on, with what has come already: there is somebody to take it. */
  open(): void {
    const { held } = this
    if (!held || this.ended) return
    this.held = undefined
    try {
      for (const frame of held) this.onFrame(frame, 0, frame.length)
    } catch (error) {
      this.fail(error)
    }
    if (this.ended) return
    if (held.length > 0) this.events!.idle()
    if (this.heldBytes > maxHeldBytes) this.connection.resume()
  }

  /** It waits in here up to a bound, and in the mediator from then on. */
  private hold(frame: Uint8Array): void {
    this.held!.push(new Uint8Array(frame))
    const before = this.heldBytes
    this.heldBytes += frame.length
    if (before <= maxHeldBytes && this.heldBytes > maxHeldBytes) this.connection.pause()
  }

  /** Writes whole frames. The bytes must not be changed afterwards. */
  write(parts: readonly Uint8Array[]): void {
    if (this.ended) return
    if (!this.connection.write(parts)) this.full = true
  }

  openRoute(route: number, to: string, scope: string): void {
    this.write([encodeOpen(route, to, scope)])
  }

  retireRoute(route: number): void {
    this.write([encodeFrame(FrameType.retire, route)])
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
    this.write([encodeFrame(FrameType.token, 0, latin1(token))])
  }

  /** Called about once a second: pings when it is quiet, and gives up when nothing is heard. */
  tick(now: number): void {
    if (this.ended || !this.welcome) return
    const { pingEveryMs, deadAfterMs } = this.welcome.limits
    const quietMs = now - this.heardAt
    if (quietMs >= deadAfterMs) {
      this.giveUp('HEARTBEAT_LOST', `the mediator was not heard for ${quietMs} ms`)
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

  /** Ends it for a reason of this side. */
  giveUp(code: Code, message: string): void {
    this.farewell = { code, message }
    this.destroy()
  }

  /** Ends it because of what the mediator sent. */
  fail(error: unknown): void {
    if (this.ended) return
    const { code, message } = error instanceof SealwayError ? error : new SealwayError('INTERNAL')
    this.broken = new SealwayError(this.welcome ? 'LINK_LOST' : code, {
      message: `the mediator sent what this library cannot read: ${message}`,
      hop: 'client',
      cause: error,
    })
    this.destroy()
  }

  pause(): void {
    this.connection.pause()
  }

  resume(): void {
    this.connection.resume()
  }

  private receive(chunk: Uint8Array): void {
    if (this.ended) return
    this.heardAt = this.clock()
    try {
      this.reader.push(chunk, this.onFrame)
    } catch (error) {
      this.fail(error)
      return
    }
    if (this.welcome) this.events!.idle()
  }

  private readonly onFrame = (bytes: Uint8Array, at: number, end: number): void => {
    if (this.ended) return
    const type = bytes[at + 4]!
    if (this.held && fromOthers(type)) {
      this.hold(bytes.subarray(at, end))
      return
    }
    const route = readU32(bytes, at + 8)
    const body = bytes.subarray(at + headerBytes, end)
    const events = this.events!
    switch (type) {
      case FrameType.deliver:
        events.deliver(route, body)
        return
      case FrameType.request:
      case FrameType.data:
      case FrameType.trailers:
      case FrameType.grant:
      case FrameType.reset:
        events.exchange(type, bytes[at + 5]!, route, body)
        return
      case FrameType.credit: {
        const credit = decodeCredit(body)
        events.credit(route, credit.bytes, credit.frames)
        return
      }
      case FrameType.announce: {
        const { from, to, scope } = decodeAnnounce(body)
        events.announce(route, from, to, scope)
        return
      }
      case FrameType.retire:
        events.retire(route)
        return
      case FrameType.reject: {
        const { code, frameId } = decodeReject(body)
        events.reject(route, codeFromNumber(code) ?? 'INTERNAL', frameId)
        return
      }
      case FrameType.accepted: {
        const { frameId, names } = decodeAccepted(body)
        events.accepted(route, frameId, names)
        return
      }
      case FrameType.status: {
        const { online, incarnation } = decodeStatus(body)
        events.status(route, online, incarnation)
        return
      }
      case FrameType.welcome:
        this.welcome = decodeJson(body) as Welcome
        this.onWelcome?.()
        return
      case FrameType.ping:
        this.write([encodeFrame(FrameType.pong, route, body)])
        return
      case FrameType.pong:
        return
      case FrameType.answer:
        this.answered(route, decodeJson(body))
        return
      case FrameType.peers:
        events.peers(decodeJson(body) as PeerChange)
        return
      case FrameType.policies:
        events.policies(decodeJson(body) as PolicyChange)
        return
      case FrameType.goaway:
        events.goaway(decodeJson(body) as Farewell)
        return
      case FrameType.close:
        this.farewell = decodeJson(body) as Farewell
        this.destroy()
        return
      default:
        throw new SealwayError('MALFORMED', { message: `frame type ${type} is not for a node` })
    }
  }

  private answered(id: number, answer: unknown): void {
    this.events!.answered(() => {
      const waiting = this.queries.get(id)
      this.queries.delete(id)
      const { error } = answer as { error?: { code: unknown; message: unknown } }
      if (!error) waiting?.resolve(answer)
      else waiting?.reject(new SealwayError(toCode(error.code), { message: String(error.message), hop: 'mediator' }))
    })
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
            data: { reconnectInMs: farewell.reconnectInMs, now: farewell.now },
          })
        : new SealwayError('LINK_LOST', { message: 'the link to the mediator broke', hop: 'client', cause })
    if (this.onWelcome) return this.onWelcome(broken || farewell ? error : notConnected(error.message, cause))
    if (!this.welcome) return
    this.events!.answered(() => {
      for (const waiting of this.queries.values()) waiting.reject(error)
      this.queries.clear()
    })
    this.events!.closed(error)
  }
}

const notConnected = (message: string, cause?: unknown) =>
  new SealwayError('NOT_CONNECTED', { message, outcome: 'not-delivered', hop: 'client', cause })

/** Tokens are ASCII (RFC 7519 s3). */
const latin1 = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0))

const toCode = (code: unknown): Code => (isCode(code) ? code : 'INTERNAL')

/** Messages and requests, and what belongs to them. */
const fromOthers = (type: number): boolean =>
  type === FrameType.deliver ||
  type === FrameType.announce ||
  type === FrameType.retire ||
  (type >= FrameType.request && type <= FrameType.reset)
