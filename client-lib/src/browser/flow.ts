import { encodeLp8, suiteAes256Gcm, tagBytes } from '@sealway/protocol'
import { type Bytes, joined, utf8 } from './bytes.js'
import { hkdf, type PageKey } from './key.js'

const label = utf8('mediator-e2e/1 seal\0')

/** The key of one flow (SPEC.md, "Flows"): sender, target and scope are bound here and nowhere else. */
export function deriveFlowKey(key: PageKey, salt: Bytes, from: string, to: string, scope: string): Promise<CryptoKey> {
  const info = joined([label, Uint8Array.of(suiteAes256Gcm), encodeLp8(from, to, scope)])
  const aes = { name: 'AES-GCM', length: 256 }
  return crypto.subtle.deriveKey(hkdf(salt, info), key.secret, aes, false, ['encrypt', 'decrypt'])
}

/** How a frame is sealed and opened: guard and counter are the nonce, the whole header is associated data. */
export const gcm = (iv: Bytes, additionalData: Bytes) => ({
  name: 'AES-GCM',
  iv,
  additionalData,
  tagLength: tagBytes * 8,
})
