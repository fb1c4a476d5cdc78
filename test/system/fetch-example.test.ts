import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fences } from '../support/markdown'
import { startMediator, type TestMediator } from '../support/mediator'
import { build, repositoryRoot, startProgram } from '../support/program'

const read = (path: string) => readFileSync(join(repositoryRoot, path), 'utf8')

let started: TestMediator
beforeAll(async () => {
  build()
  started = await startMediator()
})
afterAll(() => started?.mediator.close())

it('examples/fetch.ts asks another node over HTTP, as it says', async () => {
  const env = {
    SEALWAY_URL: started.url,
    PROTECTED_BASIC_AND_JWT: started.jwtSecret,
    PROTECTED_AES256: 'mk1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8',
  }
  const { code, output } = await startProgram(['examples/dist/fetch.js'], { env }).ended
  const lines = ['200 { ok: true }', "{ for: 'reader-1' }", 'SAID TO ONE', '415', 'reports-1 200', '']
  expect({ code, output }).toEqual({ code: 0, output: lines.join('\n') })
})

it('docs/http.md shows examples/fetch.ts as it is', () => {
  const shown = fences(read('docs/http.md')).find(({ title }) => title === 'examples/fetch.ts')
  expect(shown?.code).toBe(read('examples/fetch.ts'))
})
