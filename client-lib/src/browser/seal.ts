import {
  envelopeVersion,
  headerBytes,
  Kind,
  knownSealFlags,
  offset,
  SealwayError,
  sealedHeaderBytes,
  suiteAes256Gcm,
  tagBytes,
  writeU32,
} from '@sealway/protocol'
import { writeU64 } from '../crypto/u64.js'
import { type Bytes, randomBytes } from './bytes.js'
import { deriveFlowKey, gcm } from './flow.js'
import type { PageKey } from './key.js'

/** A frame for the link: 12 bytes left for its header, then header, ciphertext and tag of the envelope. */
export interface SealingFrame {
  readonly counter: number
  readonly frame: Promise<Bytes>
}

export interface SealingFlowOptions {
  readonly key: PageKey
  readonly from: string
  /** A node's name, `any:<group>` or `group:<group>`. */
  readonly to: string
  readonly scope: string
  /** ms since 1970. */
  readonly clock: () => number
  /** Fresh bytes: 32 for each flow, 4 for each frame. */
  readonly random?: (count: number) => Bytes
}

/** SPEC.md, "Flows": 2^31 frames, 2^30 blocks of 16 bytes, 1 h, a clock set back by more than 5 s. */
const maxFrames = 2 ** 31
const maxBlocks = 2 ** 30
const maxAgeMs = 3_600_000
const maxStepBackMs = 5_000

/** One sender's key and counter towards one address. A counter is never used twice and never set back. */
export class SealingFlow {
  readonly key: PageKey
  /** First 8 bytes of the salt: with a counter, it is the frame id. */
  readonly id: Bytes
  private readonly flowKey: Promise<CryptoKey>
  private readonly clock: () => number
  private readonly random: (count: number) => Bytes
  private readonly template = new Uint8Array(sealedHeaderBytes)
  private readonly startedAt: number
  private newest: number
  private frames = 0
  private blocks = 0

  constructor({ key, from, to, scope, clock, random = randomBytes }: SealingFlowOptions) {
    const salt = random(32)
    this.key = key
    this.clock = clock
    this.random = random
    this.id = salt.slice(0, 8)
    this.flowKey = deriveFlowKey(key, salt, from, to, scope)
    this.startedAt = clock()
    this.newest = this.startedAt
    this.template[offset.version] = envelopeVersion
    this.template[offset.suite] = suiteAes256Gcm
    this.template.set(key.kid, offset.kid)
    this.template.set(salt, offset.salt)
  }

  /** Whether a new flow is due. */
  expired(now: number): boolean {
    if (now > this.newest) this.newest = now
    return this.spent() || now - this.startedAt >= maxAgeMs || now < this.newest - maxStepBackMs
  }

  /**
   * Seals one frame under the next counter, which is taken before this returns.
   * @param ttlMs 0: the default
   * @param inc the receiver's incarnation, 0 where it is not known yet
   * @throws SealwayError `INVALID_ARGUMENT`
   */
  seal(kind: Kind, flags: number, plaintext: Bytes, ttlMs: number, inc: number): SealingFrame {
    if (this.spent()) throw invalid('this flow is used up; begin another')
    if (kind < Kind.fire || kind > Kind.bundle || (flags & ~knownSealFlags) !== 0) {
      throw invalid(`kind ${kind} with flags ${flags} cannot be sealed`)
    }
    // Counted before anything can fail, so that no counter is ever used a second time.
    const counter = this.frames++
    this.blocks += Math.ceil(plaintext.length / 16) + 1
    const now = this.clock()
    if (now > this.newest) this.newest = now
    const header = this.template.slice()
    header[offset.kind] = kind
    header[offset.flags] = flags
    header.set(this.random(4), offset.guard)
    writeU64(header, offset.counter, counter)
    writeU64(header, offset.ts, now)
    writeU32(header, offset.ttl, ttlMs)
    writeU32(header, offset.inc, inc)
    return { counter, frame: this.encrypt(header, plaintext) }
  }

  private async encrypt(header: Bytes, plaintext: Bytes): Promise<Bytes> {
    const nonce = header.subarray(offset.guard, offset.ts)
    const sealed = await crypto.subtle.encrypt(gcm(nonce, header), await this.flowKey, plaintext)
    const frame = new Uint8Array(headerBytes + sealedHeaderBytes + sealed.byteLength)
    frame.set(header, headerBytes)
    frame.set(new Uint8Array(sealed), headerBytes + sealedHeaderBytes)
    return frame
  }

  private spent(): boolean {
    return this.frames >= maxFrames || this.blocks >= maxBlocks
  }
}

/** Length of the link frame around a plaintext of so many bytes. */
export const sealedFrameBytes = (plaintextBytes: number): number =>
  headerBytes + sealedHeaderBytes + plaintextBytes + tagBytes

const invalid = (message: string) => new SealwayError('INVALID_ARGUMENT', { message, outcome: 'not-delivered' })
