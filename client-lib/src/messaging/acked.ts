import { createHash } from 'node:crypto'
import { SealwayError } from '@sealway/protocol'
import { errorOf } from './answer-error.js'
import { Pending } from './calls.js'

/** Proof, sealed by the receiving library, of what became of a message. */
export interface Receipt {
  readonly id: string | undefined
  /** The node that says so. */
  readonly by: string
  /** `delivered`: opened there. `processed`: its handler is done. */
  readonly status: 'delivered' | 'processed'
  /** From the send to the receipt, ms. */
  readonly afterMs: number
}

/** A message that is sent again until its receipt is there. */
export class Acked extends Pending {
  override resends = true
  id: string | undefined
  until: Receipt['status'] = 'processed'
  resolve!: (receipt: Receipt) => void
  reject!: (error: SealwayError) => void

  answered(from: string, status: number, body: () => unknown): void {
    const error = errorOf(this, from, status, body)
    const afterMs = this.elapsedMs()
    if (!this.settle()) return
    if (error) this.reject(error)
    else this.resolve({ id: this.id, by: from, status: this.until, afterMs })
  }

  accepted(): void {}

  peerLeft(name: string): void {
    this.fail(this.error('PEER_GONE', `${this.what}: ${name} disconnected before its receipt came`, 'unknown'))
  }

  fail(error: SealwayError): void {
    if (this.settle()) this.reject(error)
  }
}

/** A message id of 16 bytes from the user's text. @throws SealwayError `INVALID_ARGUMENT` */
export function messageId(id: string): Uint8Array {
  if (typeof id !== 'string' || id.length === 0 || id.length > 256) {
    throw new SealwayError('INVALID_ARGUMENT', {
      message: 'id must be a text of 1 to 256 characters',
      outcome: 'not-delivered',
      hop: 'client',
    })
  }
  return createHash('sha256').update(id).digest().subarray(0, 16)
}
