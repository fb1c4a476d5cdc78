import type { SealwayError } from '@sealway/protocol'
import { errorOf } from '../answer-error.js'
import { type Calls, Pending } from '../calls.js'
import type { Outlet } from '../outlet.js'

/** A stream that was asked for and that nobody has accepted yet: until then it fares as a call. */
export class Opening extends Pending {
  constructor(
    calls: Calls,
    corr: number,
    outlet: Outlet,
    what: string,
    timeoutMs: number,
    signal: AbortSignal | undefined,
    private readonly failed: (error: SealwayError) => void,
  ) {
    super(calls, corr, outlet, what, timeoutMs, signal)
  }

  /** The wait is over: somebody has accepted, or nobody is to any more. @returns whether it had left this process */
  done(): boolean {
    const left = this.flow !== undefined
    if (!this.settled && !left) this.outlet.withdraw(this)
    this.settle()
    return left
  }

  accepted(names: readonly string[]): void {
    this.member = names[0]
    if (this.member !== undefined) this.calls.reached(this, this.member)
  }

  peerLeft(name: string): void {
    if (this.outlet.to !== name && this.member !== name) return
    this.fail(this.error('PEER_GONE', `${this.what}: ${name} disconnected before it accepted`, 'unknown'))
  }

  /** A stream is not answered by a reply; but the receiver may lack the key. */
  answered(from: string, status: number, body: () => unknown): void {
    const error = errorOf(this, from, status, body)
    if (error) this.fail(error)
  }

  fail(error: SealwayError): void {
    if (this.settle()) this.failed(error)
  }
}
