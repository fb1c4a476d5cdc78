import { createHash } from 'node:crypto'
import { Kind } from '@sealway/protocol'
import { Keyring, type KeyringKeys } from '../../../client-lib/src/crypto/keyring.js'
import { keyFromBytes } from '../../../client-lib/src/crypto/keys.js'
import { InboundRoute, Opener, type OpenerOptions } from '../../../client-lib/src/crypto/open.js'
import type { Random } from '../../../client-lib/src/crypto/random.js'
import { type SealedFrame, SealingFlow, type SealingFlowOptions } from '../../../client-lib/src/crypto/seal.js'

export const startedAt = 1_700_000_000_000
export const incarnation = 0x01020304
/** 00..1f, the key of the known answers. */
export const key = keyFromBytes(Uint8Array.from({ length: 32 }, (_, i) => i))
export const otherKey = keyFromBytes(new Uint8Array(32).fill(0x55))

/** Repeatable, and different with each seed: SHA-256 of a seed and a count. */
export class SeededRandom implements Random {
  private draws = 0
  constructor(private readonly seed = 'seed') {}

  salt(): Buffer {
    return createHash('sha256')
      .update(`${this.seed} ${this.draws++}`)
      .digest()
  }

  guard(target: Uint8Array, at: number): void {
    target.set(this.salt().subarray(0, 4), at)
  }
}

export class FakeClock {
  now = startedAt
  readonly read = () => this.now
}

export interface PairOptions extends Partial<Omit<SealingFlowOptions, 'clock'>> {
  readonly keys?: KeyringKeys
  readonly receiver?: Partial<Omit<OpenerOptions, 'clock' | 'keyring'>>
}

/** A flow from alpha to beta, and beta's opener, on one clock. */
export function pair(options: PairOptions = {}) {
  const { keys, receiver, ...flowOptions } = options
  const clock = new FakeClock()
  const sender = { key, from: 'alpha', to: 'beta', scope: 'g1', random: new SeededRandom(), clock: clock.read }
  const flow = new SealingFlow({ ...sender, ...flowOptions })
  const keyring = new Keyring(keys ?? { default: flow.key })
  const newOpener = (more: PairOptions['receiver'] = {}) =>
    new Opener({ keyring, name: 'beta', groups: ['g1'], incarnation, clock: clock.read, ...receiver, ...more })
  const route = new InboundRoute(flow.from, flow.to, flow.scope)
  return { clock, flow, keyring, newOpener, opener: newOpener(), route, sender }
}

/** What arrives: the parts of a frame in one piece, without the link's header. */
export const wire = ({ header, ciphertext, tag }: SealedFrame): Buffer =>
  Buffer.concat([header.subarray(12), ciphertext, tag])

export const sealText = (
  flow: SealingFlow,
  text: string,
  options: { flags?: number; ttl?: number; inc?: number } = {},
) => wire(flow.seal(Kind.acked, options.flags ?? 0, Buffer.from(text), options.ttl ?? 0, options.inc ?? 0))

export const routeOf = (from: string, to: string, scope = 'g1') => new InboundRoute(from, to, scope)

/** `opened`, `duplicate`, or the code of a refusal. */
export function outcome(opener: Opener, sealed: Uint8Array, route: InboundRoute): string {
  const result = opener.open(sealed, route)
  return result.type === 'refused' ? result.code : result.type
}
