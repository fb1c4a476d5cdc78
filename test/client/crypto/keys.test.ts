import { inspect } from 'node:util'
import {
  formatKey,
  generateKey,
  keyFromBytes,
  keyFromPassphrase,
  parseKey,
} from '../../../client-lib/src/crypto/keys.js'
import { key } from './pair.js'

const text = 'mk1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8'

it('derives the kid of the known answer', () => {
  expect(Buffer.from(key.kid).toString('hex')).toBe('673878543e02f64684f83c49473ec299')
  expect(Buffer.from(key.id, 'latin1')).toEqual(key.kid)
})

it('reads and writes the text form', () => {
  expect(formatKey(key)).toBe(text)
  expect(parseKey(text).id).toBe(key.id)
  expect(parseKey(text).secret.equals(key.secret)).toBe(true)
})

it('generates another key each time', () => {
  const keys = Array.from({ length: 50 }, generateKey)
  expect(new Set(keys.map((k) => k.id)).size).toBe(50)
  for (const k of keys) expect(parseKey(formatKey(k)).id).toBe(k.id)
})

it.each([
  ['another prefix', `mk2_${text.slice(4)}`],
  ['no prefix', text.slice(4)],
  ['a character less', text.slice(0, -1)],
  ['a character more', `${text}A`],
  ['base64 that is not base64url', text.replace('AEC', '+/C')],
  ['bits that no 32 bytes have', `${text.slice(0, -1)}9`],
  ['a space', ` ${text}`],
  ['a line break', `${text}\n`],
])('refuses %s, and does not show it', (_, bad) => {
  const parse = () => parseKey(bad, 'PROTECTED_AES256')
  expect(parse).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', outcome: 'not-delivered' }))
  expect(parse).toThrow(/^PROTECTED_AES256 is not a payload key/)
  expect(parse).not.toThrow(bad.trim().slice(4, 20))
})

it('says NO_KEY of an empty text', () => {
  expect(() => parseKey('')).toThrow(expect.objectContaining({ code: 'NO_KEY' }))
})

it('takes 32 bytes only', () => {
  for (const bytes of [0, 16, 31, 33]) {
    expect(() => keyFromBytes(new Uint8Array(bytes))).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  }
})

it('prints nothing of the secret, however it is shown', () => {
  const secret = Buffer.from(key.secret.export())
  const shown = inspect(key, { depth: 9, showHidden: true }) + JSON.stringify(key) + String(key)
  for (const form of ['hex', 'base64', 'base64url'] as const) expect(shown).not.toContain(secret.toString(form))
  expect(shown).not.toContain('00 01 02 03')
})

describe('a passphrase', () => {
  const salt = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex')

  it('gives the same key for the same passphrase and salt, however its accents are composed', async () => {
    // scrypt(N = 2^17, r = 8, p = 1), computed with Python's hashlib.
    const composed = await keyFromPassphrase('caf\u00e9 au lait 1234', salt)
    const decomposed = await keyFromPassphrase('cafe\u0301 au lait 1234', salt)
    expect(composed.secret.export().toString('hex')).toBe(
      '6f192c5b6cddbebc5119c3e70eff30d88ca700bff2fbd4f0767187d370640c4b',
    )
    expect(decomposed.id).toBe(composed.id)
  })

  it('has at least 16 characters, and a salt of 16 bytes', async () => {
    const invalid = expect.objectContaining({ code: 'INVALID_ARGUMENT' })
    await expect(keyFromPassphrase('fifteen chars..', salt)).rejects.toEqual(invalid)
    await expect(keyFromPassphrase('sixteen chars...', salt.subarray(1))).rejects.toEqual(invalid)
  })
})
