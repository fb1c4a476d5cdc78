import { Kind, readU32, SealFlag } from '@sealway/protocol'
import { PooledRandom } from '../../../client-lib/src/crypto/random.js'
import { SealingFlow } from '../../../client-lib/src/crypto/seal.js'
import { key, pair, startedAt, wire } from './pair.js'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

it('seals the known answers of SPEC.md', () => {
  const random = {
    salt: () => Buffer.from(Array.from({ length: 32 }, (_, i) => 0xa0 + i)),
    guard: (target: Uint8Array, at: number) => target.set([0xde, 0xad, 0xbe, 0xef], at),
  }
  const { flow } = pair({ random })
  const first = flow.seal(Kind.acked, 0, Buffer.from('hello'), 5_000, 0)
  expect(hex(wire(first))).toBe(
    '01010200' +
      '673878543e02f64684f83c49473ec299' +
      'a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf' +
      'deadbeef' +
      '0000000000000000' +
      '0000018bcfe56800' +
      '00001388' +
      '00000000' +
      '64c4c4acf94b48cf875c87d545a023ec54285c19fe',
  )
  const second = flow.seal(Kind.fire, 0, Buffer.alloc(0), 0, 0)
  expect(hex(second.tag)).toBe('7251d83dd48a8cf42a857cb297bb76d0')
  expect([first.counter, second.counter, flow.nextCounter]).toEqual([0, 1, 2])
  expect(hex(flow.id)).toBe('a0a1a2a3a4a5a6a7')
})

it('leaves room for the header of the link, and says how long the body is', () => {
  const { flow } = pair()
  const frame = flow.seal(Kind.bundle, SealFlag.durable, Buffer.alloc(1_000), 0, 7)
  expect([frame.header.length, frame.ciphertext.length, frame.tag.length]).toEqual([92, 1_000, 16])
  expect(frame.bytes).toBe(wire(frame).length)
})

it('keeps nothing of the plaintext, which may be overwritten at once', () => {
  const { flow, opener, route } = pair()
  const plaintext = Buffer.from('first')
  const frame = flow.seal(Kind.fire, 0, plaintext, 0, 0)
  plaintext.write('xxxxx')
  flow.seal(Kind.fire, 0, plaintext, 0, 0)
  expect(opener.open(wire(frame), route)).toMatchObject({ type: 'opened', plaintext: Buffer.from('first') })
})

it('never repeats a nonce or a salt: 8 flows of 10,000 frames with the random numbers of the system', () => {
  const random = new PooledRandom()
  const salts = new Set<string>()
  const guards = new Set<number>()
  for (let i = 0; i < 8; i++) {
    const { flow } = pair({ random })
    const nonces = new Set<string>()
    for (let n = 0; n < 10_000; n++) {
      const { header } = flow.seal(Kind.fire, 0, Buffer.alloc(0), 0, 0)
      nonces.add(header.toString('latin1', 12 + 52, 12 + 64))
      guards.add(readU32(header, 12 + 52))
      if (n === 0) salts.add(header.toString('latin1', 12 + 20, 12 + 52))
    }
    expect(nonces.size).toBe(10_000)
  }
  expect(salts.size).toBe(8)
  // 80,000 draws of 32 bits: about 0.75 coincide by chance; 20 or more in one universe of 10^20.
  expect(guards.size).toBeGreaterThan(79_980)
})

it('never uses a counter again, even when sealing fails', () => {
  const { flow } = pair()
  expect(() => flow.seal(Kind.fire, 0, null as unknown as Buffer, 0, 0)).toThrow()
  expect(() => flow.seal(Kind.fire, 0, { length: 1 } as unknown as Buffer, 0, 0)).toThrow()
  const used = flow.nextCounter
  expect(flow.seal(Kind.fire, 0, Buffer.alloc(0), 0, 0).counter).toBe(used)
  expect(used).toBeGreaterThan(0)
})

it.each([
  ['kind 0', 0, 0, 0, 0],
  ['kind 10', 10, 0, 0, 0],
  ['an unknown flag', 1, 64, 0, 0],
  ['a negative ttl', 1, 0, -1, 0],
  ['a ttl over 32 bits', 1, 0, 2 ** 32, 0],
  ['a ttl with a fraction', 1, 0, 0.5, 0],
  ['an incarnation over 32 bits', 1, 0, 0, 2 ** 32],
])('refuses %s', (_, kind, flags, ttl, inc) => {
  expect(() => pair().flow.seal(kind as Kind, flags, Buffer.alloc(0), ttl, inc)).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
  )
})

describe('a new flow is due', () => {
  it('after an hour', () => {
    const { flow } = pair()
    expect([flow.expired(startedAt), flow.expired(startedAt + 3_599_999)]).toEqual([false, false])
    expect(flow.expired(startedAt + 3_600_000)).toBe(true)
  })

  it('when the clock steps back by more than 5 s, also from a later frame', () => {
    const { flow, clock } = pair()
    clock.now = startedAt + 60_000
    flow.seal(Kind.fire, 0, Buffer.alloc(0), 0, 0)
    expect(flow.expired(startedAt + 55_000)).toBe(false)
    expect(flow.expired(startedAt + 54_999)).toBe(true)
  })

  it('after 2^31 frames, and it seals no more then', () => {
    const { flow } = pair()
    Reflect.set(flow, 'frames', 2 ** 31 - 1)
    expect(flow.seal(Kind.fire, 0, Buffer.alloc(0), 0, 0).counter).toBe(2 ** 31 - 1)
    expect(flow.expired(startedAt)).toBe(true)
    expect(() => flow.seal(Kind.fire, 0, Buffer.alloc(0), 0, 0)).toThrow('begin another')
  })

  it('after 2^30 blocks, and it seals no more then', () => {
    const { flow } = pair()
    Reflect.set(flow, 'blocks', 2 ** 30 - 2)
    expect(flow.expired(startedAt)).toBe(false)
    flow.seal(Kind.fire, 0, Buffer.alloc(16), 0, 0)
    expect(flow.expired(startedAt)).toBe(true)
    expect(() => flow.seal(Kind.fire, 0, Buffer.alloc(0), 0, 0)).toThrow('begin another')
  })

  it('when it was retired', () => {
    const { flow } = pair()
    flow.retire()
    expect(flow.expired(startedAt)).toBe(true)
    expect(() => flow.seal(Kind.fire, 0, Buffer.alloc(0), 0, 0)).toThrow('begin another')
  })
})

it('refuses a name over 255 bytes, which the key could not bind', () => {
  const { sender } = pair()
  expect(() => new SealingFlow({ ...sender, key, to: 'a'.repeat(256) })).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
  )
})

it('C8: a copy of a flow by structuredClone cannot seal, so no counter exists twice', () => {
  const { flow } = pair()
  expect(() => structuredClone(flow)).toThrow(expect.objectContaining({ name: 'DataCloneError' }))
})
