import { type Query, SealwayError } from '@sealway/protocol'
import { aborted, timeoutOf, type WaitOptions } from '../messaging/deadline.js'
import type { Link } from '../session/link.js'
import { signalAfter, type Timers } from '../session/timers.js'

const queryTimeoutMs = 10_000

/**
 * Asks the mediator over the link of now.
 * @param what is asked for, in errors
 * @throws SealwayError `NOT_CONNECTED`, `TIMEOUT`, `ABORTED`; what the mediator says
 */
export type AskMediator = (question: Query, what: string, options?: WaitOptions) => Promise<unknown>

export interface AskMediatorParts {
  readonly name: string
  readonly timers: Timers
  readonly maxTimeoutMs: number
  readonly link: () => Link | undefined
}

export function askMediator({ name, timers, maxTimeoutMs, link }: AskMediatorParts): AskMediator {
  return async (question, what, options) => {
    const current = link()
    const timeoutMs = timeoutOf(options, queryTimeoutMs, maxTimeoutMs)
    if (!current) {
      throw new SealwayError('NOT_CONNECTED', {
        message: `${name} is not connected; it cannot ask for ${what}`,
        outcome: 'not-delivered',
        hop: 'client',
      })
    }
    const { signal, done } = signalAfter(timers, timeoutMs, options?.signal)
    try {
      return await current.query(question, signal)
    } catch (error) {
      if (error instanceof SealwayError) throw error
      if (options?.signal?.aborted) throw aborted(what, options.signal, 'not-delivered')
      throw new SealwayError('TIMEOUT', {
        message: `the mediator did not answer within ${timeoutMs} ms: ${what}`,
        outcome: 'not-delivered',
        hop: 'mediator',
        cause: error,
      })
    } finally {
      done()
    }
  }
}
