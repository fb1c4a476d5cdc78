import { quote, SealwayError } from '@sealway/protocol'
import type { Command, Context } from './delivery.js'
import { namesOf, refuseUnknown } from './known-options.js'

/** Returns the answer, or a promise of it. Throws `context.fail(...)` for an expected error, anything else for a crash. */
export type Handler<Body = unknown> = (command: Command<Body>, context: Context) => unknown

/**
 * Runs around a handler. `next()` goes on, once, and gives the answer of what comes after. What a middleware returns is
 * the answer; one that returns nothing leaves it as it is. One that throws, or does not call `next`, keeps the rest from
 * running.
 */
export type Middleware<Body = unknown> = (command: Command<Body>, context: Context, next: () => unknown) => unknown

export interface HandlerOptions {
  /**
   * How many messages of one sender this handler takes at once; the next starts when one of them is done.
   * Default: what nobody waits for (fire, event, broadcast) one after the other over all actions of its sender; what
   * somebody waits for (call, acked) at once.
   */
  readonly concurrency?: number
}

/** What follows the action in `on`: options, middlewares and the handler. */
export type HandlerSteps = readonly (HandlerOptions | Middleware<never> | Handler<never>)[]

const handlerOptions = namesOf<HandlerOptions>({ concurrency: true })

/** @throws SealwayError `INVALID_ARGUMENT` */
export function readSteps(action: string, steps: HandlerSteps) {
  const [first] = steps
  const options = typeof first === 'object' && first !== null ? first : undefined
  refuseUnknown(options, handlerOptions, 'on')
  const functions = options ? steps.slice(1) : [...steps]
  const strange = functions.find((step) => typeof step !== 'function')
  if (functions.length === 0 || strange !== undefined || functions.includes(undefined as never)) {
    throw invalid(`the handler of ${quote(action)} must be a function, and so must what comes before it`)
  }
  return {
    concurrency: readConcurrency(action, options?.concurrency),
    middlewares: functions.slice(0, -1) as Middleware[],
    handler: functions.at(-1) as Handler,
  }
}

/** 0 where nothing is said. */
function readConcurrency(action: string, concurrency: unknown): number {
  if (concurrency === undefined) return 0
  if (
    typeof concurrency === 'number' &&
    concurrency >= 1 &&
    (Number.isInteger(concurrency) || concurrency === Infinity)
  )
    return concurrency
  throw invalid(
    `concurrency of ${quote(action)} must be a whole number above 0, or Infinity, not ${String(concurrency)}`,
  )
}

/** One function of all steps: the first middleware is the outermost. */
export function chain(middlewares: readonly Middleware[], handler: Handler): Handler {
  return middlewares.reduceRight<Handler>((inner, middleware) => around(middleware, inner), handler)
}

function around(middleware: Middleware, inner: Handler): Handler {
  return (command, context) => {
    let called = false
    let answer: unknown
    const next = (): unknown => {
      if (called) throw new Error('a middleware called next() twice')
      called = true
      answer = inner(command, context)
      if (!isThenable(answer)) return answer
      const promise = Promise.resolve(answer)
      answer = promise
      // A middleware that fails without waiting for it must not leave a rejection that ends the process.
      promise.catch(() => {})
      return promise
    }
    const own = middleware(command, context, next)
    if (isThenable(own)) return Promise.resolve(own).then((value) => (value === undefined && called ? answer : value))
    return own === undefined && called ? answer : own
  }
}

/** Looks at what a handler returned, which may throw. */
export const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'

const invalid = (message: string) =>
  new SealwayError('INVALID_ARGUMENT', { message, outcome: 'not-delivered', hop: 'client' })
