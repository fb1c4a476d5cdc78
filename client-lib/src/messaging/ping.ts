import { SealwayError } from '@sealway/protocol'
import type { MediatorClock } from '../session/mediator-clock.js'
import type { Timers } from '../session/timers.js'
import type { WaitOptions } from './deadline.js'

/** The action that the plugin `ping` answers. */
export const pingAction = 'sealway.ping'

/** What a ping found out. */
export interface Ping {
  /** There and back, ms. */
  readonly rttMs: number
  /** How far the other clock is ahead of this machine's, ms; undefined where the other side does not tell its time. */
  readonly offsetMs: number | undefined
}

export interface PingParts {
  readonly call: (to: string, action: string, body: undefined, options?: WaitOptions) => Promise<unknown>
  readonly clock: () => number
  readonly timers: Timers
}

/**
 * End to end: from library to library, sealed both ways. A node that does not know the plugin answers, too, that it has
 * no handler; that it answers is what counts.
 */
export async function pingPeer({ call, clock, timers }: PingParts, peer: string, options?: WaitOptions): Promise<Ping> {
  const askedAt = timers.monotonic()
  let now: unknown
  try {
    const answer = await call(peer, pingAction, undefined, options)
    now = (answer as { now?: unknown } | null | undefined)?.now
  } catch (error) {
    if (!(error instanceof SealwayError && error.code === 'NO_HANDLER')) throw error
  }
  const rttMs = timers.monotonic() - askedAt
  return { rttMs, offsetMs: typeof now === 'number' ? now + rttMs / 2 - clock() : undefined }
}

export interface MediatorPingParts {
  readonly askTime: () => Promise<unknown>
  readonly mediatorClock: MediatorClock
  readonly timers: Timers
}

/** To the mediator and back, which makes its clock better known. */
export async function pingMediator({ askTime, mediatorClock, timers }: MediatorPingParts): Promise<Ping> {
  const askedAt = timers.monotonic()
  const { now } = (await askTime()) as { now: number }
  const answeredAt = timers.monotonic()
  mediatorClock.answered(now, askedAt, answeredAt)
  return { rttMs: answeredAt - askedAt, offsetMs: mediatorClock.offsetMs }
}
