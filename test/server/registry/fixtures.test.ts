import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { development, keysFile } from '#fixtures'
import { readKeysFile } from '../../../client-lib/src/crypto/keys-file.js'
import { loadFixtures } from '../../../server/src/registry/fixtures.js'
import { memoryRegistry } from '../../support/memory-registry.js'

const root = join(__dirname, '../../..')
const keys = join(root, keysFile)

describe('fixtures', () => {
  it('are registered once, and change nothing the second time', async () => {
    const registry = await memoryRegistry()
    const names = development.map((node) => node.name)
    expect(await loadFixtures(registry)).toEqual({ created: names, updated: [], unchanged: [], keysFile })
    const before = [await registry.nodes({}), await registry.auditTrail({})]
    expect(await loadFixtures(registry)).toEqual({ created: [], updated: [], unchanged: names, keysFile })
    expect([await registry.nodes({}), await registry.auditTrail({})]).toEqual(before)
    expect((await registry.nodes({})).map((node) => node.name)).toEqual([...names].sort())
    expect((await registry.groups()).map((group) => [group.name, group.nodes])).toEqual([
      ['billing', 1],
      ['orders', 2],
      ['reports', 1],
      ['shop', 4],
    ])
    await registry.close()
  })

  it('put back what was changed, and say so', async () => {
    const registry = await memoryRegistry()
    await loadFixtures(registry)
    await registry.updateNode('orders-1', { meta: null }, 'test')
    await registry.removeNode('billing-1', 'test')
    const { created, updated } = await loadFixtures(registry)
    expect({ created, updated }).toEqual({ created: ['billing-1'], updated: ['orders-1'] })
    expect((await registry.node('orders-1'))!.meta).toMatchObject({ fixture: 'development' })
    await registry.close()
  })

  it('have a key for each group that the client library takes, in a file that is marked as throw-away', () => {
    const groups = new Set(development.flatMap((node) => node.groups))
    const read = readKeysFile(keys)
    expect(new Set(Object.keys(read.groups ?? {}))).toEqual(groups)
    expect(keysFile).toMatch(/throw-away/)
  })

  it('bring none of these keys into the mediator: neither its sources nor its database hold one', async () => {
    const secrets = readFileSync(keys, 'utf8').match(/mk1_[\w-]{43}/g)!
    expect(secrets).toHaveLength(5)
    const registry = await memoryRegistry()
    await loadFixtures(registry)
    const stored = JSON.stringify([await registry.nodes({}), await registry.auditTrail({}), await registry.groups()])
    const compiledIn = readFileSync(join(root, 'fixtures/development.ts'), 'utf8')
    for (const text of [stored, compiledIn]) expect(text).not.toMatch(/mk1_/)
    await registry.close()
  })
})
