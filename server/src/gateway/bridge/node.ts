import {
  type Code,
  type Connection,
  codeFromNumber,
  decodeAccepted,
  decodeAnnounce,
  decodeJson,
  decodeReject,
  encodeFrame,
  encodeJson,
  encodeOpen,
  type Farewell,
  FrameFlag,
  FrameReader,
  FrameType,
  frameIdOf,
  type Hello,
  headerBytes,
  isCode,
  limits,
  readU32,
  SealwayError,
} from '@sealway/protocol'
import { Inbox } from './inbox.js'

/** A sealed frame that came for the program, and what its announce claims. */
export interface Delivered {
  readonly from: string
  readonly to: string
  readonly scope: string
  readonly frame: Uint8Array
}

/** How long the mediator may take to say what became of a frame, ms: it asks its database at most. */
const outcomeMs = 10_000
/** Routes that one program holds open; the oldest goes. */
const maxRoutes = 256

interface Sent {
  readonly accepted: (names: readonly string[]) => void
  readonly failed: (error: SealwayError) => void
}

/** The node's end of a link, for a program that speaks only HTTP. It moves sealed frames and opens none. */
export class BridgeNode {
  /** What came and was not asked for yet. */
  readonly inbox: Inbox
  private readonly connection: Connection
  private readonly reader = new FrameReader(limits.hardMaxFrameBytes, Buffer.allocUnsafe)
  private readonly announced = new Map<number, Omit<Delivered, 'frame'>>()
  private readonly routes = new Map<string, number>()
  private lastRoute = 0
  private readonly sent = new Map<string, Sent>()
  private call: { target: string | undefined; readonly answer: (delivered: Delivered) => void } | undefined
  private readonly over = new Set<(error: SealwayError) => void>()
  private why: SealwayError | undefined
  private leaving = false

  constructor(connection: Connection) {
    this.connection = connection
    this.inbox = new Inbox(
      () => connection.pause(),
      () => connection.resume(),
    )
  }

  get ended(): boolean {
    return this.why !== undefined
  }

  /** Somebody waits for something of this link. */
  get busy(): boolean {
    return this.sent.size > 0 || this.call !== undefined || this.inbox.waiting
  }

  /** Resolves with the welcome. @throws SealwayError with the code of the refusal */
  async begin(hello: Hello, onEnd: () => void): Promise<void> {
    this.over.add(onEnd)
    await new Promise<void>((resolve, reject) => {
      this.over.add(reject)
      this.connection.start({
        data: (chunk) => this.reader.push(chunk, (bytes, at, end) => this.onFrame(bytes, at, end, resolve)),
        drain: () => {},
        close: () => this.finish(new SealwayError('LINK_LOST', { message: 'the link of this name ended' })),
      })
      this.connection.write([encodeJson(FrameType.hello, hello)])
    })
  }

  renew(token: string): void {
    this.connection.write([encodeFrame(FrameType.token, 0, Buffer.from(token, 'latin1'))])
  }

  /** @returns to whom it was handed on @throws SealwayError with the code of the reject, or `CONFLICT` */
  send(
    to: string,
    scope: string,
    frame: Uint8Array,
    onAccepted: (names: readonly string[]) => void = () => {},
  ): Promise<readonly string[]> {
    if (this.why) return Promise.reject(this.why)
    const route = this.routeTo(to, scope)
    const key = keyOf(route, frameIdOf(frame))
    if (this.sent.has(key)) {
      return Promise.reject(new SealwayError('CONFLICT', { message: 'this very frame is being sent already' }))
    }
    return new Promise((accepted, failed) => {
      const timer = setTimeout(
        () => settle(() => failed(new SealwayError('TIMEOUT', { message: 'the mediator did not say' }))),
        outcomeMs,
      ).unref()
      const settle = (how: () => void): void => {
        clearTimeout(timer)
        this.sent.delete(key)
        how()
        this.leaveIfDone()
      }
      this.sent.set(key, {
        accepted: (names) => {
          onAccepted(names)
          settle(() => accepted(names))
        },
        failed: (error) => settle(() => failed(error)),
      })
      this.connection.write([encodeFrame(FrameType.send, route, frame, FrameFlag.wantAccepted)])
    })
  }

  /**
   * Sends, and waits for the next frame from whoever it was handed to. Whether that is the answer is sealed.
   * @throws SealwayError as send, `BUSY` where another call waits, `TIMEOUT`, `ABORTED`
   */
  async ask(to: string, scope: string, frame: Uint8Array, timeoutMs: number, signal: AbortSignal): Promise<Delivered> {
    if (this.call) throw new SealwayError('BUSY', { message: 'this link waits for the answer to another call' })
    if (signal.aborted) throw aborted()
    let settle = (): void => {}
    const answered = new Promise<Delivered>((resolve, reject) => {
      const call = { target: undefined, answer: resolve }
      const late = (): void => reject(new SealwayError('TIMEOUT', { message: `no answer within ${timeoutMs} ms` }))
      const timer = setTimeout(late, timeoutMs).unref()
      const onAbort = (): void => reject(aborted())
      signal.addEventListener('abort', onAbort)
      this.over.add(reject)
      this.call = call
      settle = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', onAbort)
        this.over.delete(reject)
        if (this.call === call) this.call = undefined
        this.leaveIfDone()
      }
    })
    answered.catch(() => {})
    try {
      // Not when the promise settles: the answer may lie in the same chunk.
      const sent = this.send(to, scope, frame, ([name]) => {
        if (this.call) this.call.target = name
      })
      await Promise.race([sent, answered])
      return await answered
    } finally {
      settle()
    }
  }

  /** Leaves in order. */
  leave(): void {
    if (this.why) return
    this.connection.write([encodeJson(FrameType.close, { code: 'CLOSED', message: 'the program has gone' })])
    this.connection.end()
    this.finish(new SealwayError('SUPERSEDED', { message: 'another link of this name took the place of this one' }))
  }

  private routeTo(to: string, scope: string): number {
    const key = `${to} ${scope}`
    const known = this.routes.get(key)
    if (known !== undefined) return known
    if (this.routes.size >= maxRoutes) {
      const [oldest, number] = this.routes.entries().next().value!
      this.routes.delete(oldest)
      this.connection.write([encodeFrame(FrameType.retire, number)])
    }
    const route = ++this.lastRoute
    this.routes.set(key, route)
    this.connection.write([encodeOpen(route, to, scope)])
    return route
  }

  private onFrame(bytes: Uint8Array, at: number, end: number, welcomed: () => void): void {
    const route = readU32(bytes, at + 8)
    const body = bytes.subarray(at + headerBytes, end)
    switch (bytes[at + 4]) {
      case FrameType.welcome:
        return welcomed()
      case FrameType.ping:
        this.connection.write([encodeFrame(FrameType.pong, route, body)])
        return
      case FrameType.announce:
        this.announced.set(route, decodeAnnounce(body))
        return
      case FrameType.retire:
        this.announced.delete(route)
        return
      case FrameType.deliver:
        return this.onDeliver({ ...this.announced.get(route)!, frame: new Uint8Array(body) })
      case FrameType.accepted: {
        const { frameId, names } = decodeAccepted(body)
        this.sent.get(keyOf(route, frameId))?.accepted(names)
        return
      }
      case FrameType.reject: {
        const { code, frameId } = decodeReject(body)
        this.sent.get(keyOf(route, frameId))?.failed(rejected(codeFromNumber(code) ?? 'INTERNAL'))
        return
      }
      case FrameType.goaway:
        this.leaving = true
        return this.leaveIfDone()
      case FrameType.close: {
        const { code, message } = decodeJson(body) as Farewell
        return this.finish(new SealwayError(isCode(code) ? code : 'INTERNAL', { message }))
      }
    }
  }

  private onDeliver(delivered: Delivered): void {
    const { call } = this
    if (call?.target !== undefined && call.target === delivered.from) {
      // One frame: what follows it is for whoever receives.
      this.call = undefined
      call.answer(delivered)
    } else this.inbox.put(delivered)
  }

  private leaveIfDone(): void {
    if (this.leaving && !this.busy) this.leave()
  }

  private finish(error: SealwayError): void {
    if (this.why) return
    this.why = error
    for (const sent of [...this.sent.values()]) sent.failed(error)
    this.inbox.close(error)
    for (const tell of this.over) tell(error)
    this.over.clear()
  }
}

const keyOf = (route: number, frameId: Uint8Array): string => `${route} ${Buffer.from(frameId).toString('hex')}`
const rejected = (code: Code) => new SealwayError(code, { outcome: 'not-delivered', hop: 'mediator' })
const aborted = () => new SealwayError('ABORTED', { message: 'the caller has gone' })
