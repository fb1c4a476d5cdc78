import { lengthOf, text, u8, u32, u64 } from './bytes.mjs'

const msgId = '00112233445566778899aabbccddeeff'

function record({ kind, msgId: id, corr, ttlMs, payload }) {
  const flags = (id === undefined ? 0 : 1) | (corr === undefined ? 0 : 2) | (ttlMs === undefined ? 0 : 4)
  const optional = (id ?? '') + (corr === undefined ? '' : u64(corr)) + (ttlMs === undefined ? '' : u32(ttlMs))
  const rest = u8(kind) + u8(flags) + optional + payload
  return u32(lengthOf(rest)) + rest
}

const good = (name, records, padding = '') => ({ name, records, bytes: records.map(record).join('') + padding })
const hello = { kind: 1, payload: text('hello') }

export const bundles = () => ({
  about: 'Plaintexts of bundles (SPEC.md, "Bundles"). Bytes are hex.',
  good: [
    good('nothing', []),
    good('a lone message', [hello]),
    good('an empty payload', [{ kind: 1, payload: '' }]),
    ...[1, 2, 3, 4, 5, 6, 7, 8].map((kind) => good(`kind ${kind}`, [{ kind, payload: '00' }])),
    good('a message id', [{ kind: 2, msgId, payload: '01' }]),
    good('a correlation', [{ kind: 3, corr: 2 ** 53 - 1, payload: '01' }]),
    good('a ttl', [{ kind: 1, ttlMs: 2 ** 32 - 1, payload: '01' }]),
    good('everything', [{ kind: 3, msgId, corr: 7, ttlMs: 5_000, payload: text('hello') }]),
    good('fields of zero', [{ kind: 3, msgId: '00'.repeat(16), corr: 0, ttlMs: 0, payload: '' }]),
    good('three messages', [hello, { kind: 3, corr: 1, payload: '02' }, { kind: 7, payload: '03' }]),
    good('padding of 4 bytes', [hello], '00000000'),
    good('padding of 20 bytes', [hello, hello], '00'.repeat(20)),
    good('padding only', [], '00'.repeat(16)),
  ],
  malformed: [
    ['a length that is cut', '000000'],
    ['a length that runs past the end', '00000004010078'],
    ['length 2^32 - 1', 'ffffffff0100'],
    ['length 2^31', '800000000100'],
    ['a record without flags', '0000000101'],
    ['kind 0', '000000020000'],
    ['a bundle in a bundle', '000000020900'],
    ['flag 8', '000000020108'],
    ['flag 128', '000000020180'],
    ['a cut message id', `000000110101${'aa'.repeat(15)}`],
    ['a cut correlation', `000000090102${'00'.repeat(7)}`],
    ['a cut ttl', '000000050104000000'],
    ['a correlation of 2^53', '0000000a01020020000000000000'],
    ['a correlation of 2^64 - 1', '0000000a0102ffffffffffffffff'],
    ['padding that is not zero', '0000000001'],
    ['a record behind the padding', `00000000${record(hello)}`],
  ]
    .flatMap(([name, bytes]) => [
      { name, bytes },
      { name: `a good record, then ${name}`, bytes: record(hello) + bytes },
    ])
    .concat([{ name: '4,097 records', bytes: '000000020100'.repeat(4_097) }]),
})
