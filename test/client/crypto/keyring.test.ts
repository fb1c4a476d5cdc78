import { Keyring, keysFromEnvironment } from '../../../client-lib/src/crypto/keyring.js'
import { formatKey, generateKey } from '../../../client-lib/src/crypto/keys.js'
import { key, otherKey, outcome, pair, SeededRandom, sealText } from './pair.js'

const a = formatKey(key)
const b = formatKey(otherKey)
const invalid = expect.objectContaining({ code: 'INVALID_ARGUMENT', outcome: 'not-delivered' })

it('seals with the first key and opens with all of them', () => {
  const ring = new Keyring({ default: `${a}, ${b}` })
  expect(ring.sealing('g1').id).toBe(key.id)
  expect(ring.opening('g1', key.id)?.id).toBe(key.id)
  expect(ring.opening('g1', otherKey.id)?.id).toBe(otherKey.id)
  expect(ring.opening('g1', generateKey().id)).toBeUndefined()
})

it('takes keys as text, as keys, and as lists of both', () => {
  for (const list of [a, key, [a], [key], [key, b], `${a},${b}`]) {
    expect(new Keyring({ default: list }).sealing('default').id).toBe(key.id)
  }
})

it('keeps a group with its own keys apart: the default key neither seals nor opens there', () => {
  const ring = new Keyring({ default: a, groups: { billing: b } })
  expect([ring.sealing('billing').id, ring.sealing('orders').id]).toEqual([otherKey.id, key.id])
  expect(ring.opening('billing', key.id)).toBeUndefined()
  expect(ring.opening('orders', otherKey.id)).toBeUndefined()
  expect(ring.scopes.sort()).toEqual(['billing', 'default'])
})

it('says NO_KEY for a scope without keys', () => {
  const ring = new Keyring({ groups: { billing: b } })
  expect(() => ring.sealing('orders')).toThrow(expect.objectContaining({ code: 'NO_KEY', outcome: 'not-delivered' }))
  expect(ring.opening('orders', otherKey.id)).toBeUndefined()
})

it('reads the environment, a group by its name in capitals', () => {
  const keys = keysFromEnvironment({
    PROTECTED_AES256: a,
    PROTECTED_AES256_ORDERS_EU: b,
    PROTECTED_AES256_X: '',
    PATH: 'x',
  })
  const ring = new Keyring(keys)
  expect(ring.sealing('orders-eu').id).toBe(otherKey.id)
  expect(ring.sealing('orders.eu').id).toBe(otherKey.id)
  expect(ring.sealing('orders').id).toBe(key.id)
  expect(ring.sealing('x').id).toBe(key.id)
  expect(new Keyring(keysFromEnvironment({})).scopes).toEqual([])
})

it.each([
  ['a text that is no key', { default: 'secret' }],
  ['an empty list', { default: [] }],
  ['a key twice', { default: [a, a] }],
  ['nine keys', { default: Array.from({ length: 9 }, generateKey) }],
  ['a scope that is no group', { groups: { 'No Group': a } }],
  ['the default twice', { default: a, groups: { default: b } }],
])('refuses %s', (_, keys) => {
  expect(() => new Keyring(keys)).toThrow(invalid)
})

it('holds up to eight keys', () => {
  const keys = Array.from({ length: 8 }, generateKey)
  const ring = new Keyring({ default: keys })
  expect(keys.every((k) => ring.opening('g1', k.id) !== undefined)).toBe(true)
})

it('names the place of a bad key, and does not show it', () => {
  const bad = `${a.slice(0, -2)}!!`
  const make = () => new Keyring({ groups: { orders: [b, bad] } })
  expect(make).toThrow('key 2 of "orders"')
  expect(make).not.toThrow(bad.slice(4, 20))
})

it.each([
  ['as it stands', a],
  ['without its prefix', a.slice(4)],
  ['in hex', key.secret.export().toString('hex')],
  ['in base64', key.secret.export().toString('base64')],
])('refuses a payload key that is the secret of the tokens, %s', (_, tokenSecret) => {
  expect(() => new Keyring({ default: a }, { tokenSecret })).toThrow(invalid)
  expect(() => new Keyring({ groups: { g1: [b, a] } }, { tokenSecret })).toThrow(invalid)
  const ring = new Keyring({ default: b }, { tokenSecret })
  expect(() => ring.update({ default: [b, a] })).toThrow(invalid)
})

it('refuses a payload key whose bytes are the text of the secret', () => {
  const tokenSecret = 'x'.repeat(32)
  const same = `mk1_${Buffer.from(tokenSecret).toString('base64url')}`
  expect(() => new Keyring({ default: same }, { tokenSecret })).toThrow(invalid)
})

describe('an update', () => {
  it('replaces all keys at once and counts', () => {
    const ring = new Keyring({ default: a, groups: { billing: b } })
    expect(ring.version).toBe(0)
    ring.update({ default: b })
    expect([ring.version, ring.sealing('billing').id, ring.sealing('g1').id]).toEqual([1, otherKey.id, otherKey.id])
  })

  it('takes what connect({ keys }) takes: a key, a list of keys, rings by scope, or a keyring', () => {
    const ring = new Keyring({ default: a })
    const rings = new Keyring({ default: [b, a], groups: { billing: a } })
    for (const keys of [b, otherKey, [b, a], `${b},${a}`, { default: [b, a] }, rings]) {
      ring.update(a)
      ring.update(keys)
      expect(ring.sealing('default').id).toBe(otherKey.id)
    }
    expect([ring.sealing('billing').id, ring.opening('default', key.id)?.id]).toEqual([key.id, key.id])
    for (const none of [undefined, null, 7]) expect(() => ring.update(none as never)).toThrow(invalid)
  })

  it('leaves the old keys where the new ones are bad', () => {
    const ring = new Keyring({ default: a })
    expect(() => ring.update({ default: b, groups: { orders: 'bad' } })).toThrow(invalid)
    expect([ring.version, ring.sealing('g1').id]).toEqual([0, key.id])
  })

  it('rotates in three steps without a frame refused; afterwards the old key opens nothing', () => {
    const old = pair({ key })
    const next = pair({ key: otherKey, random: new SeededRandom('next') })
    const { opener, keyring, route } = pair({ keys: { default: a } })
    const send = (flow: typeof old.flow) => outcome(opener, sealText(flow, 'x'), route)

    expect(send(old.flow)).toBe('opened')
    expect(send(next.flow)).toBe('UNKNOWN_KEY')
    keyring.update({ default: [a, b] })
    expect([send(old.flow), send(next.flow)]).toEqual(['opened', 'opened'])
    keyring.update({ default: [b, a] })
    expect([send(old.flow), send(next.flow)]).toEqual(['opened', 'opened'])
    keyring.update({ default: b })
    expect([send(old.flow), send(next.flow)]).toEqual(['UNKNOWN_KEY', 'opened'])
  })
})

it('refuses a field that it does not know, which would be keys that are never used', () => {
  expect(() => new Keyring({ secret: formatKey(key) } as never)).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('"secret"') }),
  )
})
