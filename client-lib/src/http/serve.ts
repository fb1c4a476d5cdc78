import { realTimers, type Timers } from '../session/timers.js'
import { Answer, type AnswerParts } from './answer.js'
import { type Entry, entryOf, type HttpApp, type UpgradeListener } from './app.js'
import type { Exchange, Serve } from './exchange.js'
import { headerOf, isUpgrade } from './hop-by-hop.js'
import { beginUpgrade } from './upgrade.js'

export interface ServeParts {
  /** A handler threw, rejected, or answered with what cannot be sent; the client got a 500, or a broken answer. */
  readonly onError: (error: unknown, exchange: Exchange) => void
  /** Takes upgrades over, in place of the app's own `upgrade` listeners. */
  readonly upgrade?: UpgradeListener | undefined
  readonly timers?: Timers
}

/**
 * Answers exchanges with an app, through real `IncomingMessage` and `ServerResponse` objects.
 * @throws SealwayError `INVALID_ARGUMENT`: this is no app
 */
export function createServe(app: HttpApp, { onError, upgrade, timers = realTimers }: ServeParts): Serve {
  const entry = entryOf(app, upgrade)
  const parts: AnswerParts = { onError, timers }
  let waiting = entry.ready
  waiting?.then(
    () => {
      waiting = undefined
    },
    () => {},
  )
  return (exchange) => {
    if (!waiting) return begin(entry, exchange, parts)
    waiting.then(
      () => begin(entry, exchange, parts),
      (error: unknown) => new Answer(exchange, parts).failed(error),
    )
  }
}

function begin(entry: Entry, exchange: Exchange, parts: AnswerParts): void {
  if (isUpgrade(exchange.head)) {
    const listener = entry.upgrade()
    if (listener) return beginUpgrade(exchange, listener, parts)
  }
  const answer = new Answer(exchange, parts)
  if (answer.over) return
  try {
    const returned = handlerFor(entry, exchange, answer)(answer.request.message, answer.response.message)
    if (isThenable(returned)) returned.then(undefined, (error: unknown) => answer.failed(error))
  } catch (error) {
    answer.failed(error)
  }
}

/** As Node's own server treats `Expect` (RFC 9110 s10.1.1). */
function handlerFor(entry: Entry, exchange: Exchange, { response }: Answer): Entry['request'] {
  const expect = headerOf(exchange.head.headers, 'expect')
  if (expect === undefined) return entry.request
  if (/(?:^|\W)100-continue(?:$|\W)/i.test(expect)) {
    const checkContinue = entry.expectation('checkContinue')
    if (checkContinue) return checkContinue
    response.message.writeContinue()
    return entry.request
  }
  return entry.expectation('checkExpectation') ?? (() => response.message.writeHead(417).end())
}

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
