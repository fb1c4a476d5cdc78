import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { noFaults } from '../../client-lib/src/testing/faults'
import { codeWords, fences, tableRows } from '../support/markdown'
import { build, repositoryRoot, runProgram } from '../support/program'

const read = (path: string) => readFileSync(join(repositoryRoot, path), 'utf8')
const page = read('docs/testing.md')
// As the user's would: the packages as they are built.
beforeAll(() => build())

describe('docs/testing.md', () => {
  it('shows the files that it names, as they are', () => {
    const named = fences(page).filter(({ title }) => title !== '')
    expect(named.map(({ title }) => title)).toEqual(['examples/orders.ts', 'examples/orders.test.ts'])
    for (const { title, code } of named) expect([title, code]).toEqual([title, read(title)])
  })

  it('shows tests that pass', () => {
    const { status, output } = runProgram('node', ['--test', 'examples/dist/orders.test.js'])
    expect([status, output]).toEqual([0, expect.stringMatching(/pass 53\b/)])
  })

  it('names each fault, and no other', () => {
    const named = tableRows(page).flatMap(([fault]) => codeWords(fault!).filter((word) => /^[a-z]+$/.test(word)))
    expect(named.sort()).toEqual(Object.keys(noFaults).sort())
  })
})

describe('@sealway/client/testing', () => {
  const program = (load: string) => `${load}
    const net = testNet()
    const a = await net.connect('a')
    await net.stub('b', { ping: 'pong' })
    console.log(await a.call('b', 'ping'))
    await net.close()`

  it.each([
    ['ES modules', ['--input-type=module'], "import { testNet } from '@sealway/client/testing'"],
    ['CommonJS', ['--input-type=commonjs'], "const { testNet } = require('@sealway/client/testing')"],
  ])('can be loaded by %s, and ends by itself', (_, options, load) => {
    const code = load.startsWith('const') ? `(async () => {${program(load)}})()` : program(load)
    const from = { cwd: join(repositoryRoot, 'examples') }
    expect(runProgram('node', [...options, '--eval', code], from)).toEqual({ status: 0, output: 'pong\n' })
  })
})
