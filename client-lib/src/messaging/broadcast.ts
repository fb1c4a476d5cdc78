import type { SealwayError } from '@sealway/protocol'
import { Pending } from './calls.js'
import { type BroadcastReport, Report } from './report.js'

/** Members whose links are followed, to hear when one of them leaves; in a larger group the deadline tells. */
const maxFollowed = 64

/** Waits for the report: until all who were reached have answered or the deadline has passed. */
export class Broadcast extends Pending {
  readonly report = new Report()
  resolve!: (report: BroadcastReport) => void
  reject!: (error: SealwayError) => void

  accepted(names: readonly string[]): void {
    this.report.targets = names
    this.concludeIfComplete()
    if (this.settled || names.length > maxFollowed) return
    for (const name of names) if (!this.report.heard.has(name)) this.calls.reached(this, name)
  }

  answered(from: string, status: number, body: () => unknown): void {
    if (this.report.add(this, from, status, body)) this.concludeIfComplete()
  }

  peerLeft(name: string): void {
    if (this.report.left(name)) this.concludeIfComplete()
  }

  /** The deadline: with a report under way, who has not answered is missing, and that is the answer. */
  protected override onGiveUp(error: SealwayError): void {
    if (this.report.targets && error.code === 'TIMEOUT') this.conclude()
    else this.fail(error)
  }

  fail(error: SealwayError): void {
    if (this.settle()) this.reject(error)
  }

  protected concludeIfComplete(): void {
    if (this.report.complete) this.conclude()
  }

  protected conclude(): void {
    if (this.settle()) this.resolve(this.report.result)
  }
}
