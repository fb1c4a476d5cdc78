import { Kind, SealwayError } from '@sealway/protocol'
import type { Timers } from '../session/timers.js'
import { Acked } from './acked.js'
import { withCallerMeta } from './caller-meta.js'
import { Call, type Calls, type Pending } from './calls.js'
import type { Large } from './large.js'
import { encodeMeta } from './meta.js'
import type { Outlet } from './outlet.js'
import type { Outlets } from './outlets.js'
import { type ActionNames, type BodyWriter, messageBytes } from './payload.js'
import type { SendOptions } from './verb-options.js'
import type { Waiting } from './waiting.js'

/** How often what is due is sent again, ms. */
const resendTickMs = 100

export interface LauncherParts {
  readonly calls: Calls
  readonly outlets: Outlets
  readonly waiting: Waiting
  readonly actions: ActionNames
  readonly body: BodyWriter
  readonly large: Large
  readonly clock: () => number
  readonly timers: Timers
}

/** Sends what somebody waits for: at once, or when there is room; and again, where it is kept. */
export class Launcher {
  private readonly parts: LauncherParts
  private resending = false

  constructor(parts: LauncherParts) {
    this.parts = parts
  }

  /** A message whose sender waits for what becomes of it: all that goes wrong comes to `pending`. */
  launch(
    pending: Pending,
    outlet: Outlet,
    kind: Kind,
    action: string,
    body: unknown,
    options: SendOptions | undefined,
    ttlMs: number,
    flags: number,
    msgId?: Uint8Array,
  ): void {
    const { actions, body: writer, large } = this.parts
    let name: Uint8Array
    let meta: Uint8Array | undefined
    try {
      name = actions.encode(action)
      meta = encodeMeta(withCallerMeta(options), Buffer.from)
    } catch (error) {
      pending.fail(error as SealwayError)
      return
    }
    const attempt = (): boolean => {
      if (pending.settled) return true
      writer.prepare(body)
      const size = messageBytes(name, meta, writer)
      if (!outlet.fits(size)) {
        if (pending instanceof Call) large.call(pending, outlet, name, meta)
        else if (pending instanceof Acked) large.acked(pending, outlet, name, meta, flags, msgId)
        else throw tooLargeForAll(pending, outlet, size)
        return true
      }
      // A broadcast that only wants to know whom it reached asks the mediator, not the members.
      const corr = ttlMs < 0 ? -1 : pending.corr
      const named = kind === Kind.broadcast || (kind === Kind.call && outlet.to.includes(':'))
      return outlet.message(kind, name, meta, writer, corr, ttlMs, pending, flags, named, msgId)
    }
    if (ttlMs < 0) this.attemptUnanswered(pending, outlet, attempt)
    else this.attempt(pending, outlet, attempt)
  }

  /** No receiver answers it, so it needs their credit. */
  private attemptUnanswered(pending: Pending, outlet: Outlet, attempt: () => boolean): void {
    const { calls, waiting } = this.parts
    calls.add(pending)
    try {
      if (waiting.isOpen(outlet) && attempt()) return
      pending.leaveQueue = waiting.enqueue(outlet, attempt, (error) => pending.fail(error), true)
    } catch (error) {
      pending.fail(error as SealwayError)
    }
  }

  /** @param attempt returns false where there is no room now */
  attempt(pending: Pending, outlet: Outlet, attempt: () => boolean): void {
    const { calls, waiting } = this.parts
    calls.add(pending)
    try {
      // Nobody overtakes those who already wait for room.
      if (waiting.has(outlet) || !attempt()) {
        pending.leaveQueue = waiting.enqueue(outlet, attempt, (error) => pending.fail(error))
      }
    } catch (error) {
      pending.fail(error as SealwayError)
    }
  }

  /** Something is kept: from now on it is looked whether it is due. */
  resendLater(): void {
    if (this.resending) return
    this.resending = true
    const { timers, clock, outlets, calls } = this.parts
    timers.setBackground(() => {
      this.resending = false
      const now = clock()
      let kept = false
      for (const outlet of outlets.all()) kept = outlet.resend(now) || kept
      outlets.flushNow()
      if (kept || calls.count > 0) this.resendLater()
    }, resendTickMs)
  }
}

/** A stream has one other end, so what goes to all must fit a frame. */
const tooLargeForAll = ({ what }: Pending, outlet: Outlet, size: number) =>
  new SealwayError('TOO_LARGE', {
    message: `${what}: ${size} bytes, and what goes to all of a group must fit a frame, ${outlet.maxMessageBytes} bytes on this link: broadcast where it can be fetched, or send it to each by name`,
    outcome: 'not-delivered',
    hop: 'client',
    target: outlet.to,
  })
