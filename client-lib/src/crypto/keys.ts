import { createSecretKey, hkdfSync, type KeyObject, randomBytes, scrypt } from 'node:crypto'
import { SealwayError } from '@sealway/protocol'

/** A secret that nodes share and the mediator never holds. The bytes stay inside the KeyObject, which prints nothing. */
export interface PayloadKey {
  readonly secret: KeyObject
  /** 16 bytes that name the key in clear: HKDF-SHA256(secret, salt "", info "mediator-e2e/1 kid"). */
  readonly kid: Uint8Array
  /** The kid as a latin1 string of 16 characters, to be a key of Maps. */
  readonly id: string
}

/** AES-256. */
const keyBytes = 32
const prefix = 'mk1_'
/** 43 characters carry 258 bits; the last two must be zero, so that a key has one text only. */
const keyForm = /^mk1_[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/

/**
 * Reads `mk1_<43 base64url>`.
 * @param what names the key in the error, which never shows it
 * @throws SealwayError `INVALID_ARGUMENT`, or `NO_KEY` where the text is empty
 */
export function parseKey(text: string, what = 'payload key'): PayloadKey {
  if (text === '') throw new SealwayError('NO_KEY', { message: `${what} is empty`, outcome: 'not-delivered' })
  if (!keyForm.test(text)) {
    throw invalid(`${what} is not a payload key: mk1_ and 43 base64url characters (${text.length} characters given)`)
  }
  return keyFromBytes(Buffer.from(text.slice(prefix.length), 'base64url'))
}

/** The text form, for the one place that stores it. */
export const formatKey = (key: PayloadKey): string => prefix + key.secret.export().toString('base64url')

export const generateKey = (): PayloadKey => keyFromBytes(randomBytes(keyBytes))

/** @param bytes 32 bytes @throws SealwayError `INVALID_ARGUMENT` */
export function keyFromBytes(bytes: Uint8Array): PayloadKey {
  if (bytes.length !== keyBytes) throw invalid(`a payload key has ${keyBytes} bytes, not ${bytes.length}`)
  const secret = createSecretKey(bytes)
  const kid = Buffer.from(hkdfSync('sha256', secret, '', 'mediator-e2e/1 kid', 16))
  return { secret, kid, id: kid.toString('latin1') }
}

/** 128 MiB and about 0.4 s for each guess. Node's default maxmem, 32 MiB, would refuse it. */
const stretch = { N: 2 ** 17, r: 8, p: 1, maxmem: 256 * 1024 * 1024 }
const minPassphraseCharacters = 16

/**
 * Stretches a passphrase with scrypt. The same passphrase and salt give the same key on every node.
 * @param salt 16 bytes, from the configuration
 * @throws SealwayError `INVALID_ARGUMENT`
 */
export async function keyFromPassphrase(passphrase: string, salt: Uint8Array): Promise<PayloadKey> {
  const text = passphrase.normalize('NFKC')
  if ([...text].length < minPassphraseCharacters) {
    throw invalid(`a passphrase has at least ${minPassphraseCharacters} characters`)
  }
  if (salt.length !== 16) throw invalid(`the salt of a passphrase has 16 bytes, not ${salt.length}`)
  return new Promise((resolve, reject) => {
    scrypt(text, salt, keyBytes, stretch, (error, bytes) => (error ? reject(error) : resolve(keyFromBytes(bytes))))
  })
}

const invalid = (message: string) => new SealwayError('INVALID_ARGUMENT', { message, outcome: 'not-delivered' })
