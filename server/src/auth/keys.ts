import { createHash, createSecretKey, KeyObject, scryptSync } from 'node:crypto'
import { SealwayError } from '@sealway/protocol'

/** RFC 7518 s3.2: a key for HS256 has at least the length of the hash. */
const minSecretBytes = 32

/**
 * A secret as a KeyObject: with a string, jsonwebtoken makes one per call and is 50 times slower.
 * @throws SealwayError `WEAK_SECRET`
 */
export function signingKey(secret: KeyObject | string): KeyObject {
  const key = secret instanceof KeyObject ? secret : createSecretKey(Buffer.from(secret, 'utf8'))
  if ((key.symmetricKeySize ?? 0) >= minSecretBytes) return key
  throw new SealwayError('WEAK_SECRET', {
    message: `a secret for tokens has ${key.symmetricKeySize ?? 0} bytes, at least ${minSecretBytes} are needed`,
    outcome: 'not-delivered',
  })
}

/**
 * The key of tokens that the mediator and its operator issue. Made from the operators' password, which no node has:
 * so a node, which has the shared secret, cannot make itself an operator. Stretched (about 60 ms, once), because an
 * operator's token must not give the password away. Another password ends the tokens issued under the old one.
 */
export function operatorKey(jwtSecret: KeyObject | string, adminPassword: KeyObject): KeyObject {
  const salt = createHash('sha256').update('sealway operator key\0').update(signingKey(jwtSecret).export()).digest()
  // maxmem: Node's default is exactly what these parameters need, and it refuses that (RELIABILITY F12).
  const options = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 }
  return createSecretKey(scryptSync(adminPassword.export(), salt, 32, options))
}
