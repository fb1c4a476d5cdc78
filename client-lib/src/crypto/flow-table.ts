import type { KeyObject } from 'node:crypto'
import type { PayloadKey } from './keys.js'
import { ReplayWindow } from './window.js'

/** `Key` and `FlowKey` are what holds a payload key, and the key derived from it, where this runs. */
interface Origin<Key, FlowKey> {
  readonly key: Key
  /** Of the keyring, when the key was last looked up. */
  keyringVersion: number
  readonly flowKey: FlowKey
  readonly salt: Uint8Array
  readonly from: string
  readonly to: string
  readonly scope: string
}

/** What a receiver remembers of one sender's flow. The object stays the same for the flow's whole life. */
export class OpeningFlow<T = unknown, Key = PayloadKey, FlowKey = KeyObject> {
  readonly key: Key
  keyringVersion: number
  readonly flowKey: FlowKey
  readonly salt: Uint8Array
  /** First 8 bytes of the salt: what receipts and frame ids call the flow. */
  readonly id: Uint8Array
  readonly from: string
  readonly to: string
  readonly scope: string
  readonly window = new ReplayWindow()
  /** The owner's: whatever it keeps for each flow. */
  attached: T | undefined
  /** Latest time stamp opened, sender's clock, ms. */
  newestTs = 0
  /** From then on none of its frames opens again, so that it can be forgotten; own clock, ms. */
  freshUntil = 0
  /** Opened something since the table last looked. */
  used = false
  forgotten = false

  constructor(
    origin: Origin<Key, FlowKey>,
    /** Live frames up to this time stamp are refused: see {@link FlowTable.floorTs}. */
    readonly floorTs: number,
  ) {
    this.key = origin.key
    this.keyringVersion = origin.keyringVersion
    this.flowKey = origin.flowKey
    this.salt = origin.salt
    this.id = origin.salt.subarray(0, 8)
    this.from = origin.from
    this.to = origin.to
    this.scope = origin.scope
  }

  /** Whether the 32 bytes at `at` are this flow's salt. */
  hasSalt(bytes: Uint8Array, at: number): boolean {
    const salt = this.salt
    for (let i = 0; i < 32; i++) if (salt[i] !== bytes[at + i]) return false
    return true
  }
}

/** About 16 MiB of windows. */
const defaultMaxFlows = 16_384

/**
 * Flows by salt, bounded. Forgetting a flow forgets which of its frames were opened; so a flow goes when all of them
 * have expired, and otherwise only for want of room, the longest unused first (second chance: a flow used since it
 * was last looked at goes to the back of the line instead).
 */
export class FlowTable<T, Key = PayloadKey, FlowKey = KeyObject> {
  private readonly flows = new Map<string, OpeningFlow<T, Key, FlowKey>>()
  private floor = -1
  private readonly maxFlows: number
  private readonly onForget: ((flow: OpeningFlow<T, Key, FlowKey>) => void) | undefined

  constructor(maxFlows = defaultMaxFlows, onForget?: (flow: OpeningFlow<T, Key, FlowKey>) => void) {
    this.maxFlows = maxFlows
    this.onForget = onForget
  }

  get size(): number {
    return this.flows.size
  }

  /**
   * Latest time stamp of any flow that was forgotten for want of room, -1 if none was. A live frame of a flow not
   * known any more must be newer, or it could be one that was opened before.
   */
  get floorTs(): number {
    return this.floor
  }

  get(salt: string): OpeningFlow<T, Key, FlowKey> | undefined {
    return this.flows.get(salt)
  }

  add(salt: string, now: number, origin: Origin<Key, FlowKey>): OpeningFlow<T, Key, FlowKey> {
    this.tidy(now)
    const flow = new OpeningFlow<T, Key, FlowKey>(origin, this.floor)
    this.flows.set(salt, flow)
    return flow
  }

  /** Looks at the two flows longest in line, so that expired ones go about as fast as new ones come. */
  private tidy(now: number): void {
    for (let looks = 0; looks < 2 || this.flows.size >= this.maxFlows; looks++) {
      const [head] = this.flows
      if (!head) return
      const [salt, flow] = head
      this.flows.delete(salt)
      const expired = now > flow.freshUntil
      const full = this.flows.size + 1 >= this.maxFlows
      if (expired || (full && !flow.used)) {
        if (!expired && flow.newestTs > this.floor) this.floor = flow.newestTs
        flow.forgotten = true
        this.onForget?.(flow)
      } else {
        flow.used = false
        this.flows.set(salt, flow)
      }
    }
  }
}
