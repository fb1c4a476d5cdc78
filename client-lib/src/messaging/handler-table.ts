import { quote, SealwayError } from '@sealway/protocol'
import type { Hooks } from './hooks.js'
import { chain, type Handler, type HandlerSteps, readSteps } from './middleware.js'
import { eventEntry } from './payload.js'
import type { Slots } from './slots.js'

export interface Entry {
  /** As it was given to `on`: an action, or `*`. */
  readonly name: string
  /** What `off` knows it by. */
  readonly handler: Handler
  /** Handler and middlewares in one. */
  readonly steps: Handler
  /** The same with hooks, where there are any. */
  run: Handler
  /** Of one sender at once; 0: the default. */
  readonly concurrency: number
  readonly once: boolean
  /** Places that it takes while it runs; a handler that replaces it takes them over. */
  readonly slots: Slots
  /** False for what the library says to itself: the user's hooks do not see it. */
  readonly hooked: boolean
}

/** The library's own names. */
const isOurs = (action: string): boolean => action.startsWith('$')

/** The handlers of a node by action; `*` takes what nothing else does. */
export class HandlerTable {
  private readonly byAction = new Map<string, Entry>()

  constructor(
    private readonly hooks: Hooks,
    private readonly makeSlots: () => Slots,
  ) {}

  /** The user's. */
  get actions(): string[] {
    return [...this.byAction.keys()].filter((action) => !isOurs(action))
  }

  find(action: string): Entry | undefined {
    return this.byAction.get(action) ?? this.byAction.get('*')
  }

  /** @throws SealwayError `INVALID_ARGUMENT` */
  set(action: string, steps: HandlerSteps, { once = false, replace = false, ours = false } = {}): void {
    checkAction(action)
    if (!ours && isOurs(action)) throw invalid(`${quote(action)}: names that begin with $ are the library's own`)
    const { handler, middlewares, concurrency } = readSteps(action, steps)
    if (!replace && this.byAction.has(action)) {
      throw invalid(`${quote(action)} has a handler already; replace(${quote(action)}, ...) or off(${quote(action)})`)
    }
    const chained = chain(middlewares, handler)
    const hooked = !ours || action === eventEntry
    const run = hooked ? this.withHooks(chained) : chained
    const slots = this.byAction.get(action)?.slots ?? this.makeSlots()
    this.byAction.set(action, { name: action, handler, steps: chained, run, concurrency, once, slots, hooked })
  }

  /** @param handler only if it is this one */
  delete(action: string, handler?: Handler): boolean {
    const entry = this.byAction.get(action)
    if (!entry || isOurs(action) || (handler !== undefined && entry.handler !== handler)) return false
    return this.byAction.delete(action)
  }

  /** Hooks came or went. */
  renew(): void {
    for (const entry of this.byAction.values()) if (entry.hooked) entry.run = this.withHooks(entry.steps)
  }

  private withHooks(steps: Handler): Handler {
    return this.hooks.none ? steps : this.hooks.wrap(steps)
  }
}

/** @throws SealwayError `INVALID_ARGUMENT` */
export function checkAction(action: unknown): asserts action is string {
  if (typeof action === 'string' && action.length > 0 && Buffer.byteLength(action) <= 255) return
  throw invalid(`action ${quote(action)} must be a text of 1 to 255 bytes`)
}

const invalid = (message: string) =>
  new SealwayError('INVALID_ARGUMENT', { message, outcome: 'not-delivered', hop: 'client' })
