import { SealwayError } from '@sealway/protocol'
import { type Bytes, fromBase64url, latin1, randomBytes, utf8 } from './bytes.js'

/** A payload key inside the browser: no script can read its bytes again, not even this one. */
export interface PageKey {
  /** Not extractable; it only derives. */
  readonly secret: CryptoKey
  /** 16 bytes that name the key in clear: HKDF-SHA256(secret, salt "", info "mediator-e2e/1 kid"). */
  readonly kid: Bytes
  /** The kid as 16 latin1 characters. */
  readonly id: string
}

/** `mk1_` and 43 characters; the last two of their 258 bits must be zero, so that a key has one text only. */
const keyForm = /^mk1_[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/

/**
 * Reads `mk1_<43 base64url>`.
 * @param what names the key in the error, which never shows it
 * @throws SealwayError `INVALID_ARGUMENT`, or `NO_KEY` where the text is empty
 */
export function importKey(text: string, what = 'payload key'): Promise<PageKey> {
  if (text === '') throw new SealwayError('NO_KEY', { message: `${what} is empty`, outcome: 'not-delivered' })
  if (!keyForm.test(text)) {
    throw new SealwayError('INVALID_ARGUMENT', {
      message: `${what} is not a payload key: mk1_ and 43 base64url characters (${text.length} characters given)`,
      outcome: 'not-delivered',
    })
  }
  return keyFromBytes(fromBase64url(text.slice(4)))
}

/** A key that nobody else has. */
export const freshKey = (): Promise<PageKey> => keyFromBytes(randomBytes(32))

/** @param bytes 32 bytes, which are overwritten with zeros once the browser has them */
export async function keyFromBytes(bytes: Bytes): Promise<PageKey> {
  const secret = await crypto.subtle.importKey('raw', bytes, 'HKDF', false, ['deriveBits', 'deriveKey'])
  bytes.fill(0)
  const kid = new Uint8Array(await crypto.subtle.deriveBits(hkdf(new Uint8Array(0), kidInfo), secret, 128))
  return { secret, kid, id: latin1(kid) }
}

const kidInfo = utf8('mediator-e2e/1 kid')

/** RFC 5869 with SHA-256. */
export const hkdf = (salt: Bytes, info: Bytes) => ({ name: 'HKDF', hash: 'SHA-256', salt, info })
