import {
  type Code,
  type Connection,
  decodeJson,
  decodeOpen,
  type Exposed,
  encodeFrame,
  encodeJson,
  FrameFlag,
  FrameReader,
  FrameType,
  frameIdOf,
  type GroupName,
  headerBytes,
  type Limits,
  minSealedBytes,
  type NodeName,
  type Peer,
  readU32,
  SealwayError,
  writeU32,
} from '@sealway/protocol'
import type { Identity } from '../auth/authenticator.js'
import type { Log } from '../observe/log.js'
import type { Block, BlockPool } from './block.js'
import { type Budget, Outbox } from './outbox.js'
import type { Route } from './route.js'
import { quantumBytes, type Turn } from './turn.js'

/** What a session is, once its hello was accepted. */
export interface Member {
  readonly name: NodeName
  readonly groups: readonly GroupName[]
  /** Groups that it may send to and see: its own, and those that it reaches. */
  readonly within: readonly GroupName[]
  readonly epoch: number
  readonly instance: string
  identity: Identity
  readonly peer: Peer
  /** Undefined: it serves no HTTP over its link. */
  http: Exposed | undefined
  /** What the node says of its software. */
  readonly client: string | undefined
}

/**
 * What a session hands on. The router and the admission stand above it, so they come in as functions. Bytes are theirs
 * during the call only: the memory they lie in is read into again.
 */
export interface SessionEvents {
  /**
   * The first frame. Resolves when the node is registered; `admit` was called then, in the same turn as the claim:
   * whoever claims the name next must find its holder.
   * @throws SealwayError
   */
  hello(session: Session, body: unknown, admit: (member: Member, welcome: object) => void): Promise<void>
  /** It was welcomed and may be sent to. */
  joined(session: Session): void
  open(session: Session, number: number, to: string, scope: string): Route
  /** Frames in one piece, headers already rewritten to deliver; `frames` of them. */
  send(route: Route, run: Uint8Array, frames: number): void
  /** One frame whose sender wants to know who got it. */
  sendAccepted(route: Route, frame: Uint8Array): void
  retire(route: Route): void
  /** It drains: nothing more that any other member of its groups could take. */
  leaving(session: Session): void
  query(session: Session, id: number, question: unknown): void
  /** A response, data, trailers, grant or reset frame: HTTP by name. @throws SealwayError `MALFORMED` */
  exchange(session: Session, type: number, number: number, flags: number, body: Uint8Array): void
  /** A fresh token in band. @throws SealwayError */
  token(session: Session, token: string): Identity
  /** It was admitted, but had left by then: what the hello claimed must be given back. */
  abandoned(member: Member): void
  /** The session is over; exactly once. */
  closed(session: Session, reason: { code: Code | 'END'; message: string }): void
  /** Its connection is gone too; exactly once, after `closed`. */
  gone(session: Session): void
}

export interface SessionParts {
  readonly connection: Connection
  readonly limits: Limits
  readonly budget: Budget
  readonly blocks: BlockPool
  readonly log: Log
  /** Coarse clock, ms, never set back. */
  readonly now: () => number
  /** Coarse clock, ms since 1970: when tokens expire. */
  readonly time: () => number
  readonly turn: Turn
  readonly events: SessionEvents
}

interface Probe {
  readonly until: number
  /** What had come in when it was asked: one byte more is a sign of life. */
  readonly bytesIn: number
  readonly answer: (alive: boolean) => void
}

/** Slower than this for `slowFrameMs` in the middle of a frame: cut, bytes per second. */
const minFrameBytesPerSecond = 1_024
const slowFrameMs = 10_000
/** After its token expired a link may still answer those who asked it, ms. */
export const expiryGraceMs = 30_000
/** How long a closed link may take to read its last frame, ms. */
const lingerMs = 2_000
/** Bytes of the link's own frames (credit, pong) beyond the outbox, before the reader is given up. */
const controlSlackBytes = 1024 * 1024

/** One link: reads frames, knows who sends them, and hands them on. It knows nothing of other links. */
export class Session {
  readonly outbox: Outbox
  readonly remoteAddress: string
  readonly connectedAt: number
  /** Routes this link opened, by its own numbers. */
  readonly routes = new Map<number, Route>()
  /** Delivery routes that were announced to this link. */
  readonly known = new Set<Route>()
  member: Member | undefined
  private phase: 'hello' | 'admitting' | 'live' | 'closed' = 'hello'
  /** When it began to wait for the hello, or for the registry. */
  private phaseSince: number
  private readonly reader: FrameReader
  /** Holds the frame that is put together of several chunks, and the one before it until its run is handed on. */
  private straddling: Block | undefined
  private straddled: Block | undefined
  private readonly parts: SessionParts
  private heardAt: number
  private pingedAt: number
  private closedAt = 0
  private probes: Probe[] = []
  private bytesIn = 0
  /** What this link has cost in the turn `spentIn`, bytes. */
  private spent = 0
  private spentIn = 0
  private resting = false
  /** Routes opened of late: each counts less as time passes. */
  private routeOpens = 0
  private routeOpensAt = 0
  private opensTooFast = false
  private frameStart: { at: number; bytesIn: number } | undefined
  // The run under way: consecutive frames of one route in one chunk, handed on as one slice.
  private runRoute: Route | undefined
  private runBytes: Uint8Array | undefined
  private runStart = 0
  private runEnd = 0
  private runFrames = 0

  constructor(parts: SessionParts) {
    this.parts = parts
    const { connection, limits } = parts
    this.remoteAddress = connection.remoteAddress
    this.connectedAt = this.heardAt = this.pingedAt = this.phaseSince = parts.now()
    this.reader = new FrameReader(limits.maxFrameBytesBeforeHello, (bytes) => {
      this.straddled = this.straddling
      this.straddling = parts.blocks.take(bytes)
      return this.straddling.bytes.subarray(0, bytes)
    })
    this.outbox = new Outbox({
      connection,
      budget: parts.budget,
      blocks: parts.blocks,
      maxBytes: limits.outboxBytes,
      maxFrames: limits.outboxFrames,
      now: parts.now,
      schedule: parts.turn.schedule,
    })
  }

  /** Begins to read. Not in the constructor: whoever made the session must know it first. */
  start(): void {
    this.parts.connection.start({
      data: (chunk) => this.receive(chunk),
      drain: () => this.outbox.drained(),
      close: () => {
        this.finish('END', 'the connection ended')
        this.parts.events.gone(this)
      },
    })
  }

  get live(): boolean {
    return this.phase === 'live'
  }

  get authenticated(): boolean {
    return this.member !== undefined
  }

  get transport() {
    return this.parts.connection.transport
  }

  /** Last time anything arrived, ms of the coarse clock. */
  get lastHeardAt(): number {
    return this.heardAt
  }

  private receive(chunk: Uint8Array): void {
    if (this.phase === 'closed') return
    const { budget } = this.parts
    const queuedBefore = budget.usedBytes
    this.heardAt = this.parts.now()
    this.bytesIn += chunk.length
    try {
      try {
        this.reader.push(chunk, this.onFrame)
      } finally {
        // What came before a broken frame was sent, and is neither lost nor refused for it.
        this.endRun()
        this.endStraddling()
      }
    } catch (error) {
      this.fail(error)
    }
    this.spend(Math.max(chunk.length, budget.usedBytes - queuedBefore))
  }

  /** A frame that was put together was handed on: its memory is free. */
  private endStraddling(): void {
    this.straddled?.release()
    this.straddled = undefined
    if (this.reader.assembling) return
    this.straddling?.release()
    this.straddling = undefined
  }

  /** One that has cost its share of this turn is read no further in it: the others are not kept waiting. */
  private spend(bytes: number): void {
    const { turn, connection } = this.parts
    if (this.spentIn !== turn.number) {
      this.spentIn = turn.number
      this.spent = 0
    }
    this.spent += bytes
    if (this.spent < quantumBytes || this.resting) return
    this.resting = true
    connection.pause()
    turn.rest(this)
  }

  /** The next turn has come. */
  resume(): void {
    this.resting = false
    if (!this.opensTooFast) this.parts.connection.resume()
  }

  private readonly onFrame = (bytes: Uint8Array, at: number, end: number): void => {
    if (this.phase === 'closed') return
    if (bytes[at + 4] === FrameType.send && this.phase === 'live') this.onSend(bytes, at, end)
    else {
      this.endRun()
      const type = bytes[at + 4]!
      const number = readU32(bytes, at + 8)
      const body = bytes.subarray(at + headerBytes, end)
      if (type >= FrameType.response && this.phase === 'live') {
        this.parts.events.exchange(this, type, number, bytes[at + 5]!, body)
      } else {
        this.onControl(type, number, body)
      }
    }
  }

  private onSend(bytes: Uint8Array, at: number, end: number): void {
    const number = readU32(bytes, at + 8)
    let route = this.runRoute
    if (!route || route.number !== number) {
      this.endRun()
      route = this.routes.get(number)
      if (!route) {
        throw new SealwayError('UNKNOWN_ROUTE', { message: `a frame was sent on route ${number}, which is not open` })
      }
    }
    if (end - at - headerBytes < minSealedBytes) {
      throw new SealwayError('MALFORMED', { message: `a sealed frame has at least ${minSealedBytes} bytes` })
    }
    const flags = bytes[at + 5]!
    bytes[at + 4] = FrameType.deliver
    bytes[at + 5] = 0
    writeU32(bytes, at + 8, route.id)
    if (flags !== 0) {
      this.endRun()
      if (flags !== FrameFlag.wantAccepted) {
        throw new SealwayError('MALFORMED', { message: `unknown flags ${flags} on a send frame` })
      }
      this.parts.events.sendAccepted(route, bytes.subarray(at, end))
    } else if (this.runBytes === bytes && this.runRoute === route && this.runEnd === at) {
      this.runEnd = end
      this.runFrames++
    } else {
      this.endRun()
      this.runRoute = route
      this.runBytes = bytes
      this.runStart = at
      this.runEnd = end
      this.runFrames = 1
    }
  }

  private endRun(): void {
    const bytes = this.runBytes
    if (!bytes) return
    const route = this.runRoute!
    this.runBytes = undefined
    this.runRoute = undefined
    this.parts.events.send(route, bytes.subarray(this.runStart, this.runEnd), this.runFrames)
  }

  private onControl(type: number, number: number, body: Uint8Array): void {
    if (this.phase === 'hello') {
      if (type !== FrameType.hello) throw new SealwayError('MALFORMED', { message: 'the first frame must be a hello' })
      this.phase = 'admitting'
      this.phaseSince = this.parts.now()
      void this.askAdmission(decodeJson(body))
      return
    }
    switch (type) {
      case FrameType.ping:
        if (body.length > 64) throw new SealwayError('MALFORMED', { message: 'a ping carries at most 64 bytes' })
        this.control(encodeFrame(FrameType.pong, number, body))
        return
      case FrameType.pong:
        return
      case FrameType.close:
        this.finish('END', 'the node closed its link')
        return
    }
    if (this.phase !== 'live') {
      throw new SealwayError('MALFORMED', { message: `frame type ${type} before the welcome` })
    }
    switch (type) {
      case FrameType.open: {
        const { to, scope } = decodeOpen(body)
        if (this.routes.has(number)) {
          throw new SealwayError('MALFORMED', { message: `route ${number} is open already` })
        }
        if (this.routes.size >= this.parts.limits.maxRoutesPerLink) {
          throw new SealwayError('OVERLOADED', {
            message: `one link holds at most ${this.parts.limits.maxRoutesPerLink} routes`,
          })
        }
        this.routes.set(number, this.parts.events.open(this, number, to, scope))
        this.countRouteOpen()
        return
      }
      case FrameType.retire: {
        const route = this.routes.get(number)
        if (!route) throw new SealwayError('UNKNOWN_ROUTE', { message: `route ${number} is not open` })
        this.routes.delete(number)
        this.parts.events.retire(route)
        return
      }
      case FrameType.goaway:
        this.parts.events.leaving(this)
        return
      case FrameType.query:
        this.parts.events.query(this, number, decodeJson(body))
        return
      case FrameType.token:
        this.member!.identity = this.parts.events.token(this, Buffer.from(body).toString('latin1'))
        return
      default:
        throw new SealwayError('MALFORMED', { message: `frame type ${type} is not for a mediator` })
    }
  }

  /**
   * A link that opens routes faster than the limit is read no further until it has made up for it: each route costs
   * memory, and perhaps a question to the database, which others would wait behind.
   */
  private countRouteOpen(): void {
    const { limits, connection, now } = this.parts
    const { maxRouteOpensPerSecond: rate } = limits
    const at = now()
    this.routeOpens = Math.max(0, this.routeOpens - ((at - this.routeOpensAt) * rate) / 1_000) + 1
    this.routeOpensAt = at
    if (this.routeOpens <= rate || this.opensTooFast) return
    this.opensTooFast = true
    connection.pause()
  }

  /** Reads on when the routes opened of late are within the limit again. */
  private settleRouteOpens(now: number): void {
    if (!this.opensTooFast) return
    const { maxRouteOpensPerSecond: rate } = this.parts.limits
    if (this.routeOpens - ((now - this.routeOpensAt) * rate) / 1_000 > rate / 2) return
    this.opensTooFast = false
    if (!this.resting) this.parts.connection.resume()
  }

  private async askAdmission(body: unknown): Promise<void> {
    try {
      await this.parts.events.hello(this, body, (member, welcome) => this.admit(member, welcome))
    } catch (error) {
      this.fail(error)
    }
  }

  private admit(member: Member, welcome: object): void {
    if (this.phase !== 'admitting') {
      this.parts.events.abandoned(member)
      return
    }
    this.member = member
    this.phase = 'live'
    this.reader.maxBodyBytes = this.parts.limits.maxFrameBytes
    this.control(encodeJson(FrameType.welcome, welcome))
    // A welcome that found no room has ended the link.
    if (this.live) this.parts.events.joined(this)
  }

  /** Hands a frame of the link itself to the node. */
  control(frame: Uint8Array): void {
    if (this.outbox.bytes > this.parts.limits.outboxBytes + controlSlackBytes) {
      this.close('SLOW', 'this link does not read what it asked for')
      return
    }
    this.outbox.push(frame, 0)
  }

  /** Is the node still there? Its pong, or anything else, moves `lastHeardAt`. */
  ping(): void {
    this.pingedAt = this.parts.now()
    this.control(encodeFrame(FrameType.ping))
  }

  /** Whether that link has sent here: it may be answered. */
  hearsFrom(other: Session): boolean {
    for (const route of this.known) if (route.sender === other) return true
    return false
  }

  /** Asks for a sign of life; `answer` is called once, within `waitMs` plus a tick. */
  probe(waitMs: number, answer: (alive: boolean) => void): void {
    this.probes.push({ until: this.parts.now() + waitMs, bytesIn: this.bytesIn, answer })
    this.ping()
  }

  private settleProbes(now: number): void {
    if (this.probes.length === 0) return
    const open: Probe[] = []
    for (const probe of this.probes) {
      if (this.phase === 'closed') probe.answer(false)
      // A link that is not read for what it opened cannot answer, and is not dead for it.
      else if (this.bytesIn > probe.bytesIn || this.opensTooFast) probe.answer(true)
      else if (now >= probe.until) probe.answer(false)
      else open.push(probe)
    }
    this.probes = open
  }

  /** Called four times a second: every time limit of a link is checked here, so that no link needs a timer. */
  tick(now: number): void {
    const { limits } = this.parts
    this.settleProbes(now)
    if (this.phase === 'hello' || this.phase === 'admitting') {
      if (now - this.phaseSince >= limits.helloTimeoutMs) {
        if (this.phase === 'hello') {
          this.close('HELLO_TIMEOUT', `the hello was not complete within ${limits.helloTimeoutMs} ms`)
        } else {
          this.close(
            'STORAGE_UNAVAILABLE',
            `the database did not register this node within ${limits.helloTimeoutMs} ms`,
          )
        }
      }
      return
    }
    if (this.phase === 'closed') {
      if (now - this.closedAt > lingerMs) this.parts.connection.destroy()
      return
    }
    this.settleRouteOpens(now)
    // A link that is not read cannot be heard.
    if (this.opensTooFast) this.heardAt = now
    if (now - this.heardAt >= limits.deadAfterMs) {
      this.close('HEARTBEAT_LOST', `nothing was heard for ${limits.deadAfterMs} ms`)
      return
    }
    if (now - this.heardAt >= limits.pingEveryMs && now - this.pingedAt >= limits.pingEveryMs) this.ping()
    if (this.outbox.ageMs() > limits.slowReaderMs) {
      this.close('SLOW', `this link did not read for ${limits.slowReaderMs} ms`)
      return
    }
    if (this.outbox.lagging) this.outbox.releaseShared()
    this.checkFramePace(now)
    if (this.parts.time() >= this.member!.identity.expiresAt + expiryGraceMs) {
      this.close('TOKEN_EXPIRED', 'the token of this link expired and was not renewed')
    }
  }

  /** A frame that trickles in holds memory and a place: less than 1 KiB/s after 10 s is cut. */
  private checkFramePace(now: number): void {
    if (this.reader.idle) {
      this.frameStart = undefined
      return
    }
    const start = this.frameStart
    if (!start || this.bytesIn - start.bytesIn > this.parts.limits.maxFrameBytes) {
      this.frameStart = { at: now, bytesIn: this.bytesIn }
      return
    }
    const elapsed = now - start.at
    if (elapsed > slowFrameMs && (this.bytesIn - start.bytesIn) * 1_000 < minFrameBytesPerSecond * elapsed) {
      this.close('SLOW', 'a frame came in at less than 1 KiB/s')
    }
  }

  /** Tells the node why, then ends the link. */
  close(code: Code, message: string, reconnectInMs?: number): void {
    if (this.phase === 'closed') return
    const frame = encodeJson(FrameType.close, {
      code,
      message,
      ...(reconnectInMs === undefined ? {} : { reconnectInMs }),
      // A token may have been refused because the node's clock is wrong.
      ...(code === 'UNAUTHORIZED' ? { now: this.parts.time() } : {}),
    })
    if (code === 'SLOW' || code === 'HEARTBEAT_LOST') {
      // Whoever does not read will not read this either; waiting for it would keep the memory.
      this.finish(code, message)
      this.parts.connection.write([frame])
      this.parts.connection.destroy()
      return
    }
    this.outbox.push(frame, 0)
    this.outbox.flush()
    this.finish(code, message)
    this.parts.connection.end()
  }

  private fail(error: unknown): void {
    if (error instanceof SealwayError) {
      this.close(error.code, error.message)
      return
    }
    this.parts.log.error({ err: error, node: this.member?.name }, 'a link failed inside the mediator')
    this.close('INTERNAL', 'the mediator failed; its log has the details')
  }

  private finish(code: Code | 'END', message: string): void {
    if (this.phase === 'closed') return
    this.phase = 'closed'
    this.closedAt = this.parts.now()
    this.runBytes = undefined
    this.outbox.close()
    this.settleProbes(this.closedAt)
    this.parts.events.closed(this, { code, message })
    if (code === 'END') this.parts.connection.destroy()
  }
}

/** The frames of a run, one by one: only for what is refused. */
export function* framesOf(run: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < run.length; ) {
    const end = at + headerBytes + readU32(run, at)
    yield run.subarray(at, end)
    at = end
  }
}

export const frameIdOfFrame = (frame: Uint8Array): Uint8Array => frameIdOf(frame.subarray(headerBytes))
