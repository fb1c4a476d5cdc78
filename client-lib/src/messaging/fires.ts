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

export interface FiresParts {
  readonly actions: ActionNames
  readonly body: BodyWriter
  readonly large: Large
  readonly policies: Policies
  readonly waiting: Waiting
  readonly limits: Limits
}

/** Messages that nobody answers. */
export class Fires {
  private readonly parts: FiresParts

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
    if (!outlet.fits(messageBytes(name, meta, writer))) {
      const send = () => this.parts.large.send(outlet, action, name, meta, timeoutMs, options?.signal)
      if (waiting.isOpen(outlet)) return send()
      // Behind what was sent before, and is still here.
      return waiting
        .add(outlet, `send ${action} to ${outlet.to}`, timeoutMs, options?.signal, () => true)
        .then(() => {
          writer.prepare(body)
          return send()
        })
    }
    if (waiting.isOpen(outlet) && outlet.message(Kind.fire, name, meta, writer, -1, -1)) return done
    return waiting.add(outlet, `send ${action} to ${outlet.to}`, timeoutMs, options?.signal, () => {
      writer.prepare(body)
      return outlet.message(Kind.fire, name, meta, writer, -1, -1)
    })
  }
}
