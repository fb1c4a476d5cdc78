import { createCipheriv, createHash, hkdfSync } from 'node:crypto'
import { bytesOf, lengthOf, lp8, text, u8, u32, u64 } from './bytes.mjs'

const sha256 = (value) => createHash('sha256').update(value).digest('hex')
const kidOf = (key) => Buffer.from(hkdfSync('sha256', bytesOf(key), '', 'mediator-e2e/1 kid', 16)).toString('hex')

const now = 1_700_000_000_000
const incarnation = 0x01234567
const key = '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'
const otherKey = sha256('other key')
const strangeKey = sha256('strange key')

/** Who opens: `now` is its clock, `keys` its ring for every scope. */
const receiver = { name: 'beta', groups: ['g1', 'g2'], incarnation, now, keys: [key, otherKey] }

const defaults = {
  key,
  from: 'alpha',
  to: 'beta',
  scope: 'g1',
  version: 1,
  suite: 1,
  kind: 2,
  flags: 0,
  guard: 'deadbeef',
  counter: 0,
  ts: now,
  ttlMs: 5_000,
  inc: 0,
  plaintext: text('hello'),
}

function seal(given) {
  const f = { ...defaults, salt: sha256(`salt ${given.name}`), ...given }
  const info = text('mediator-e2e/1 seal\0') + u8(1) + lp8(f.from) + lp8(f.to) + lp8(f.scope)
  const flowKey = Buffer.from(hkdfSync('sha256', bytesOf(f.key), bytesOf(f.salt), bytesOf(info), 32))
  const kid = f.kid ?? kidOf(f.key)
  const nonce = f.guard + u64(f.counter)
  const header =
    u8(f.version) +
    u8(f.suite) +
    u8(f.kind) +
    u8(f.flags) +
    kid +
    f.salt +
    nonce +
    u64(f.ts) +
    u32(f.ttlMs) +
    u32(f.inc)
  const cipher = createCipheriv('aes-256-gcm', flowKey, bytesOf(nonce), { authTagLength: 16 }).setAAD(bytesOf(header))
  const ciphertext = cipher.update(f.plaintext, 'hex', 'hex') + cipher.final('hex')
  return {
    ...f,
    kid,
    flowKey: flowKey.toString('hex'),
    sealed: header + ciphertext + cipher.getAuthTag().toString('hex'),
  }
}

function positive() {
  const known = { salt: 'a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf' }
  const cases = [
    { ...known, name: 'known answer 0: acked, ttl 5000' },
    { ...known, name: 'known answer 1: fire, empty', kind: 1, counter: 1, ttlMs: 0, plaintext: '' },
    ...[1, 2, 3, 4, 5, 6, 7, 8, 9].map((kind) => ({ name: `kind ${kind}`, kind, counter: kind })),
    ...[1, 2, 32, 35].map((flags) => ({ name: `flags ${flags}`, flags })),
    { name: 'for this process', inc: incarnation },
    { name: 'to any of a group', to: 'any:g1' },
    { name: 'to a whole group', to: 'group:g2', scope: 'g2', kind: 6 },
    { name: 'the default scope', scope: 'default' },
    { name: 'a scope without a name', scope: '' },
    { name: 'the longest names', from: `a${'-'.repeat(62)}z`, scope: 'g'.repeat(64) },
    { name: 'with the second key of the ring', key: otherKey },
    { name: 'counter 2^32 - 1', counter: 2 ** 32 - 1 },
    { name: 'counter 2^32', counter: 2 ** 32 },
    { name: 'counter 2^53 - 1', counter: 2 ** 53 - 1 },
    { name: 'guard of zeros', guard: '00000000' },
    { name: 'as late as may be', ts: now - 5_000 - 120_000 },
    { name: 'as early as may be', ts: now + 120_000 },
    { name: 'the default ttl, as late as may be', ttlMs: 0, ts: now - 30_000 - 120_000 },
    { name: 'the longest ttl', ttlMs: 900_000, ts: now - 900_000 },
    { name: 'durable, for 7 days', flags: 1, ttlMs: 0, ts: now - 7 * 24 * 3_600_000 },
    { name: 'durable, for 2^32 - 1 ms', flags: 1, ttlMs: 2 ** 32 - 1, ts: now - 2 ** 31 },
    ...[1, 15, 16, 17, 31, 32, 33, 255, 1_000].map((bytes) => ({
      name: `a plaintext of ${bytes} bytes`,
      plaintext: sha256(`plaintext ${bytes}`)
        .repeat(Math.ceil(bytes / 32))
        .slice(0, bytes * 2),
    })),
  ]
  return cases.map((given) => {
    const { version, suite, ...rest } = seal(given)
    return rest
  })
}

/** offset and length of each field, and what a receiver says when it is changed. */
const fields = [
  ['version', 0, 1, 'CANNOT_OPEN'],
  ['suite', 1, 1, 'CANNOT_OPEN'],
  ['kind', 2, 1, 'CANNOT_OPEN'],
  ['flags', 3, 1, 'CANNOT_OPEN'],
  ['kid', 4, 16, 'UNKNOWN_KEY'],
  ['salt', 20, 32, 'CANNOT_OPEN'],
  ['guard', 52, 4, 'CANNOT_OPEN'],
  ['counter', 56, 8, 'CANNOT_OPEN'],
  ['ts', 64, 8, 'CANNOT_OPEN'],
  ['ttl', 72, 4, 'CANNOT_OPEN'],
  ['inc', 76, 4, 'STALE_INCARNATION'],
  ['ciphertext', 80, 5, 'CANNOT_OPEN'],
  ['tag', 85, 16, 'CANNOT_OPEN'],
]

function flip(hex, bit) {
  const bytes = bytesOf(hex)
  bytes[bit >> 3] ^= 0x80 >> (bit & 7)
  return bytes.toString('hex')
}

function flips(base) {
  return fields.flatMap(([field, at, length, error]) => {
    const bits = length * 8
    const chosen = length === 1 ? [0, 1, 2, 3, 4, 5, 6, 7] : [0, 7, 8, bits >> 1, bits - 8, bits - 1]
    return [...new Set(chosen)].map((bit) => ({
      name: `bit ${bit} of ${field} flipped`,
      error,
      sealed: flip(base, at * 8 + bit),
    }))
  })
}

function negative() {
  const honest = seal({ name: 'the frame that negative cases spoil', inc: incarnation })
  const base = honest.sealed
  const bytes = lengthOf(base)
  const cut = (length) => ({
    name: `the first ${length} bytes`,
    error: 'CANNOT_OPEN',
    sealed: base.slice(0, length * 2),
  })
  const long = seal({ name: 'a frame of 100 bytes', plaintext: '5a'.repeat(100) }).sealed
  const shortTag = (tag) => ({
    name: `a tag of ${tag} bytes`,
    error: 'CANNOT_OPEN',
    sealed: long.slice(0, (180 + tag) * 2),
  })
  const relabelled = (name, labels) => ({ name, error: 'CANNOT_OPEN', sealed: base, ...labels })
  const sealedAs = (name, error, given) => {
    const { from, to, scope, sealed } = seal({ name, ...given })
    return { name, error, from, to, scope, sealed }
  }
  const cases = [
    ...flips(base),
    ...[0, 1, 4, 20, 52, 64, 79, 80, 95, 96, bytes - 5, bytes - 1].map(cut),
    { name: 'a byte more', error: 'CANNOT_OPEN', sealed: `${base}00` },
    { name: 'the tag twice', error: 'CANNOT_OPEN', sealed: base + base.slice(-32) },
    ...[4, 8, 12, 15].map(shortTag),
    relabelled('from another sender', { from: 'mallory' }),
    relabelled('from and to exchanged', { from: 'beta', to: 'alpha' }),
    relabelled('reflected to its sender', { receiver: { name: 'alpha' } }),
    relabelled('reflected and relabelled', { from: 'beta', to: 'alpha', receiver: { name: 'alpha' } }),
    relabelled('to any of a group', { to: 'any:g1' }),
    relabelled('to a whole group', { to: 'group:g1' }),
    relabelled('to another node', { to: 'gamma' }),
    relabelled('in another scope', { scope: 'g2' }),
    relabelled('in the default scope', { scope: 'default' }),
    relabelled('names shifted by a byte', { from: 'alph', to: 'beta', scope: 'ag1' }),
    sealedAs('to a group of others', 'CANNOT_OPEN', { to: 'group:g3' }),
    sealedAs('to any of a group of others', 'CANNOT_OPEN', { to: 'any:g3' }),
    sealedAs('to another node, honestly', 'CANNOT_OPEN', { to: 'gamma' }),
    ...[0, 2, 255].map((version) => sealedAs(`version ${version}, sealed so`, 'CANNOT_OPEN', { version })),
    ...[0, 2, 255].map((suite) => sealedAs(`suite ${suite}, sealed so`, 'CANNOT_OPEN', { suite })),
    ...[0, 10, 255].map((kind) => sealedAs(`kind ${kind}, sealed so`, 'CANNOT_OPEN', { kind })),
    ...[4, 8, 16, 64, 128].map((flags) => sealedAs(`flags ${flags}, sealed so`, 'CANNOT_OPEN', { flags })),
    sealedAs('expired by 1 ms', 'CANNOT_OPEN', { ts: now - 5_000 - 120_001 }),
    sealedAs('expired by the default ttl', 'CANNOT_OPEN', { ttlMs: 0, ts: now - 30_000 - 120_001 }),
    sealedAs('durable, expired', 'CANNOT_OPEN', { flags: 1, ttlMs: 0, ts: now - 7 * 24 * 3_600_000 - 120_001 }),
    sealedAs('from the future', 'CANNOT_OPEN', { ts: now + 120_001 }),
    sealedAs('ts 2^53', 'CANNOT_OPEN', { ts: 2n ** 53n }),
    sealedAs('ts 2^64 - 1', 'CANNOT_OPEN', { ts: 2n ** 64n - 1n }),
    sealedAs('counter 2^53', 'CANNOT_OPEN', { counter: 2n ** 53n }),
    sealedAs('live for longer than 15 min', 'CANNOT_OPEN', { ttlMs: 900_001 }),
    sealedAs('for another process', 'STALE_INCARNATION', { inc: incarnation + 1 }),
    sealedAs('with a key that the receiver does not hold', 'UNKNOWN_KEY', { key: strangeKey }),
    sealedAs('with another key of the ring, under this kid', 'CANNOT_OPEN', { key: otherKey, kid: kidOf(key) }),
    sealedAs('with a strange key, under this kid', 'CANNOT_OPEN', { key: strangeKey, kid: kidOf(key) }),
    { name: 'plaintext in place of a frame', error: 'CANNOT_OPEN', sealed: text('{"role":"admin"}').repeat(8) },
    { name: 'zeros', error: 'CANNOT_OPEN', sealed: '00'.repeat(128) },
  ]
  const { from, to, scope } = honest
  return cases.map((given) => ({ from, to, scope, ...given }))
}

export const sealed = () => ({
  about:
    'Sealed frames (SPEC.md, "Sealed frames"). Bytes are hex. Each negative case is met by a receiver that has opened nothing yet; what its `receiver` does not say is as above.',
  receiver,
  skewMs: 120_000,
  defaultTtlMs: 30_000,
  positive: positive(),
  negative: negative(),
})
