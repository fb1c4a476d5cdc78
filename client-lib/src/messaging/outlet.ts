import {
  bundleTargetBytes,
  type Code,
  FrameFlag,
  FrameType,
  headerBytes,
  Kind,
  type Limits,
  minSealedBytes,
  Numbered,
  SealwayError,
  type Welcome,
  writeHeader,
} from '@sealway/protocol'
import { type BundleWriter, maxBundleBytes, maxRecordOverhead } from '../crypto/bundle.js'
import type { Keyring } from '../crypto/keyring.js'
import type { PayloadKey } from '../crypto/keys.js'
import type { Random } from '../crypto/random.js'
import { type SealedFrame, SealingFlow } from '../crypto/seal.js'
import { Allowance } from './allowance.js'
import { type Bundle, freshenDeadlines, remember, takeOut, type Waiter } from './bundle.js'
import { sameFlow } from './frame-id.js'
import { type BodyWriter, messageBytes, writeMessage } from './payload.js'
import type { SendBudget } from './send-budget.js'
import { Unacked, UnackedFrames } from './unacked.js'

/**
 * A bundle is sealed when it has grown to this. At 1 KiB a message, 60 KiB cost the sender 15 % less than 32 KiB: fewer
 * seals, and fewer buffers for the collector (docs/performance.md). The rest of the writer is for one more message.
 */
const sealAtBytes = bundleTargetBytes - 4 * 1024

/** What is special about a record of a stream. */
export interface StreamRecord {
  readonly waiter?: Waiter
  /** How long its sender waits for its acceptance, ms. */
  readonly ttlMs?: number
  readonly wantAccepted?: boolean
  /** It counts against what streams may have waiting here. */
  readonly data?: boolean
  /** Small, and it goes out also where messages wait for room. */
  readonly urgent?: boolean
  /** It was sealed and handed to the link. */
  readonly left?: () => void
}

/** What outlets share: the link, the keys, the memory. */
export interface OutletParts {
  readonly name: string
  readonly keyring: Keyring
  readonly random: Random
  /** 0 to 1, for the spread of retransmissions. */
  readonly chance: () => number
  readonly clock: () => number
  readonly limits: Limits
  /** Counts what waits in all outlets. */
  readonly budget: SendBudget
  /** Hands sealed frames to the link. */
  write(header: Buffer, ciphertext: Buffer, tag: Buffer): void
  /** Whether the link takes more now. */
  readonly linkReady: () => boolean
  /** Opens a route for an outlet that was retired, and is used again. @throws SealwayError `BUSY` */
  reopen(outlet: Outlet): void
  /** Asks for a flush at the end of this burst. */
  schedule(outlet: Outlet): void
  /** Writers are lent: an outlet holds one only while something is in it. */
  borrow(): BundleWriter
  giveBack(writer: BundleWriter): void
  /** A frame of this outlet was lost, as the mediator or the receiver said. */
  dropped(outlet: Outlet, code: Code): void
  /** There is room again for a send that waits. */
  roomy(outlet: Outlet): void
}

/** All that goes to one address: the bundle being filled, those that wait for credit, the flow that seals them. */
export class Outlet {
  /** Incarnation of the receiver, 0 where it is not known. */
  incarnation = 0
  /** It is on the list of those to flush. */
  scheduled = false
  /** As the mediator last said; undefined before it has. */
  online: boolean | undefined
  /** It was there when the link broke, and has not been heard of on the next one. */
  private held = false
  /** Calls and broadcasts that are not settled, whether they have left or not. */
  inFlight = 0
  /** Streams and calls that depend on this route, though nothing of theirs waits here now. */
  holders = 0
  /** Its route was given up: the next use opens another one. */
  retired = false
  /** Frames sealed when it was last looked at whether this is still in use. */
  framesSeen = -1
  /** Records of calls and broadcasts that left and are not settled. */
  readonly awaiting = new Numbered<Waiter>()
  /** Data of streams that waits here, bytes. */
  streamBytes = 0
  private unanswered: Allowance | undefined
  private flow: SealingFlow | undefined
  private keyringVersion = -1
  private current: Bundle | undefined
  private readonly queue: Bundle[] = []
  private readonly unacked = new UnackedFrames()
  private queuedBytes = 0
  /** Longest bundle that a frame of this link holds, bytes. */
  private maxBundle = maxBundleBytes
  private windowBytes = 0
  private windowFrames = 0

  constructor(
    readonly to: string,
    readonly scope: string,
    public number: number,
    private readonly parts: OutletParts,
  ) {}

  /** The mediator says whether the target is connected. */
  reached(online: boolean): void {
    this.online = online
    this.unanswered?.reached(online)
  }

  get isToGroup(): boolean {
    return this.to.includes(':')
  }

  /** What it may still take of messages that nobody waits for. */
  get allowance(): Allowance {
    if (!this.unanswered) {
      this.unanswered = new Allowance(!this.isToGroup)
      this.unanswered.reached(this.online !== false)
    }
    return this.unanswered
  }

  /** Whether this is the flow that seals here now. @param flow begins with the 8 bytes that name it */
  seals(flow: Uint8Array): boolean {
    return this.flow !== undefined && sameFlow(this.flow.id, flow)
  }

  get flowId(): Uint8Array | undefined {
    return this.flow?.id
  }

  /** A frame was refused by the mediator. @returns how many messages that nobody waits for were in it */
  rejected(flow: Uint8Array, counter: number): number {
    return this.unanswered && this.seals(flow) ? this.unanswered.rejected(counter) : 0
  }

  /** Bytes of plaintext that wait here. */
  get waitingBytes(): number {
    return this.queuedBytes + (this.current?.writer.bytes ?? 0)
  }

  /** Records that wait here. */
  get waitingMessages(): number {
    let messages = this.current?.writer.records ?? 0
    for (const { writer } of this.queue) messages += writer.records
    return messages
  }

  get idle(): boolean {
    return this.current === undefined && this.queue.length === 0
  }

  /** Whether giving up its route loses nothing that somebody waits for. */
  get disposable(): boolean {
    if (!this.idle || this.scheduled || this.inFlight > 0 || this.holders > 0) return false
    return this.awaiting.size === 0 && this.unacked.all.size === 0
  }

  /** Frames that it has sealed in its present flow. */
  get framesSealed(): number {
    return this.flow?.nextCounter ?? 0
  }

  hasRoom(bytes: number): boolean {
    // What fits a frame is always taken where nothing waits, however small the limit.
    const waiting = this.waitingBytes + this.unacked.bytes
    if (waiting > 0 && waiting + bytes > this.parts.limits.outletBytes) return false
    const { share } = this.parts.budget
    if (waiting === 0 ? share > 0 : waiting + bytes <= share) return true
    this.parts.budget.refused(this)
    return false
  }

  /** The link is gone; where the target was there, what goes to it waits until it is back. */
  unlinked(): void {
    if (this.online) this.held = true
    this.online = undefined
    this.unanswered?.reached(true)
  }

  /** It is back, or was waited for long enough. */
  letGo(): void {
    if (!this.held) return
    this.held = false
    this.pump()
  }

  /** A new link: its window is whole again. */
  linked(limits: Welcome['limits']): void {
    this.windowBytes = limits.routeWindowBytes
    this.windowFrames = limits.routeWindowFrames
    this.maxBundle = Math.min(maxBundleBytes, limits.maxFrameBytes - minSealedBytes)
  }

  credit(bytes: number, frames: number): void {
    this.windowBytes += bytes
    this.windowFrames += frames
    this.pump()
  }

  /**
   * Adds a message. The body was prepared in `body`.
   * @param corr -1 without
   * @param ttlMs -1 without
   * @param wantAccepted the mediator is to report by name whom it reached
   * @returns false where there is no room now
   * @throws SealwayError `TOO_LARGE`, `NO_KEY`
   */
  message(
    kind: Kind,
    action: Uint8Array,
    meta: Uint8Array | undefined,
    body: BodyWriter,
    corr: number,
    ttlMs: number,
    waiter?: Waiter,
    flags = 0,
    wantAccepted = false,
    msgId?: Uint8Array,
  ): boolean {
    const size = messageBytes(action, meta, body)
    const at = this.begin(kind, size, corr, ttlMs, msgId, 0, waiter?.resends)
    if (at < 0) return false
    const bundle = this.current!
    const { writer } = bundle
    const { buffer, bytes: start } = writer
    writer.end(writeMessage(buffer, at, action, meta, body, flags))
    if (wantAccepted) bundle.wantAccepted = true
    if (waiter) remember(bundle, waiter, start)
    if (corr < 0) {
      bundle.unanswered++
      bundle.unansweredBytes += size
      this.allowance.queued(size)
      if (waiter) waiter.unansweredBytes = size
    }
    this.appended(bundle)
    return true
  }

  /** Longest message that a frame of this link holds. */
  get maxMessageBytes(): number {
    return this.maxBundle - maxRecordOverhead
  }

  /** Whether a message of so many bytes fits a frame of this link. */
  fits(bytes: number): boolean {
    return bytes + maxRecordOverhead <= this.maxBundle
  }

  /**
   * Adds a record of a stream (streams/wire.ts).
   * @param fill writes at most `size` bytes where it is told to, and returns where they end
   * @returns false where there is no room now
   * @throws SealwayError `TOO_LARGE`, `NO_KEY`
   */
  stream(corr: number, size: number, fill: (buffer: Buffer, at: number) => number, record: StreamRecord): boolean {
    const slack = record.urgent ? urgentBytes : 0
    const at = this.begin(Kind.stream, size, corr, record.ttlMs ?? -1, undefined, slack)
    if (at < 0) return false
    const bundle = this.current!
    const { writer } = bundle
    const start = writer.bytes
    writer.end(fill(writer.buffer, at))
    if (record.wantAccepted) bundle.wantAccepted = true
    if (record.data) {
      bundle.streamBytes += size
      this.streamBytes += size
    }
    if (record.left) bundle.left = [...(bundle.left ?? []), record.left]
    if (record.waiter) remember(bundle, record.waiter, start)
    this.appended(bundle)
    return true
  }

  /** Adds an answer to what came with `corr`. */
  reply(status: number, body: BodyWriter, corr: number): boolean {
    const at = this.begin(Kind.reply, 2 + body.size, corr, -1)
    if (at < 0) return false
    const bundle = this.current!
    const { buffer } = bundle.writer
    buffer[at] = status
    buffer[at + 1] = body.encoding
    bundle.writer.end(body.write(buffer, at + 2))
    this.appended(bundle)
    return true
  }

  /** Adds a record as it is: a receipt, or a call's withdrawal (a call without payload). */
  raw(kind: Kind, payload: Uint8Array, corr = -1): boolean {
    const at = this.begin(kind, payload.length, corr, -1)
    if (at < 0) return false
    const bundle = this.current!
    bundle.writer.buffer.set(payload, at)
    bundle.writer.end(at + payload.length)
    this.appended(bundle)
    return true
  }

  /** Takes out the record of somebody who no longer waits. @returns false where it has left already */
  withdraw(waiter: Waiter): boolean {
    if (this.awaiting.delete(waiter.corr)) return false
    for (const bundle of this.current ? [...this.queue, this.current] : this.queue) {
      const bytes = takeOut(bundle, waiter)
      if (bytes === 0) continue
      if (bundle !== this.current) this.queuedBytes -= bytes
      bundle.counted -= bytes
      this.parts.budget.add(-bytes)
      if (waiter.unansweredBytes !== undefined) this.unanswered?.withdrawn(waiter.unansweredBytes)
      return true
    }
    return false
  }

  private begin(
    kind: Kind,
    size: number,
    corr: number,
    ttlMs: number,
    msgId?: Uint8Array,
    slack = 0,
    resends = false,
  ): number {
    const needed = size + maxRecordOverhead
    if (needed > this.maxBundle) throw this.tooLarge(size)
    if (this.retired) this.parts.reopen(this)
    if (!this.hasRoom(size - slack)) return -1
    // A key that is missing must be an error of this send, not of a later flush.
    if (this.keyringVersion !== this.parts.keyring.version) this.renewFlow()
    // A frame that is bound to no process may reach two of them when it is sent again: what is sent once must not be in it.
    if (this.current && this.incarnation === 0 && this.current.resends !== resends) this.finishCurrent()
    if (this.current) {
      const fits = this.current.writer.bytes + needed <= this.maxBundle
      const at = fits ? this.place(this.current.writer, kind, size, corr, ttlMs, msgId) : -1
      if (at >= 0) return at
      this.finishCurrent()
    }
    const writer = this.parts.borrow()
    const at = this.place(writer, kind, size, corr, ttlMs, msgId)
    if (at < 0) {
      this.parts.giveBack(writer)
      throw this.tooLarge(size)
    }
    this.current = {
      writer,
      streamBytes: 0,
      counted: 0,
      unanswered: 0,
      unansweredBytes: 0,
      left: undefined,
      waiters: undefined,
      wantAccepted: false,
      resends,
      openedAt: this.parts.clock(),
    }
    return at
  }

  /** Nothing more is added to the bundle that is being filled. */
  private finishCurrent(): void {
    this.flush()
    if (this.current) this.enqueue(this.current)
  }

  private tooLarge(size: number): SealwayError {
    return new SealwayError('TOO_LARGE', {
      message: `a message of ${size} bytes to ${this.to} does not fit a frame`,
      outcome: 'not-delivered',
      hop: 'client',
      target: this.to,
    })
  }

  private place(
    writer: BundleWriter,
    kind: Kind,
    size: number,
    corr: number,
    ttlMs: number,
    msgId: Uint8Array | undefined,
  ): number {
    return writer.begin(kind, size, msgId, corr < 0 ? undefined : corr, ttlMs < 0 ? undefined : ttlMs)
  }

  private appended(bundle: Bundle): void {
    const { bytes } = bundle.writer
    this.parts.budget.add(bytes - bundle.counted)
    bundle.counted = bytes
    if (bundle.writer.bytes < sealAtBytes) {
      this.parts.schedule(this)
    } else {
      this.flush()
      if (this.current) {
        this.enqueue(this.current)
        this.current = undefined
      }
      this.parts.schedule(this)
    }
  }

  private enqueue(bundle: Bundle): void {
    this.queue.push(bundle)
    this.queuedBytes += bundle.writer.bytes
    if (this.current === bundle) this.current = undefined
  }

  private get ready(): boolean {
    return !this.held && this.windowBytes > 0 && this.windowFrames > 0 && this.parts.linkReady()
  }

  /** Seals what is there, as far as link and credit allow. */
  flush(): void {
    if (this.queue.length > 0) this.pump()
    const bundle = this.current
    if (!bundle || this.queue.length > 0 || !this.ready) return
    this.current = undefined
    this.seal(bundle)
    this.parts.roomy(this)
  }

  /** Seals bundles that have waited. */
  pump(): void {
    if (this.queue.length === 0) {
      if (this.current) this.parts.schedule(this)
      return
    }
    while (this.queue.length > 0 && this.ready) {
      const bundle = this.queue.shift()!
      this.queuedBytes -= bundle.writer.bytes
      this.seal(bundle)
    }
    // Behind a queue it leaves when credit or the link let the queue go; asking again before that would only spin.
    if (this.current && this.queue.length === 0) this.parts.schedule(this)
    this.parts.roomy(this)
  }

  private seal(bundle: Bundle): void {
    const { writer, waiters } = bundle
    this.streamBytes -= bundle.streamBytes
    this.parts.budget.add(-bundle.counted)
    if (writer.records > 0) {
      const now = this.parts.clock()
      if (!this.flow || this.flow.expired(now) || this.keyringVersion !== this.parts.keyring.version) this.renewFlow()
      const flow = this.flow!
      if (waiters) freshenDeadlines(bundle, now)
      const frame: SealedFrame = flow.seal(Kind.bundle, 0, writer.take(), 0, this.incarnation)
      if (waiters) this.await(waiters, flow, frame, now)
      if (bundle.unanswered > 0) this.allowance.sealed(frame.counter, bundle.unanswered, bundle.unansweredBytes)
      this.emit(frame, bundle.wantAccepted ? FrameFlag.wantAccepted : 0)
    }
    writer.reset()
    this.parts.giveBack(writer)
    if (bundle.left) for (const left of bundle.left) left()
  }

  private await(waiters: readonly Waiter[], flow: SealingFlow, frame: SealedFrame, now: number): void {
    const kept = waiters.some((waiter) => waiter.resends && !waiter.settled)
      ? this.unacked.add(new Unacked(frame, now, this.parts.chance))
      : undefined
    if (kept) this.parts.budget.add(kept.frame.bytes)
    for (const waiter of waiters) {
      if (waiter.settled) continue
      this.awaiting.set(waiter.corr, waiter)
      waiter.sealed(flow, frame.counter, kept)
    }
  }

  /** All who waited for this frame are settled. */
  forget(kept: Unacked): void {
    if (!this.unacked.delete(kept)) return
    this.parts.budget.add(-kept.frame.bytes)
    this.parts.roomy(this)
    this.parts.budget.serve()
  }

  /** Sends again what is due. @returns whether anything is still kept */
  resend(now: number): boolean {
    for (const kept of this.unacked.all) {
      if (!this.ready) break
      if (!kept.isDue(now)) continue
      kept.sent(now)
      this.emit(kept.frame, 0)
    }
    return this.unacked.all.size > 0
  }

  /** The way to the target is open again: what is kept need not wait for its turn. */
  hurry(now: number): void {
    for (const kept of this.unacked.all) kept.hurry(now)
  }

  private emit(frame: SealedFrame, flags: number): void {
    writeHeader(frame.header, 0, FrameType.send, flags, this.number, frame.bytes)
    this.windowBytes -= frame.bytes + headerBytes
    this.windowFrames--
    this.parts.write(frame.header, frame.ciphertext, frame.tag)
  }

  /**
   * A frame of its own, outside all bundles: what is said to a node that may not share our key. It does not wait for the
   * link, which over socket.io is never ready right after a write.
   * @param key instead of the one that seals in this scope
   */
  sealAlone(kind: Kind, plaintext: Uint8Array, key?: PayloadKey): void {
    if (this.retired) this.parts.reopen(this)
    if (this.windowBytes <= 0 || this.windowFrames <= 0) return
    if (key) {
      this.emit(this.newFlow(key).seal(kind, 0, plaintext, 0, this.incarnation), 0)
      return
    }
    const stale = this.keyringVersion !== this.parts.keyring.version
    if (!this.flow || stale || this.flow.expired(this.parts.clock())) this.renewFlow()
    this.emit(this.flow!.seal(kind, 0, plaintext, 0, this.incarnation), 0)
  }

  /** The receiver is another process now: its counters begin anew. */
  retarget(incarnation: number): void {
    if (this.incarnation === incarnation) return
    if (this.incarnation !== 0) {
      this.flow = undefined
      this.unanswered?.anotherProcess()
    }
    this.incarnation = incarnation
  }

  private renewFlow(): void {
    const { keyring } = this.parts
    this.flow = this.newFlow(keyring.sealing(this.scope))
    this.keyringVersion = keyring.version
    this.unanswered?.restart()
  }

  private newFlow(key: PayloadKey): SealingFlow {
    const { name, random, clock } = this.parts
    return new SealingFlow({ key, from: name, to: this.to, scope: this.scope, random, clock })
  }
}

/** What urgent records may take beyond the limit: each stream has few and small ones, but a peer may ask for many. */
const urgentBytes = 1024 * 1024
