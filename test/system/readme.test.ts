import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from '@sealway/client'
import { tokenFor } from '../support/link'
import { type Fence, fences } from '../support/markdown'
import { startMediator, type TestMediator } from '../support/mediator'
import { build, type Program, repositoryRoot, startProgram } from '../support/program'

const read = (path: string) => readFileSync(join(repositoryRoot, path), 'utf8')
const snippets = fences(read('README.md')).filter(({ language }) => language === 'js')
const nameOf = ({ title }: Fence, index: number) => title.replace(/^.*\/|\.js$/g, '') || `snippet-${index}`

/** Below node_modules, so that a snippet finds the packages as it would in a user's project. */
const cache = join(repositoryRoot, 'node_modules', '.cache')
let folder: string
let mediator: TestMediator
const programs: Program[] = []

beforeAll(async () => {
  // What a user would have: the packages as they are built, not their sources.
  build()
  mkdirSync(cache, { recursive: true })
  folder = mkdtempSync(join(cache, 'readme-'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  for (const [i, snippet] of snippets.entries()) writeFileSync(join(folder, `${nameOf(snippet, i)}.js`), snippet.code)
  mediator = await startMediator()
})

afterAll(async () => {
  for (const program of programs) program.signal('SIGKILL')
  await mediator?.mediator.close()
  if (folder) rmSync(folder, { recursive: true, force: true })
})

describe('the snippets of the README', () => {
  it('are all JavaScript, so that they run as they stand', () => {
    const languages = fences(read('README.md')).map(({ language }) => language)
    expect(snippets.length).toBeGreaterThan(4)
    expect(languages.filter((language) => language !== 'js' && language !== 'sh')).toEqual([])
  })

  it('are the files that they name', () => {
    const named = snippets.filter(({ title }) => title !== '')
    expect(named.map(({ title }) => title)).toEqual(['examples/greeter.js', 'examples/caller.js'])
    for (const { title, code } of named) expect([title, code]).toEqual([title, read(title)])
  })

  it('need under twenty lines for two services', () => {
    const lines = ['examples/greeter.js', 'examples/caller.js'].flatMap((file) => read(file).trim().split('\n'))
    expect(lines.length).toBeLessThan(20)
  })

  it('let the caller get its answer from the greeter', async () => {
    const greeter = start('greeter')
    await greeter.saw(/greeter-1 is ready/)
    const caller = start('caller')
    expect(await caller.ended).toEqual({ code: 0, output: 'Hello world, said to caller-1\n' })
  })

  const others = snippets.map((snippet, i) => [nameOf(snippet, i), snippet.code] as const)
  it.each(others.filter(([name]) => name.startsWith('snippet')))(
    'print what their comments say: %s',
    async (name, code) => {
      const promised = [...code.matchAll(/console\.log\(.*\) \/\/ (.*)$/gm)].map(([, text]) => text!)
      expect(promised).not.toEqual([])
      expect(await start(name).ended).toEqual({ code: 0, output: promised.map((line) => `${line}\n`).join('') })
    },
  )
})

it('the service of docs/migrating.md runs as it stands, and gets its answer', async () => {
  const code = fences(read('docs/migrating.md')).find(({ title }) => title === 'prices.js')?.code
  writeFileSync(join(folder, 'prices.js'), code ?? '')
  const orders = await connect(mediator.url, {
    ...{ name: 'shop-orders', groups: ['shop'], keys: payloadKey },
    token: () => tokenFor(mediator.jwtSecret, 'shop-orders').token,
  })
  orders.expose((request, response) => void response.end(JSON.stringify({ asked: request.url })))
  try {
    const prices = start('prices')
    await prices.saw(/^200 \{ asked: '\/last' \}$/m)
    const price = await orders.fetch('http://shop-prices/price', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ sku: 'A1' }),
    })
    expect(await price.json()).toEqual({ price: 12, sku: 'A1' })
  } finally {
    await orders.close()
  }
})

/** Runs a snippet, unchanged, as a process of its own, with what `.env.node` would give it. */
function start(name: string): Program {
  const program = startProgram([join(folder, `${name}.js`)], {
    env: {
      SEALWAY_URL: mediator.url,
      PROTECTED_BASIC_AND_JWT: mediator.jwtSecret,
      PROTECTED_AES256: payloadKey,
    },
  })
  programs.push(program)
  return program
}

const payloadKey = `mk1_${randomBytes(32).toString('base64url')}`
