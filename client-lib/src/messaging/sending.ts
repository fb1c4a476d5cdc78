import { SealwayError } from '@sealway/protocol'
import { diagnostics, type SentEvent, type Verb } from './diagnostics.js'

/** One use of a verb, as those see it who run around it. */
export interface Sending {
  readonly node: string
  readonly verb: Verb
  /** As it was given: a name, `any:<group>`, a group. */
  readonly to: string
  readonly action: string
}

/** What may be put beside the body, unless the caller did. */
export interface Trace {
  readonly traceparent?: string
  readonly baggage?: string
}

/**
 * Runs around each use of a verb. `next` does it, and is called once, in the same turn; its promise ends with the verb,
 * for a stream when a handler has begun. It changes neither the result nor the error.
 */
export type AroundSending = (sending: Sending, next: (trace: Trace) => Promise<unknown>) => void

/** What looks at the verbs of one node while they run. */
export class Senders {
  private readonly arounds: AroundSending[] = []

  constructor(
    private readonly node: string,
    private readonly monotonic: () => number,
    private readonly failed: (error: unknown) => void,
  ) {}

  add(around: AroundSending): void {
    this.arounds.push(around)
  }

  /** Nobody looks: the verb runs as it is. */
  get none(): boolean {
    return this.arounds.length === 0 && !diagnostics.sent.hasSubscribers && !diagnostics.settled.hasSubscribers
  }

  /** @param run does it, with what is put beside the body. It is called exactly once */
  around<T>(verb: Verb, to: string, action: string, run: (trace: Trace) => { result: T; ended: Promise<unknown> }): T {
    const sending = { node: this.node, verb, to, action }
    if (diagnostics.sent.hasSubscribers) diagnostics.sent.publish(sending satisfies SentEvent)
    let ran: { result: T; ended: Promise<unknown> } | undefined
    let thrown: { readonly error: unknown } | undefined
    const start = (trace: Trace): Promise<unknown> => {
      if (!ran && !thrown) {
        try {
          ran = run(trace)
        } catch (error) {
          thrown = { error }
        }
      }
      return ran?.ended ?? Promise.reject(thrown!.error)
    }
    const first = this.arounds.reduceRight<(trace: Trace) => Promise<unknown>>(
      (next, around) => (outer) => {
        const inner = (trace: Trace): Promise<unknown> => next({ ...outer, ...trace })
        try {
          around(sending, inner)
        } catch (error) {
          this.failed(error)
        }
        // One that did not call it, or threw before, does not keep the verb from running.
        return inner({})
      },
      start,
    )
    const began = this.monotonic()
    const ended = first({})
    // Whoever called the verb has this error from its result.
    ended.catch(() => {})
    if (diagnostics.settled.hasSubscribers) this.tellEnd(sending, began, ended)
    if (thrown) throw (thrown as { readonly error: unknown }).error
    return ran!.result
  }

  private tellEnd(sending: Sending, began: number, ended: Promise<unknown>): void {
    const tell = (code: string | undefined): void =>
      diagnostics.settled.publish({ ...sending, durationMs: this.monotonic() - began, code })
    ended.then(
      () => tell(undefined),
      (error: unknown) => tell(error instanceof SealwayError ? error.code : 'INTERNAL'),
    )
  }
}
