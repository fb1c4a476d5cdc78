import { keyFromBytes } from '../../../client-lib/src/crypto/keys.js'
import { SealingFlow } from '../../../client-lib/src/crypto/seal.js'
import { Kind } from '../../../protocol/src/index.js'

it('seals the known answers of ENVELOPE', () => {
  const key = keyFromBytes(Uint8Array.from({ length: 32 }, (_, i) => i))
  const f = new SealingFlow({
    key,
    from: 'alpha',
    to: 'beta',
    scope: 'g1',
    clock: () => 1700000000000,
    random: {
      salt: () => Buffer.from(Array.from({ length: 32 }, (_, i) => 0xa0 + i)),
      guard: (t, at) => {
        t.set([0xde, 0xad, 0xbe, 0xef], at)
      },
    },
  })
  const a = f.seal(Kind.acked, 0, Buffer.from('hello'), 5000, 0)
  expect(Buffer.concat([a.ciphertext, a.tag]).toString('hex')).toBe('64c4c4acf94b48cf875c87d545a023ec54285c19fe')
  expect(f.seal(Kind.fire, 0, Buffer.alloc(0), 0, 0).tag.toString('hex')).toBe('7251d83dd48a8cf42a857cb297bb76d0')
})
