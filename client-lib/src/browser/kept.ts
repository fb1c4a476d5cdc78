import { Resending } from '../messaging/resending.js'
import type { Bytes } from './bytes.js'

/** A sealed frame kept until all who wait for it are settled. What is sent again are the same bytes, never a new seal. */
export class Kept extends Resending {
  /** Absent while it is being sealed. */
  frame: Bytes | undefined
  /** Nobody waits any more. */
  release: () => void = () => {}

  override isDue(now: number): boolean {
    return this.frame !== undefined && super.isDue(now)
  }
}
