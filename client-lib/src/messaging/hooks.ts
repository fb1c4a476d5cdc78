import type { SealwayError } from '@sealway/protocol'
import {
  type Command,
  type Context,
  Delivery,
  type ExpectedError,
  isExpectedError,
  type StreamEnd,
} from './delivery.js'
import type { NodeEvents } from './events.js'
import { type Handler, isThenable, type Middleware } from './middleware.js'
import type { AroundSending } from './sending.js'
import { isStream } from './streams/source.js'

/** What became of one message. */
export type Handled = { /** From the first `before` to the end, ms. */ readonly durationMs: number } & (
  | { readonly type: 'answered'; readonly result: unknown }
  /** The handler threw or returned `ctx.fail(...)`. */
  | { readonly type: 'failed'; readonly error: ExpectedError }
  /** It threw anything else. */
  | { readonly type: 'crashed'; readonly error: unknown }
  /** No handler ran: there is none, or no room. */
  | { readonly type: 'refused'; readonly error: SealwayError }
  /** It answered with a stream that did not come to its end: its reader stopped, or the way broke. */
  | { readonly type: 'broken'; readonly error: SealwayError }
)

/** Runs before a handler and its middlewares; what it throws, or rejects with, is the answer. */
export type BeforeHook = (command: Command, context: Context) => unknown

/**
 * Sees what became of a message, before the answer leaves; of a stream, when it has ended. It changes nothing and nobody
 * waits for it.
 */
export type AfterHook = (command: Command, context: Context, handled: Handled) => unknown

/** What a plugin may hang on a node, besides what `install` does. */
export interface PluginHooks {
  readonly name: string
  /** Registered, at first and again after each reconnect. */
  connect?(event: NodeEvents['connected']): void
  disconnect?(event: NodeEvents['disconnected']): void
  before?(command: Command, context: Context): unknown
  after?(command: Command, context: Context, handled: Handled): unknown
  /** A handler crashed, or its answer could not be encoded. */
  error?(event: NodeEvents['handlerError']): void
  /** Runs around the handler, its middlewares and every `before`: what they run in. Returns what `next` returns. */
  around?(command: Command, context: Context, next: () => unknown): unknown
  /** Runs around each verb of this node. */
  sending?: AroundSending
}

interface Hook<Run> {
  /** undefined: every action. */
  readonly action: string | undefined
  readonly run: Run
}

/** What runs before and after the handlers of a node, in the order in which it was added. */
export class Hooks {
  private readonly befores: Hook<BeforeHook>[] = []
  private readonly afters: Hook<AfterHook>[] = []
  private readonly arounds: Middleware[] = []

  constructor(
    private readonly monotonic: () => number,
    /** An `after` threw: that is reported, and changes nothing. */
    private readonly onError: (error: unknown, command: Command, context: Context) => void,
    /** There is a first hook, or none any more. */
    private readonly onChange: () => void,
  ) {}

  get none(): boolean {
    return this.befores.length === 0 && this.afters.length === 0 && this.arounds.length === 0
  }

  /** @returns a function that takes it off again */
  before(action: string | undefined, run: BeforeHook): () => void {
    return this.add(this.befores, { action, run })
  }

  after(action: string | undefined, run: AfterHook): () => void {
    return this.add(this.afters, { action, run })
  }

  around(run: Middleware): void {
    this.arounds.push(run)
    this.onChange()
  }

  private add<Run>(hooks: Hook<Run>[], hook: Hook<Run>): () => void {
    hooks.push(hook)
    this.onChange()
    return () => {
      const at = hooks.indexOf(hook)
      if (at < 0) return
      hooks.splice(at, 1)
      this.onChange()
    }
  }

  /** The handler with all hooks around it. */
  wrap(inner: Handler): Handler {
    return this.arounds.reduceRight<Handler>(
      (next, around) => (command, context) => around(command, context, () => next(command, context)),
      this.withBeforeAndAfter(inner),
    )
  }

  private withBeforeAndAfter(inner: Handler): Handler {
    return (command, context) => {
      const startedAt = this.monotonic()
      const crashed = (error: unknown): never => {
        this.ended(command, context, startedAt, thrown(error))
        throw error
      }
      const answered = (result: unknown): unknown => {
        if (context instanceof Delivery && context.stream && isStream(result)) {
          context.onStreamEnd = (end) => this.ended(command, context, startedAt, handledOf(end, result))
        } else if (isExpectedError(result)) this.ended(command, context, startedAt, { type: 'failed', error: result })
        else this.ended(command, context, startedAt, { type: 'answered', result })
        return result
      }
      let result: unknown
      try {
        const ready = this.runBefores(command, context)
        result = ready ? ready.then(() => inner(command, context)) : inner(command, context)
        if (isThenable(result)) return Promise.resolve(result).then(answered, crashed)
      } catch (error) {
        return crashed(error)
      }
      return answered(result)
    }
  }

  /** No handler ran. */
  refused(delivery: Delivery, error: SealwayError): void {
    this.runAfters(delivery, delivery, { type: 'refused', error, durationMs: 0 })
  }

  private runBefores(command: Command, context: Context): Promise<void> | undefined {
    const hooks = this.befores.filter(({ action }) => action === undefined || action === command.action)
    for (let i = 0; i < hooks.length; i++) {
      const result = hooks[i]!.run(command, context)
      if (!isThenable(result)) continue
      return (async () => {
        await result
        for (const { run } of hooks.slice(i + 1)) await run(command, context)
      })()
    }
    return undefined
  }

  private ended(command: Command, context: Context, startedAt: number, handled: What): void {
    if (this.afters.length > 0)
      this.runAfters(command, context, { ...handled, durationMs: this.monotonic() - startedAt })
  }

  private runAfters(command: Command, context: Context, handled: Handled): void {
    for (const { action, run } of [...this.afters]) {
      if (action !== undefined && action !== command.action) continue
      try {
        const result = run(command, context, handled)
        if (isThenable(result)) Promise.resolve(result).catch((error: unknown) => this.onError(error, command, context))
      } catch (error) {
        this.onError(error, command, context)
      }
    }
  }
}

type What = WithoutDuration<Handled>

const thrown = (error: unknown): What =>
  isExpectedError(error) ? { type: 'failed', error } : { type: 'crashed', error }

function handledOf(end: StreamEnd, result: unknown): What {
  switch (end.type) {
    case 'complete':
      return { type: 'answered', result }
    case 'threw':
      return thrown(end.error)
    case 'broken':
      return end
  }
}

type WithoutDuration<T> = T extends { readonly durationMs: number } ? Omit<T, 'durationMs'> : never
