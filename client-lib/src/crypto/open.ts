import { createDecipheriv, type KeyObject } from 'node:crypto'
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
  tagBytes,
} from '@sealway/protocol'
import { deriveFlowKey } from './flow.js'
import { FlowTable, type OpeningFlow } from './flow-table.js'
import type { Keyring } from './keyring.js'
import { readU64 } from './u64.js'

/** Where a delivery route comes from, as the mediator announced it; the tag proves or refutes it. */
export class InboundRoute<T = unknown> {
  /** The flow of the last frame: nearly always the flow of the next one too. */
  lastFlow: OpeningFlow<T> | undefined
  constructor(
    readonly from: string,
    readonly to: string,
    readonly scope: string,
  ) {}
}

export type OpenResult<T = unknown> =
  | {
      readonly type: 'opened'
      readonly plaintext: Buffer
      readonly kind: Kind
      readonly flags: number
      readonly counter: number
      readonly flow: OpeningFlow<T>
      /** Sender's clock, ms since 1970. */
      readonly ts: number
      /** As sealed: 0 where the sender left it to the default. */
      readonly ttlMs: number
      /** True where the sender did not know this process yet (inc = 0). */
      readonly unbound: boolean
    }
  /** Was opened before: not to be delivered, but to be acknowledged again. Its bytes were not verified. */
  | { readonly type: 'duplicate'; readonly counter: number; readonly flow: OpeningFlow<T> }
  | Refusal

export type Refusal =
  | { readonly type: 'refused'; readonly code: 'CANNOT_OPEN' | 'STALE_INCARNATION' }
  | { readonly type: 'refused'; readonly code: 'UNKNOWN_KEY'; readonly kid: Uint8Array }

export interface OpenerOptions<T = unknown> {
  readonly keyring: Keyring
  /** This node's name. */
  readonly name: string
  readonly groups: readonly string[]
  /** First 4 bytes of this process's instance (`incarnationOf` of the protocol). */
  readonly incarnation: number
  /** ms since 1970. */
  readonly clock: () => number
  /** How far clocks may differ, ms. */
  readonly skewMs?: number
  /** How long a live frame without a ttl is good for, ms. */
  readonly defaultTtlMs?: number
  /**
   * Refuses what a process before this one may have opened already: frames to this node with inc = 0 (but receipts
   * and handshakes, through which a sender learns the incarnation), and frames to a group from before this process.
   */
  readonly strictInc?: boolean
  /** Flows remembered at once. */
  readonly maxFlows?: number
  /** A flow was forgotten: what hangs on it can go. */
  readonly onForget?: (flow: OpeningFlow<T>) => void
}

/** ENVELOPE: a live frame names at most 15 min; a durable one that names nothing is good for 7 d. */
export const maxLiveTtlMs = 15 * 60_000
export const durableTtlMs = 7 * 24 * 3_600_000
/** 120 s: unsynchronised machines drift by seconds a day, and this bounds replays of unbound frames. */
export const defaultSkewMs = 120_000

/** Flags that mean something to this version. The others would change how the plaintext is read, so they are refused. */
export const supportedSealFlags = SealFlag.durable | SealFlag.padded | SealFlag.end

/** Without authTagLength Node accepts tags of 4 bytes. */
const gcm = { authTagLength: tagBytes }

const cannotOpen: Refusal = { type: 'refused', code: 'CANNOT_OPEN' }
const stale: Refusal = { type: 'refused', code: 'STALE_INCARNATION' }

/** Opens what arrives at one node, and remembers what it opened. A forgery leaves no trace in it. */
export class Opener<T = unknown> {
  readonly incarnation: number
  private readonly keyring: Keyring
  private readonly clock: () => number
  private readonly skewMs: number
  private readonly defaultTtlMs: number
  private readonly strictInc: boolean
  private readonly startedAt: number
  private readonly name: string
  private addresses: ReadonlySet<string> = new Set()
  private readonly flows: FlowTable<T>

  constructor(options: OpenerOptions<T>) {
    this.keyring = options.keyring
    this.name = options.name
    this.incarnation = options.incarnation
    this.clock = options.clock
    this.skewMs = options.skewMs ?? defaultSkewMs
    this.defaultTtlMs = options.defaultTtlMs ?? limits.callTimeoutMs
    this.strictInc = options.strictInc ?? false
    this.startedAt = options.clock()
    this.flows = new FlowTable(options.maxFlows, options.onForget)
    this.setGroups(options.groups)
  }

  /** Flows remembered now. */
  get flowCount(): number {
    return this.flows.size
  }

  /** From now on this node is in these groups. */
  setGroups(groups: readonly string[]): void {
    this.addresses = new Set(groups.flatMap((group) => [`any:${group}`, `group:${group}`]))
  }

  /**
   * Opens one sealed frame. The order of the checks is that of SPEC.md, "Opening". Never throws.
   * @param sealed header, ciphertext and tag; only read, and only during this call
   */
  open(sealed: Uint8Array, route: InboundRoute<T>): OpenResult<T> {
    if (sealed.length < minSealedBytes) return cannotOpen
    if (sealed[offset.version] !== envelopeVersion || sealed[offset.suite] !== suiteAes256Gcm) return cannotOpen
    const kind = sealed[offset.kind]!
    const flags = sealed[offset.flags]!
    if (kind < Kind.fire || kind > Kind.bundle || (flags & ~supportedSealFlags) !== 0) return cannotOpen

    const direct = route.to === this.name
    if (!direct && !this.addresses.has(route.to)) return cannotOpen
    const inc = readU32(sealed, offset.inc)
    if (inc !== 0 && inc !== this.incarnation) return stale
    const guarded = this.strictInc && inc === 0 && kind !== Kind.receipt && kind !== Kind.handshake
    if (guarded && direct) return stale

    const counter = readU64(sealed, offset.counter)
    const ts = readU64(sealed, offset.ts)
    if (counter === undefined || ts === undefined) return cannotOpen
    const ttlMs = readU32(sealed, offset.ttl)
    const live = (flags & SealFlag.durable) === 0
    if (live && ttlMs > maxLiveTtlMs) return cannotOpen
    const now = this.clock()
    const freshUntil = ts + (ttlMs || (live ? this.defaultTtlMs : durableTtlMs)) + this.skewMs
    if (ts > now + this.skewMs || now > freshUntil || (guarded && ts <= this.startedAt)) return cannotOpen

    const known = this.find(sealed, route)
    if (known) {
      if (known.from !== route.from || known.to !== route.to || known.scope !== route.scope) return cannotOpen
      if (!this.stillHeld(known)) return unknownKey(sealed)
      const seen = known.window.check(counter)
      if (seen === 'seen') return { type: 'duplicate', counter, flow: known }
      if (seen === 'old') return cannotOpen
    }
    // Live frames from before a flow was forgotten under pressure may have been opened then.
    if (live && ts <= (known ? known.floorTs : this.flows.floorTs)) return cannotOpen

    let key: KeyObject
    let payloadKey = known?.key
    if (known) key = known.flowKey
    else {
      payloadKey = this.keyring.opening(route.scope, latin1(sealed, offset.kid, offset.salt))
      if (!payloadKey) return unknownKey(sealed)
      key = deriveFlowKey(payloadKey, sealed.subarray(offset.salt, offset.guard), route.from, route.to, route.scope)
    }
    const plaintext = decrypt(key, sealed)
    if (!plaintext) return cannotOpen

    const flow =
      known ??
      this.flows.add(latin1(sealed, offset.salt, offset.guard), now, {
        key: payloadKey!,
        keyringVersion: this.keyring.version,
        flowKey: key,
        salt: copyOf(sealed, offset.salt, offset.guard),
        from: route.from,
        to: route.to,
        scope: route.scope,
      })
    flow.window.mark(counter)
    flow.used = true
    if (ts > flow.newestTs) flow.newestTs = ts
    if (freshUntil > flow.freshUntil) flow.freshUntil = freshUntil
    route.lastFlow = flow
    return { type: 'opened', plaintext, kind: kind as Kind, flags, counter, flow, ts, ttlMs, unbound: inc === 0 }
  }

  private find(sealed: Uint8Array, route: InboundRoute<T>): OpeningFlow<T> | undefined {
    const last = route.lastFlow
    if (last && !last.forgotten && last.hasSalt(sealed, offset.salt)) return last
    return this.flows.get(latin1(sealed, offset.salt, offset.guard))
  }

  /** A key that was removed from the ring opens nothing more, not even in flows that it began. */
  private stillHeld(flow: OpeningFlow<T>): boolean {
    if (flow.keyringVersion === this.keyring.version) return true
    if (!this.keyring.opening(flow.scope, flow.key.id)) return false
    flow.keyringVersion = this.keyring.version
    return true
  }
}

function decrypt(key: KeyObject, sealed: Uint8Array): Buffer | undefined {
  const end = sealed.length - tagBytes
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(offset.guard, offset.ts), gcm)
    decipher.setAAD(sealed.subarray(0, sealedHeaderBytes))
    decipher.setAuthTag(sealed.subarray(end))
    const plaintext = decipher.update(sealed.subarray(sealedHeaderBytes, end))
    decipher.final()
    return plaintext
  } catch {
    return undefined
  }
}

const unknownKey = (sealed: Uint8Array): Refusal => ({
  type: 'refused',
  code: 'UNKNOWN_KEY',
  kid: copyOf(sealed, offset.kid, offset.salt),
})

const latin1 = (bytes: Uint8Array, from: number, to: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1', from, to)

/** Not `slice`, which on a Buffer is a view of memory that the transport reuses. */
const copyOf = (bytes: Uint8Array, from: number, to: number): Uint8Array => new Uint8Array(bytes.subarray(from, to))
