import type { SealwayError } from '@sealway/protocol'
import { errorOf, Pending } from './calls.js'

/** What became of a broadcast, by node name. */
export interface BroadcastReport {
  /** Members that it was handed to, in no particular order. */
  readonly targets: readonly string[]
  /** With `want`: whose handler ran. */
  readonly ok: readonly string[]
  /** With `want`: who answered with an error. */
  readonly failed: readonly { readonly name: string; readonly error: SealwayError }[]
  /** With `want`: who did not answer in time. */
  readonly missing: readonly string[]
  /** With `want: 'replies'`: what each answered. */
  readonly replies: ReadonlyMap<string, unknown>
}

export type Want = 'report' | 'acks' | 'replies'

/** Collects the report: who was reached, and what each of them said, until all have or the deadline has passed. */
export class Broadcast extends Pending {
  want: Want = 'report'
  resolve!: (report: BroadcastReport) => void
  reject!: (error: SealwayError) => void
  protected targets: readonly string[] | undefined
  protected readonly ok: string[] = []
  protected readonly failed: { name: string; error: SealwayError }[] = []
  protected readonly replies = new Map<string, unknown>()
  protected readonly heard = new Set<string>()

  accepted(names: readonly string[]): void {
    this.targets = names
    this.concludeIfComplete()
  }

  answered(from: string, status: number, body: () => unknown): void {
    // One answer per member; more could only be a mistake or a forgery by a member.
    if (this.heard.has(from)) return
    this.heard.add(from)
    const error = errorOf(this, from, status, body)
    if (error) this.failed.push({ name: from, error })
    else {
      try {
        if (this.want === 'replies') this.replies.set(from, body())
        this.ok.push(from)
      } catch {
        this.failed.push({
          name: from,
          error: this.error('MALFORMED', `the answer of ${from} cannot be decoded`, 'unknown'),
        })
      }
    }
    this.concludeIfComplete()
  }

  peerLeft(): void {}

  /** The deadline: with a report under way, who has not answered is missing, and that is the answer. */
  protected override onGiveUp(error: SealwayError): void {
    if (this.targets && error.code === 'TIMEOUT') this.conclude()
    else this.fail(error)
  }

  fail(error: SealwayError): void {
    if (this.settle()) this.reject(error)
  }

  protected concludeIfComplete(): void {
    if (!this.targets) return
    if (this.want === 'report' || this.targets.every((name) => this.heard.has(name))) this.conclude()
  }

  protected conclude(): void {
    if (!this.settle()) return
    const { ok, failed, replies, heard } = this
    const targets = this.targets ?? []
    const missing = this.want === 'report' ? [] : targets.filter((name) => !heard.has(name))
    this.resolve({ targets, ok, failed, missing, replies })
  }
}
