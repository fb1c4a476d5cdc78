import type { WaitOptions } from './deadline.js'
import type { Need } from './gather.js'
import type { MetaOptions } from './meta.js'
import type { PolicyOptions } from './policy/policy.js'
import type { Want } from './report.js'

export interface SendOptions extends WaitOptions, MetaOptions {}

export interface BroadcastOptions extends SendOptions {
  /** `report` (default): who was reached. `acks`: whose handler ran. `replies`: what each answered. */
  readonly want?: Want
}

export interface CallOptions extends SendOptions, PolicyOptions {
  /** The handler may run again without harm: the question is sent again until its answer is there. */
  readonly idempotent?: boolean
}

export interface AckedOptions extends SendOptions {
  /** The same message, however often and by which process it is sent: handled once per process of the target. */
  readonly id?: string
  /** What the receipt must say; `processed` unless given. */
  readonly until?: 'delivered' | 'processed'
}

export interface GatherOptions extends SendOptions {
  /** How many answers are enough; `all` unless given. */
  readonly need?: Need
}

/** Answers in the order in which they came. */
export type GatherResult = readonly { readonly from: string; readonly body: unknown }[]
