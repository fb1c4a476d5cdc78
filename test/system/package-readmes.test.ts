import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { codeWords, fences } from '../support/markdown'
import { startMediator, type TestMediator } from '../support/mediator'
import { build, repositoryRoot, startProgram } from '../support/program'

const read = (path: string) => readFileSync(join(repositoryRoot, path), 'utf8')
const cache = join(repositoryRoot, 'node_modules', '.cache')
let folder: string
let mediator: TestMediator
beforeAll(async () => {
  build()
  mkdirSync(cache, { recursive: true })
  folder = mkdtempSync(join(cache, 'readmes-'))
  mediator = await startMediator()
}, 240_000)
afterAll(async () => {
  await mediator?.mediator.close()
  if (folder) rmSync(folder, { recursive: true, force: true })
})

/** npm shows the README of a package beside its name. */
it.each(['protocol', 'client-lib'])('the snippet in the README of %s prints what it says', async (workspace) => {
  const snippets = fences(read(`${workspace}/README.md`)).filter(({ language }) => language === 'js')
  expect(snippets).toHaveLength(1)
  const { code } = snippets[0]!
  const promised = [...code.matchAll(/console\.log\(.*\) \/\/ (.*)$/gm)].map(([, text]) => `${text}\n`).join('')
  const file = join(folder, `${workspace}.mjs`)
  writeFileSync(file, code)
  const env = {
    SEALWAY_URL: mediator.url,
    PROTECTED_BASIC_AND_JWT: mediator.jwtSecret,
    PROTECTED_AES256: 'mk1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8',
  }
  expect(await startProgram([file], { env }).ended).toEqual({ code: 0, output: promised })
})

it('the README of the client names every entry of the package', () => {
  const { exports } = JSON.parse(read('client-lib/package.json')) as { exports: object }
  const entries = Object.keys(exports)
    .filter((entry) => entry !== './package.json')
    .map((entry) => `@sealway/client${entry.slice(1)}`)
  expect(codeWords(read('client-lib/README.md'))).toEqual(expect.arrayContaining(entries))
})
