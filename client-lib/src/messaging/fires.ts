import { Kind, type Limits } from '@sealway/protocol'
import { withCallerMeta } from './caller-meta.js'
import { refuseAborted, timeoutOf } from './deadline.js'
import type { Large } from './large.js'
import { encodeMeta } from './meta.js'
import type { Outlet } from './outlet.js'
import { type ActionNames, type BodyWriter, messageBytes } from './payload.js'
import type { Policies } from './policy/policy.js'
import type { SendOptions } from './verb-options.js'
import type { Waiting } from './waiting.js'

const sendTimeoutMs = 10_000
const done = Promise.resolve()
/** After so many messages, or bytes, a send resolves a turn later: a loop of awaited sends lets timers and sockets run. */
const messagesPerTurn = 1_024
const bytesPerTurn = 1024 * 1024

export interface FiresParts {
  readonly actions: ActionNames
  readonly body: BodyWriter
  readonly large: Large
  readonly policies: Policies
  readonly waiting: Waiting
  readonly limits: Limits
  /** Runs in the next turn of the event loop. */
  readonly nextTurn: (work: () => void) => void
}

/** Messages that nobody answers. */
export class Fires {
  private readonly parts: FiresParts
  private messages = 0
  private bytes = 0

  constructor(parts: FiresParts) {
    this.parts = parts
  }

  /** Resolves when the message is queued here. */
  send(outlet: Outlet, action: string, body: unknown, options: SendOptions | undefined): Promise<void> {
    const { actions, policies, limits, body: writer, waiting } = this.parts
    const name = actions.encode(action)
    const meta = encodeMeta(withCallerMeta(options), Buffer.from)
    if (options?.signal) refuseAborted(options.signal, `send ${action} to ${outlet.to}`)
    const defaultMs = policies.for(outlet.to, action)?.timeoutMs ?? sendTimeoutMs
    const timeoutMs = timeoutOf(options, defaultMs, limits.maxCallTimeoutMs)
    writer.prepare(body)
    const size = messageBytes(name, meta, writer)
    if (!outlet.fits(size)) {
      const send = () => this.parts.large.send(outlet, action, name, meta, timeoutMs, options?.signal)
      if (waiting.isOpen(outlet)) return send()
      // Behind what was sent before, and is still here.
      return waiting
        .add(outlet, whatOf(action, outlet), timeoutMs, options?.signal, () => true, size)
        .then(() => {
          writer.prepare(body)
          return send()
        })
    }
    if (waiting.isOpen(outlet) && outlet.message(Kind.fire, name, meta, writer, -1, -1)) return this.taken(size)
    const attempt = (): boolean => {
      writer.prepare(body)
      return outlet.message(Kind.fire, name, meta, writer, -1, -1)
    }
    return waiting.add(outlet, whatOf(action, outlet), timeoutMs, options?.signal, attempt, size)
  }

  private taken(bytes: number): Promise<void> {
    this.bytes += bytes
    if (++this.messages < messagesPerTurn && this.bytes < bytesPerTurn) return done
    this.messages = 0
    this.bytes = 0
    return new Promise((resolve) => this.parts.nextTurn(resolve))
  }
}

const whatOf = (action: string, { to }: Outlet): string => `send ${action} to ${to}`
