import { SealwayError } from '@sealway/protocol'
import type { Timers } from '../session/timers.js'

/** How long a drain waits for handlers, answers and queues, ms (SEMANTICS.md, "Drain"). */
export const drainTimeoutMs = 25_000
const pollMs = 10

export interface LifetimeParts {
  readonly name: string
  readonly timers: Timers
  /** A call is in flight, a handler runs, or something has not left. */
  readonly busy: () => boolean
  /** What is under way may still come to its end. */
  readonly worthWaiting: () => boolean
  /** A drain has begun: nothing new is to come. Resolves, within that time, when all has come that was on its way. */
  readonly drains: (withinMs: number) => Promise<void>
  /** Ends the link. */
  readonly leave: () => void | Promise<void>
}

/** From a node's start to its end. */
export class Lifetime {
  state: 'open' | 'draining' | 'closed' = 'open'
  /** Resolves with the error that ended it, if it was one. Never rejects. */
  readonly closed: Promise<SealwayError | undefined>
  private onClosed!: (error: SealwayError | undefined) => void
  private draining: Promise<void> | undefined
  private readonly parts: LifetimeParts

  constructor(parts: LifetimeParts) {
    this.parts = parts
    this.closed = new Promise((resolve) => {
      this.onClosed = resolve
    })
  }

  /** Finishes what is under way, and leaves. */
  drain(timeoutMs = drainTimeoutMs): Promise<void> {
    this.draining ??= this.finish(timeoutMs)
    return this.draining
  }

  private async finish(timeoutMs: number): Promise<void> {
    const { worthWaiting, drains, timers } = this.parts
    if (this.state === 'open') {
      this.state = 'draining'
      const began = timers.monotonic()
      await drains(timeoutMs)
      await this.quiet(timeoutMs - (timers.monotonic() - began), worthWaiting)
    }
    await this.close()
  }

  /** Resolves when nothing is under way, or when there is no more sense in it. */
  quiet(timeoutMs: number, worthWaiting: () => boolean): Promise<void> {
    const { timers, busy } = this.parts
    return waitWhile(timers, () => busy() && worthWaiting(), timeoutMs)
  }

  /** Leaves now. */
  async close(): Promise<void> {
    if (this.state !== 'closed') {
      this.state = 'closed'
      await this.parts.leave()
    }
    await this.closed
  }

  /** It has ended. */
  over(error: SealwayError | undefined): void {
    this.onClosed(error)
  }

  /** @throws SealwayError `CLOSED` where nothing can be begun any more */
  check(): void {
    if (this.state === 'closed') throw this.closedError()
  }

  closedError(): SealwayError {
    const message = `${this.parts.name} was closed`
    return new SealwayError('CLOSED', { message, outcome: 'not-delivered', hop: 'client' })
  }
}

/** Asks again and again, at most so long. */
export async function waitWhile(timers: Timers, condition: () => boolean, timeoutMs: number): Promise<void> {
  const end = timers.monotonic() + timeoutMs
  while (condition() && timers.monotonic() < end) {
    await new Promise<void>((resolve) => timers.set(resolve, pollMs))
  }
}
