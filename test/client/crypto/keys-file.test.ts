import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SealwayError } from '@sealway/protocol'
import { Keyring } from '../../../client-lib/src/crypto/keyring.js'
import { formatKey } from '../../../client-lib/src/crypto/keys.js'
import { readKeysFile, watchKeysFile } from '../../../client-lib/src/crypto/keys-file.js'
import { key, otherKey } from './pair.js'

const a = formatKey(key)
const b = formatKey(otherKey)
let folder: string
let path: string
const put = (value: unknown) => writeFileSync(path, typeof value === 'string' ? value : JSON.stringify(value))

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sealway-keys-'))
  path = join(folder, 'keys.json')
})
afterEach(() => rmSync(folder, { recursive: true }))

/** A watched ring; `next()` resolves with what the file's next change led to. */
function watched() {
  put({ default: [a] })
  const keyring = new Keyring(readKeysFile(path))
  let settle: (outcome: SealwayError | 'reloaded') => void
  const next = () => new Promise<SealwayError | 'reloaded'>((resolve) => (settle = resolve))
  const watch = watchKeysFile({
    path,
    keyring,
    pollMs: 5,
    onReload: () => settle('reloaded'),
    onError: (error) => settle(error),
  })
  return { keyring, next, watch }
}

it('follows its file, and keeps the old keys while the file is broken or gone', async () => {
  const { keyring, next, watch } = watched()
  try {
    let change = next()
    put({ default: [b, a], groups: { orders: a } })
    expect(await change).toBe('reloaded')
    expect([keyring.sealing('g1').id, keyring.sealing('orders').id]).toEqual([otherKey.id, key.id])

    change = next()
    put('{ "default": [')
    expect(await change).toMatchObject({ code: 'CONFIG_INVALID' })
    change = next()
    rmSync(path)
    expect(await change).toMatchObject({ code: 'CONFIG_INVALID' })
    expect([keyring.sealing('g1').id, keyring.version]).toEqual([otherKey.id, 1])

    change = next()
    put({ default: a })
    expect(await change).toBe('reloaded')
    expect(keyring.sealing('g1').id).toBe(key.id)
  } finally {
    watch.close()
  }
})

it('reloads when asked, and says what is wrong with a key', async () => {
  const { keyring, next, watch } = watched()
  watch.close()
  let outcome = next()
  put({ default: b })
  watch.reload()
  expect(await outcome).toBe('reloaded')
  expect(keyring.sealing('g1').id).toBe(otherKey.id)
  outcome = next()
  put({ default: 'mk1_short' })
  watch.reload()
  expect(await outcome).toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining('key 1 of "default"'),
  })
})

it.each([
  ['bad JSON', `{"default":"${a}"`],
  ['a list', [a]],
  ['a number for keys', { default: 7 }],
  ['groups that are a list', { groups: [a] }],
  ['a field that is not known', { defaults: a }],
  ['a key that reaches a prototype', `{"groups":{"__proto__":"${a}"}}`],
])('refuses a file with %s, and shows nothing of it', (_, value) => {
  put(value)
  const read = () => readKeysFile(path)
  expect(read).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
  let error: unknown
  try {
    read()
  } catch (caught) {
    error = caught
  }
  expect(`${(error as Error).message} ${String((error as Error).cause)}`).not.toContain(a.slice(4, 20))
})
