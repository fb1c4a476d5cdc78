import {
  envelopeVersion,
  Kind,
  limits,
  minSealedBytes,
  offset,
  readU32,
  SealFlag,
  sealedHeaderBytes,
  suiteAes256Gcm,
} from '@sealway/protocol'
import { FlowTable, type OpeningFlow } from '../crypto/flow-table.js'
import { readU64 } from '../crypto/u64.js'
import { type Bytes, latin1 } from './bytes.js'
import { deriveFlowKey, gcm } from './flow.js'
import type { PageKey } from './key.js'
import type { PageKeyring } from './keyring.js'

/** Where a delivery route comes from, as the mediator announced it; the tag proves or refutes it. */
export interface InboundRoute {
  readonly from: string
  readonly to: string
  readonly scope: string
}

/** What this page remembers of one sender's flow. */
type PageFlow<T> = OpeningFlow<T, PageKey, CryptoKey>

export interface Opened<T> {
  readonly type: 'opened'
  readonly plaintext: Bytes
  readonly kind: Kind
  readonly flags: number
  readonly counter: number
  readonly flow: PageFlow<T>
  /** Sender's clock, ms since 1970. */
  readonly ts: number
}

export type Refusal =
  | { readonly type: 'refused'; readonly code: 'CANNOT_OPEN' | 'STALE_INCARNATION' }
  | { readonly type: 'refused'; readonly code: 'UNKNOWN_KEY'; readonly kid: Bytes }

export type OpenResult<T> =
  | Opened<T>
  /** Was opened before: not to be delivered, but to be acknowledged again. Its bytes were not verified. */
  | { readonly type: 'duplicate'; readonly counter: number; readonly flow: PageFlow<T> }
  | Refusal

export interface OpenerOptions<T> {
  readonly keyring: PageKeyring
  readonly name: string
  readonly groups: readonly string[]
  /** First 4 bytes of this page's instance. */
  readonly incarnation: number
  /** ms since 1970. */
  readonly clock: () => number
  /** Refuses what a page before this one may have opened already. */
  readonly strictInc?: boolean
  readonly maxFlows?: number
  readonly onForget?: (flow: PageFlow<T>) => void
}

/** SPEC.md, "Opening" and "Sealed frames". */
const skewMs = 120_000
const maxLiveTtlMs = 15 * 60_000
const durableTtlMs = 7 * 24 * 3_600_000
const supportedFlags = SealFlag.durable | SealFlag.padded | SealFlag.end

const cannotOpen: Refusal = { type: 'refused', code: 'CANNOT_OPEN' }
const stale: Refusal = { type: 'refused', code: 'STALE_INCARNATION' }

/** A page keeps far fewer senders than a server: 2 MiB of windows. */
const defaultMaxFlows = 2_048

/** Opens what arrives at one page, and remembers what it opened. A forgery leaves no trace in it. */
export class Opener<T = unknown> {
  private readonly options: OpenerOptions<T>
  private readonly addresses: ReadonlySet<string>
  private readonly flows: FlowTable<T, PageKey, CryptoKey>
  private readonly startedAt: number
  /** Keys of flows whose first frames are being opened, so that a burst of them derives one. */
  private readonly deriving = new Map<string, Promise<CryptoKey>>()

  constructor(options: OpenerOptions<T>) {
    this.options = options
    this.addresses = new Set([options.name, ...options.groups.flatMap((group) => [`any:${group}`, `group:${group}`])])
    this.flows = new FlowTable(options.maxFlows ?? defaultMaxFlows, options.onForget)
    this.startedAt = options.clock()
  }

  /** Flows remembered now. */
  get flowCount(): number {
    return this.flows.size
  }

  /**
   * Opens one sealed frame. The order of the checks is that of SPEC.md, "Opening". Never rejects.
   * Frames may be opened at the same time: what the window says is asked again when the tag was right.
   */
  async open(sealed: Bytes, route: InboundRoute): Promise<OpenResult<T>> {
    const { keyring, name, incarnation, clock, strictInc = false } = this.options
    if (sealed.length < minSealedBytes) return cannotOpen
    if (sealed[offset.version] !== envelopeVersion || sealed[offset.suite] !== suiteAes256Gcm) return cannotOpen
    const kind = sealed[offset.kind]!
    const flags = sealed[offset.flags]!
    if (kind < Kind.fire || kind > Kind.bundle || (flags & ~supportedFlags) !== 0) return cannotOpen

    if (!this.addresses.has(route.to)) return cannotOpen
    const inc = readU32(sealed, offset.inc)
    if (inc !== 0 && inc !== incarnation) return stale
    const guarded = strictInc && inc === 0 && kind !== Kind.receipt && kind !== Kind.handshake
    if (guarded && route.to === name) return stale

    const counter = readU64(sealed, offset.counter)
    const ts = readU64(sealed, offset.ts)
    if (counter === undefined || ts === undefined) return cannotOpen
    const ttlMs = readU32(sealed, offset.ttl)
    const live = (flags & SealFlag.durable) === 0
    if (live && ttlMs > maxLiveTtlMs) return cannotOpen
    const now = clock()
    const freshUntil = ts + (ttlMs || (live ? limits.callTimeoutMs : durableTtlMs)) + skewMs
    if (ts > now + skewMs || now > freshUntil || (guarded && ts <= this.startedAt)) return cannotOpen

    const salt = latin1(sealed.subarray(offset.salt, offset.guard))
    const known = this.flows.get(salt)
    if (known) {
      const refused = this.checkKnown(known, route, counter, sealed)
      if (refused) return refused
    }
    // Live frames from before a flow was forgotten under pressure may have been opened then.
    if (live && ts <= (known ? known.floorTs : this.flows.floorTs)) return cannotOpen
    // A known flow names its key by its salt; of it only the window and the tag are left to check.
    const key = known?.key ?? keyring.opening(route.scope, latin1(sealed.subarray(offset.kid, offset.salt)))
    if (!key) return unknownKey(sealed)
    const opened = await this.decrypt(sealed, known?.flowKey ?? this.derive(sealed, route, salt, key))
    if (!opened) return cannotOpen
    const { plaintext, flowKey } = opened

    // Another frame of this flow, or another copy of this one, may have been opened meanwhile.
    let flow = this.flows.get(salt)
    if (flow) {
      const refused = this.checkKnown(flow, route, counter, sealed)
      if (refused) return refused
    } else {
      if (known || (live && ts <= this.flows.floorTs)) return cannotOpen
      const saltBytes = sealed.slice(offset.salt, offset.guard)
      const { from, to, scope } = route
      const origin = { key, keyringVersion: keyring.version, flowKey, salt: saltBytes, from, to, scope }
      flow = this.flows.add(salt, now, origin)
    }
    flow.window.mark(counter)
    flow.used = true
    if (ts > flow.newestTs) flow.newestTs = ts
    if (freshUntil > flow.freshUntil) flow.freshUntil = freshUntil
    return { type: 'opened', plaintext, kind: kind as Kind, flags, counter, flow, ts }
  }

  private checkKnown(flow: PageFlow<T>, route: InboundRoute, counter: number, sealed: Bytes) {
    if (flow.from !== route.from || flow.to !== route.to || flow.scope !== route.scope) return cannotOpen
    // A key that was removed from the ring opens nothing more, not even in flows that it began.
    if (!this.options.keyring.opening(flow.scope, flow.key.id)) return unknownKey(sealed)
    const seen = flow.window.check(counter)
    if (seen === 'seen') return { type: 'duplicate', counter, flow } as const
    return seen === 'old' ? cannotOpen : undefined
  }

  /** The key of a flow that is not known yet, derived once for all its frames that are on the way. */
  private derive(sealed: Bytes, { from, to, scope }: InboundRoute, salt: string, key: PageKey): Promise<CryptoKey> {
    const what = `${salt}${key.id}${from} ${to} ${scope}`
    const under = this.deriving.get(what)
    if (under) return under
    const derived = deriveFlowKey(key, sealed.slice(offset.salt, offset.guard), from, to, scope)
    this.deriving.set(what, derived)
    const done = () => void this.deriving.delete(what)
    derived.then(done, done)
    return derived
  }

  private async decrypt(sealed: Bytes, flowKey: CryptoKey | Promise<CryptoKey>) {
    try {
      const key = await flowKey
      const how = gcm(sealed.subarray(offset.guard, offset.ts), sealed.subarray(0, sealedHeaderBytes))
      const plaintext = await crypto.subtle.decrypt(how, key, sealed.subarray(sealedHeaderBytes))
      return { plaintext: new Uint8Array(plaintext), flowKey: key }
    } catch {
      return undefined
    }
  }
}

const unknownKey = (sealed: Bytes): Refusal => ({
  type: 'refused',
  code: 'UNKNOWN_KEY',
  kid: sealed.slice(offset.kid, offset.salt),
})
