import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'
import { encodeLp8, suiteAes256Gcm } from '@sealway/protocol'
import type { PayloadKey } from './keys.js'

const label = Buffer.from('mediator-e2e/1 seal\0')

/**
 * The key of one flow (RFC 5869):
 * HKDF-SHA256(ikm = payload key, salt, info = "mediator-e2e/1 seal\0" || suite || lp8(from) || lp8(to) || lp8(scope), 32).
 * Sender, target and scope are bound here and nowhere else: a frame that is relabelled on the way does not open.
 */
export function deriveFlowKey(key: PayloadKey, salt: Uint8Array, from: string, to: string, scope: string): KeyObject {
  const info = Buffer.concat([label, Uint8Array.of(suiteAes256Gcm), encodeLp8(from, to, scope)])
  return createSecretKey(Buffer.from(hkdfSync('sha256', key.secret, salt, info, 32)))
}
