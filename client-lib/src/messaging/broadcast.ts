import type { SealwayError } from '@sealway/protocol'
import { Pending } from './calls.js'
import { type BroadcastReport, Report } from './report.js'

/** Waits for the report: until all who were reached have answered or the deadline has passed. */
export class Broadcast extends Pending {
  readonly report = new Report()
  resolve!: (report: BroadcastReport) => void
  reject!: (error: SealwayError) => void

  accepted(names: readonly string[]): void {
    this.report.targets = names
    this.concludeIfComplete()
  }

  answered(from: string, status: number, body: () => unknown): void {
    if (this.report.add(this, from, status, body)) this.concludeIfComplete()
  }

  peerLeft(): void {}

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
