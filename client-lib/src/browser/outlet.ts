import {
  bundleTargetBytes,
  type Code,
  FrameFlag,
  FrameType,
  headerBytes,
  Kind,
  type Limits,
  maxRecords,
  minSealedBytes,
  SealwayError,
  type Welcome,
  writeHeader,
} from '@sealway/protocol'
import { Fifo } from '../messaging/lines.js'
import { type Bytes, joined } from './bytes.js'
import { Kept } from './kept.js'
import type { PageKey } from './key.js'
import type { PageKeyring } from './keyring.js'
import type { Question } from './question.js'
import { encodeRecord, type RecordFields, rewriteTtl } from './record.js'
import { SealingFlow, sealedFrameBytes } from './seal.js'

/** A record that waits to be sealed. */
export interface Entry {
  readonly bytes: Bytes
  /** Who waits for what becomes of it. */
  readonly question: Question | undefined
  /** The mediator is to say whom it reached. */
  readonly wantAccepted: boolean
  /** It has its place in the queue. */
  readonly queued: (() => void) | undefined
  /** It waits for room, and there will be none: this node was closed. */
  readonly lost: (() => void) | undefined
}

/** What outlets share: the link, the keys, the clock. */
export interface OutletParts {
  readonly name: string
  readonly keyring: PageKeyring
  readonly clock: () => number
  /** 0 to 1, for the spread of retransmissions. */
  readonly random: () => number
  readonly limits: Limits
  /** Counts links; undefined while there is none. */
  readonly linkNumber: () => number | undefined
  /** Whether the link takes more now. */
  readonly linkReady: () => boolean
  readonly write: (frame: Bytes) => void
  /** Something to this address was lost. */
  readonly dropped: (to: string, code: Code) => void
}

/** How many messages may wait for room at one outlet; the next one is refused at once. */
const maxWaiting = 4_096

/**
 * All that goes to one address: what waits, the flow that seals it, the credit of its route.
 * Sealing takes a moment in a browser; what is sent meanwhile goes into the next bundle.
 */
export class Outlet {
  /** Incarnation of the receiver, 0 where it is not known. */
  incarnation = 0
  /** As the mediator last said; undefined before it has. */
  online: boolean | undefined
  /** Who left, and is not settled. */
  readonly awaiting = new Set<Question>()
  private readonly queue: Entry[] = []
  private queuedBytes = 0
  /** Those for whom there is no room. */
  private readonly waiting: Entry[] = []
  private readonly unacked = new Set<Kept>()
  private unackedBytes = 0
  private flow: SealingFlow | undefined
  private keyringVersion = -1
  private sealing = false
  /** The target was there when the link broke, and has not been heard of on the next one. */
  private held = false
  private windowBytes = 0
  private windowFrames = 0
  private maxBundle: number
  private readonly alone = new Fifo<{ readonly plaintext: Bytes; readonly key: PageKey | undefined }>()
  private aloneFlow: SealingFlow | undefined

  constructor(
    readonly to: string,
    readonly scope: string,
    readonly number: number,
    private readonly parts: OutletParts,
  ) {
    this.maxBundle = parts.limits.maxFrameBytes - minSealedBytes
  }

  get idle(): boolean {
    return this.queue.length === 0 && this.waiting.length === 0 && !this.sealing
  }

  /** A new link: its window is whole again. */
  linked({ maxFrameBytes, routeWindowBytes, routeWindowFrames }: Welcome['limits']): void {
    this.windowBytes = routeWindowBytes
    this.windowFrames = routeWindowFrames
    this.maxBundle = maxFrameBytes - minSealedBytes
  }

  /** Where the target was there, what goes to it waits until it is back. */
  unlinked(): void {
    if (this.online) this.held = true
    this.online = undefined
  }

  /** It is back, or was waited for long enough. */
  letGo(): void {
    this.held = false
    this.pump()
  }

  credit(bytes: number, frames: number): void {
    this.windowBytes += bytes
    this.windowFrames += frames
    this.pump()
  }

  /**
   * Adds a record; where there is no room it waits for it.
   * @throws SealwayError `TOO_LARGE`, `NO_KEY`, `BUSY`
   */
  add(fields: RecordFields, more: Partial<Omit<Entry, 'bytes'>> = {}): Entry {
    const { question, wantAccepted = false, queued, lost } = more
    const entry = { bytes: encodeRecord(fields), question, wantAccepted, queued, lost }
    if (entry.bytes.length > this.maxBundle) throw this.tooLarge(fields.payload.length)
    // A key that is missing must be an error of this send, not of a later seal.
    this.parts.keyring.sealing(this.scope)
    if (this.waiting.length === 0 && this.hasRoom(entry)) this.push(entry)
    else if (this.waiting.length < maxWaiting) this.waiting.push(entry)
    else throw this.busy(`${maxWaiting} messages to ${this.to} wait for room already`)
    return entry
  }

  /** As `add`, for what nobody can wait for. @returns false where there is no room */
  tryAdd(fields: RecordFields): boolean {
    if (this.waiting.length > 0 || !this.hasRoom({ bytes: fields.payload })) return false
    this.add(fields)
    return true
  }

  /** Takes out what has not been sealed yet. */
  remove(entry: Entry): void {
    for (const list of [this.waiting, this.queue]) {
      const at = list.indexOf(entry)
      if (at < 0) continue
      list.splice(at, 1)
      if (list === this.queue) this.queuedBytes -= entry.bytes.length
      this.admit()
    }
  }

  /** This node was closed. */
  close(): void {
    for (const { lost } of this.waiting.splice(0)) lost?.()
    this.queue.length = 0
    this.queuedBytes = 0
  }

  private hasRoom({ bytes }: Pick<Entry, 'bytes'>): boolean {
    // What fits a frame is always taken where nothing waits, however small the limit.
    const before = this.queuedBytes + this.unackedBytes
    return before === 0 || before + bytes.length <= this.parts.limits.outletBytes
  }

  private push(entry: Entry): void {
    this.queue.push(entry)
    this.queuedBytes += entry.bytes.length
    entry.queued?.()
    this.pump()
  }

  /** There may be room again: first come, first served. */
  private admit(): void {
    while (this.waiting.length > 0 && this.hasRoom(this.waiting[0]!)) this.push(this.waiting.shift()!)
  }

  private get ready(): boolean {
    return !this.held && this.windowBytes > 0 && this.windowFrames > 0 && this.parts.linkReady()
  }

  /** Seals what is there, as far as link and credit allow. */
  pump(): void {
    if (this.sealing || !this.ready || (this.queue.length === 0 && this.alone.size === 0)) return
    this.sealing = true
    void this.sealAll()
  }

  private async sealAll(): Promise<void> {
    // The rest of a burst joins the first bundle.
    await undefined
    while (this.ready) {
      const alone = this.alone.shift()
      if (alone) await this.sealReceipt(alone.plaintext, alone.key)
      else if (this.queue.length > 0) await this.sealBundle(this.take())
      else break
    }
    this.sealing = false
  }

  /** What fits one bundle, from the front of the queue. */
  private take(): Entry[] {
    const capacity = Math.min(bundleTargetBytes, this.maxBundle)
    const resends = this.queue[0]!.question?.resends ?? false
    let bytes = 0
    let count = 0
    for (const entry of this.queue) {
      if (count > 0 && (bytes + entry.bytes.length > capacity || count === maxRecords)) break
      // A frame that is bound to no process may reach two of them when it is sent again: what is sent once must not be in it.
      if (this.incarnation === 0 && (entry.question?.resends ?? false) !== resends) break
      bytes += entry.bytes.length
      count++
    }
    this.queuedBytes -= bytes
    return this.queue.splice(0, count)
  }

  private async sealBundle(entries: Entry[]): Promise<void> {
    const { clock, linkNumber, dropped } = this.parts
    const link = linkNumber()
    const now = clock()
    const questions = entries.flatMap(({ question }) => (question && !question.settled ? [question] : []))
    let kept: Kept | undefined
    try {
      for (const { bytes, question } of entries) if (question) rewriteTtl(bytes, question.remainingMs())
      const flow = this.currentFlow(now)
      const plaintext = joined(entries.map(({ bytes }) => bytes))
      const { counter, frame } = flow.seal(Kind.bundle, 0, plaintext, 0, this.incarnation)
      if (questions.some(({ resends }) => resends)) kept = this.keep(now, sealedFrameBytes(plaintext.length))
      for (const question of questions) {
        this.awaiting.add(question)
        question.left(flow, counter, kept)
      }
      const sealed = await frame
      if (kept) kept.frame = sealed
      // What was sealed for a link that is gone is lost with it; what is kept goes out on the next one.
      if (linkNumber() === link)
        this.emit(sealed, entries.some((entry) => entry.wantAccepted) ? FrameFlag.wantAccepted : 0)
      else dropped(this.to, 'LINK_LOST')
    } catch (error) {
      // The key was taken away since, or the browser refused: they learn it, and nothing goes out.
      const cause = error instanceof SealwayError ? error : undefined
      for (const question of questions)
        question.fail(question.error(cause?.code ?? 'INTERNAL', String(error), 'not-delivered'))
      dropped(this.to, cause?.code ?? 'INTERNAL')
    }
    this.admit()
  }

  private keep(now: number, bytes: number): Kept {
    const kept = new Kept(now, this.parts.random)
    this.unacked.add(kept)
    this.unackedBytes += bytes
    kept.release = () => {
      if (!this.unacked.delete(kept)) return
      this.unackedBytes -= bytes
      this.admit()
    }
    return kept
  }

  /** Sends again what is due. @returns whether anything is still kept */
  resend(now: number): boolean {
    for (const kept of this.unacked) {
      if (!this.ready) break
      if (!kept.isDue(now)) continue
      kept.sent(now)
      // A copy: the first one may still wait in the transport.
      this.emit(kept.frame!.slice(), 0)
    }
    return this.unacked.size > 0
  }

  /** The way to the target is open again: what is kept need not wait for its turn. */
  hurry(now: number): void {
    for (const kept of this.unacked) kept.hurry(now)
  }

  private emit(frame: Bytes, flags: number): void {
    writeHeader(frame, 0, FrameType.send, flags, this.number, frame.length - headerBytes)
    this.windowBytes -= frame.length
    this.windowFrames--
    this.parts.write(frame)
  }

  /**
   * A receipt in a frame of its own, outside all bundles: what is said to a node that may not share our key.
   * @param key instead of the one that seals in this scope
   */
  sealAlone(plaintext: Bytes, key?: PageKey): void {
    // Those who do not read what they are told are told no more.
    if (this.alone.size >= maxAlone) return
    this.alone.push({ plaintext, key })
    this.pump()
  }

  /** In a flow of its own: a receipt among bundles would look like a bundle that was lost. */
  private async sealReceipt(plaintext: Bytes, own: PageKey | undefined): Promise<void> {
    const { keyring, clock, linkNumber, dropped } = this.parts
    const link = linkNumber()
    try {
      const key = own ?? keyring.sealing(this.scope)
      if (this.aloneFlow?.key !== key || this.aloneFlow.expired(clock())) this.aloneFlow = this.newFlow(key)
      const sealed = await this.aloneFlow.seal(Kind.receipt, 0, plaintext, 0, this.incarnation).frame
      if (linkNumber() === link) this.emit(sealed, 0)
    } catch {
      dropped(this.to, 'NO_KEY')
    }
  }

  /** The receiver is another process now: its counters begin anew. */
  retarget(incarnation: number): void {
    if (this.incarnation === incarnation) return
    if (this.incarnation !== 0) this.flow = this.aloneFlow = undefined
    this.incarnation = incarnation
  }

  private currentFlow(now: number): SealingFlow {
    const { keyring } = this.parts
    if (!this.flow || this.keyringVersion !== keyring.version || this.flow.expired(now)) {
      this.flow = this.newFlow(keyring.sealing(this.scope))
      this.keyringVersion = keyring.version
    }
    return this.flow
  }

  private newFlow(key: PageKey): SealingFlow {
    const { name, clock } = this.parts
    return new SealingFlow({ key, from: name, to: this.to, scope: this.scope, clock })
  }

  busy(message: string, afterMs?: number): SealwayError {
    const detail = { message, outcome: 'not-delivered', hop: 'client', target: this.to } as const
    return new SealwayError('BUSY', afterMs === undefined ? detail : { ...detail, afterMs })
  }

  private tooLarge(bytes: number): SealwayError {
    return new SealwayError('TOO_LARGE', {
      message: `a message of ${bytes} bytes to ${this.to}: a page sends at most ${this.maxBundle} in one; cut it, or send it from a Node process`,
      outcome: 'not-delivered',
      hop: 'client',
      target: this.to,
    })
  }
}

/** Receipts that wait to be sealed for one address. */
const maxAlone = 64
