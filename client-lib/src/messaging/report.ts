import type { SealwayError } from '@sealway/protocol'
import { type Asker, errorOf } from './answer-error.js'
import { isUnhandled } from './any-member.js'

/** What became of a broadcast, by node name. */
export interface BroadcastReport {
  /** Members that it was handed to, in no particular order. */
  readonly targets: readonly string[]
  /** With `want`: whose handler ran. */
  readonly ok: readonly string[]
  /** With `want`: who answered with an error. */
  readonly failed: readonly { readonly name: string; readonly error: SealwayError }[]
  /** With `want`: members without a handler for the action; they are not among those that failed. */
  readonly unhandled: readonly string[]
  /** With `want`: who did not answer in time. */
  readonly missing: readonly string[]
  /** With `want: 'replies'`: what each answered. */
  readonly replies: ReadonlyMap<string, unknown>
}

export type Want = 'report' | 'acks' | 'replies'

/** Collects what each member said. */
export class Report {
  want: Want = 'report'
  /** Whom the mediator has handed it to; absent before it has said so. */
  targets: readonly string[] | undefined
  readonly ok: string[] = []
  readonly failed: { name: string; error: SealwayError }[] = []
  readonly unhandled: string[] = []
  readonly replies = new Map<string, unknown>()
  readonly heard = new Set<string>()
  /** Members that disconnected before they answered: nothing more comes from them. */
  readonly gone = new Set<string>()

  /** @returns whether this changes anything: it had not answered */
  left(name: string): boolean {
    if (this.heard.has(name) || this.gone.has(name) || !this.targets?.includes(name)) return false
    this.gone.add(name)
    return true
  }

  /** @returns false where this one has answered already: one more could only be a mistake or a forgery by a member */
  add(asker: Asker, from: string, status: number, body: () => unknown): boolean {
    if (this.heard.has(from)) return false
    this.heard.add(from)
    this.gone.delete(from)
    const error = errorOf(asker, from, status, body)
    if (error && isUnhandled(error)) {
      this.unhandled.push(from)
      return true
    }
    if (error) {
      this.failed.push({ name: from, error })
      return true
    }
    try {
      if (this.want === 'replies') this.replies.set(from, body())
      this.ok.push(from)
    } catch {
      const malformed = asker.error('MALFORMED', `the answer of ${from} cannot be decoded`, 'unknown')
      this.failed.push({ name: from, error: malformed })
    }
    return true
  }

  /** Nothing more is to come. */
  get complete(): boolean {
    if (!this.targets) return false
    return this.want === 'report' || this.targets.every((name) => this.heard.has(name) || this.gone.has(name))
  }

  get missing(): string[] {
    return (this.targets ?? []).filter((name) => !this.heard.has(name))
  }

  get result(): BroadcastReport {
    const { targets = [], ok, failed, unhandled, replies } = this
    return { targets, ok, failed, unhandled, missing: this.want === 'report' ? [] : this.missing, replies }
  }
}
