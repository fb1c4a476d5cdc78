import {
  type Code,
  type Connection,
  decodeJson,
  encodeFrame,
  encodeJson,
  FrameReader,
  FrameType,
  headerBytes,
  type Limits,
  type Peer,
  readU32,
  SealwayError,
} from '@sealway/protocol'
import { Outbox } from './outbox.js'
import type { Route } from './route.js'

/** Who is at the other end, once its hello was accepted. */
export interface Member {
  readonly name: string
  readonly groups: readonly string[]
  readonly instance: string
  readonly peer: Peer
  /** The same, with the groups that it reaches: what it may send to. */
  readonly sender: Peer
  /** Of its token, ms since 1970. */
  expiresAt: number
}

export interface LinkEndParts {
  readonly limits: Limits
  readonly clock: () => number
  readonly soon: (work: () => void) => void
  /** The first frame. @throws SealwayError, also later */
  readonly hello: (link: LinkEnd, body: unknown) => Promise<void>
  /** Any frame of a live link but ping, pong and close; `frame` with its header. @throws SealwayError */
  readonly frame: (link: LinkEnd, type: number, route: number, frame: Uint8Array) => void
  /** It is over; once. */
  readonly closed: (link: LinkEnd) => void
  /** Its connection is gone too; once. */
  readonly gone: (link: LinkEnd) => void
}

/** After its token expired a link may still answer those who asked it, ms. */
const expiryGraceMs = 30_000
/** How long a closed link may take to read its last frame, ms. */
const lingerMs = 2_000
/** Frames of the link itself beyond the outbox, bytes, before its reader is given up. */
const controlSlackBytes = 1024 * 1024

/** The mediator's end of one link. */
export class LinkEnd {
  member: Member | undefined
  readonly outbox: Outbox
  /** Opened by the node, by its own numbers. */
  readonly routes = new Map<number, Route>()
  /** Announced to the node. */
  readonly known = new Set<Route>()
  private phase: 'hello' | 'admitting' | 'live' | 'closed' = 'hello'
  private readonly reader: FrameReader
  private readonly startedAt: number
  private heardAt: number
  private pingedAt: number
  private closedAt = 0
  private probes: { readonly until: number; readonly answer: (alive: boolean) => void }[] = []

  constructor(
    private readonly connection: Connection,
    private readonly parts: LinkEndParts,
  ) {
    const { limits, clock, soon } = parts
    this.startedAt = this.heardAt = this.pingedAt = clock()
    this.reader = new FrameReader(limits.maxFrameBytesBeforeHello)
    this.outbox = new Outbox(connection, limits, clock, soon)
  }

  get live(): boolean {
    return this.phase === 'live'
  }

  get transport() {
    return this.connection.transport
  }

  get remoteAddress(): string {
    return this.connection.remoteAddress
  }

  start(): void {
    this.connection.start({
      data: (chunk) => this.receive(chunk),
      drain: () => this.outbox.drained(),
      close: () => {
        this.finish()
        this.parts.gone(this)
      },
    })
  }

  private receive(chunk: Uint8Array): void {
    if (this.phase === 'closed') return
    this.heardAt = this.parts.clock()
    this.answerProbes(true)
    try {
      this.reader.push(chunk, (bytes, at, end) => {
        if (this.phase !== 'closed') this.onFrame(bytes.subarray(at, end))
      })
    } catch (error) {
      this.fail(error)
    }
  }

  private onFrame(frame: Uint8Array): void {
    const type = frame[4]!
    const route = readU32(frame, 8)
    const body = frame.subarray(headerBytes)
    if (this.phase === 'hello') {
      if (type !== FrameType.hello) throw malformed('the first frame must be a hello')
      this.phase = 'admitting'
      this.parts.hello(this, decodeJson(body)).catch((error: unknown) => this.fail(error))
      return
    }
    switch (type) {
      case FrameType.ping:
        if (body.length > 64) throw malformed('a ping carries at most 64 bytes')
        this.say(encodeFrame(FrameType.pong, route, body))
        return
      case FrameType.pong:
        return
      case FrameType.close:
        this.finish()
        this.connection.destroy()
        return
    }
    if (this.phase !== 'live') throw malformed(`frame type ${type} before the welcome`)
    this.parts.frame(this, type, route, frame)
  }

  /** @returns false where it has left meanwhile */
  admit(member: Member, welcome: object): boolean {
    if (this.phase !== 'admitting') return false
    this.member = member
    this.phase = 'live'
    this.reader.maxBodyBytes = this.parts.limits.maxFrameBytes
    this.say(encodeJson(FrameType.welcome, welcome))
    return this.live
  }

  /** A frame of the link itself. */
  say(frame: Uint8Array): void {
    if (this.outbox.bytes > this.parts.limits.outboxBytes + controlSlackBytes) {
      this.close('SLOW', 'this link does not read what it asked for')
    } else this.outbox.push(frame)
  }

  /** Whether that one has sent here: it may be answered. */
  hearsFrom(other: LinkEnd): boolean {
    for (const route of this.known) if (route.sender === other) return true
    return false
  }

  /** Resolves with whether anything is heard of it within `waitMs`, plus a tick. */
  probe(waitMs: number): Promise<boolean> {
    this.pingedAt = this.parts.clock()
    this.say(encodeFrame(FrameType.ping))
    return new Promise((answer) => this.probes.push({ until: this.parts.clock() + waitMs, answer }))
  }

  private answerProbes(alive: boolean, due = Number.POSITIVE_INFINITY): void {
    const probes = this.probes
    if (probes.length === 0) return
    this.probes = probes.filter(({ until }) => until > due)
    for (const { until, answer } of probes) if (until <= due) answer(alive)
  }

  /** Four times a second. */
  tick(now: number): void {
    const { limits } = this.parts
    if (this.phase === 'closed') {
      if (now - this.closedAt > lingerMs) this.connection.destroy()
      return
    }
    this.answerProbes(false, now)
    if (this.phase !== 'live') {
      if (now - this.startedAt < limits.helloTimeoutMs) return
      this.close('HELLO_TIMEOUT', `the hello was not complete within ${limits.helloTimeoutMs} ms`)
    } else if (now - this.heardAt >= limits.deadAfterMs) {
      this.close('HEARTBEAT_LOST', `nothing was heard for ${limits.deadAfterMs} ms`)
    } else if (this.outbox.ageMs > limits.slowReaderMs) {
      this.close('SLOW', `this link did not read for ${limits.slowReaderMs} ms`)
    } else if (now >= this.member!.expiresAt + expiryGraceMs) {
      this.close('TOKEN_EXPIRED', 'the token of this link expired and was not renewed')
    } else {
      if (this.outbox.lagging) this.outbox.releaseShared()
      if (now - this.heardAt >= limits.pingEveryMs && now - this.pingedAt >= limits.pingEveryMs) {
        this.pingedAt = now
        this.say(encodeFrame(FrameType.ping))
      }
    }
  }

  /** Tells the node why, then ends the link. */
  close(code: Code, message: string, reconnectInMs?: number): void {
    if (this.phase === 'closed') return
    const frame = encodeJson(FrameType.close, {
      code,
      message,
      ...(reconnectInMs === undefined ? {} : { reconnectInMs }),
    })
    if (code === 'SLOW' || code === 'HEARTBEAT_LOST') {
      // Whoever does not read will not read this either.
      this.finish()
      this.connection.write([frame])
      this.connection.destroy()
      return
    }
    this.outbox.push(frame)
    this.outbox.flush()
    this.finish()
    this.connection.end()
  }

  private fail(error: unknown): void {
    if (error instanceof SealwayError) this.close(error.code, error.message)
    else this.close('INTERNAL', 'the mediator failed')
  }

  private finish(): void {
    if (this.phase === 'closed') return
    this.phase = 'closed'
    this.closedAt = this.parts.clock()
    this.outbox.close()
    this.answerProbes(false)
    this.parts.closed(this)
  }
}

export const malformed = (message: string) => new SealwayError('MALFORMED', { message })
