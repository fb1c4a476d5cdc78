import type { Code, SealwayError } from '@sealway/protocol'
import type { Retries } from './policy.js'

/** What says that nobody is there to be asked, or not yet. */
const noPeerCodes: ReadonlySet<Code> = new Set<Code>(['OFFLINE', 'UNKNOWN_NODE', 'UNKNOWN_GROUP'])

export const isNoPeer = (error: SealwayError): boolean =>
  noPeerCodes.has(error.code) && error.outcome === 'not-delivered'

/**
 * Whether a call that failed may be made again: it was not delivered, or doing it twice does no harm; and the same call
 * can fare better. Nothing else is ever repeated.
 */
export function mayRetry(error: SealwayError, idempotent: boolean): boolean {
  // An open circuit is there to fail at once.
  if (error.retry === 'never' || error.code === 'CIRCUIT_OPEN') return false
  return error.outcome === 'not-delivered' || idempotent
}

/** How long to wait before the next attempt, ms. @param failed attempts so far, from 1. @param random 0 to 1 */
export function backOffMs(retries: Retries, failed: number, random: number): number {
  const { firstMs, factor, maxMs, jitter } = retries
  const grown = Math.min(firstMs * factor ** Math.min(failed - 1, 100), maxMs)
  return Math.min(grown * (1 + jitter * (2 * random - 1)), maxMs)
}
