import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Fence, fences } from '../support/markdown'
import { startMediator, type TestMediator } from '../support/mediator'
import { build, type Program, repositoryRoot, runProgram, startProgram } from '../support/program'

const read = (path: string) => readFileSync(join(repositoryRoot, path), 'utf8')
const snippets = fences(read('README.md')).filter(({ language }) => language === 'ts')
const nameOf = ({ title }: Fence, index: number) => title.replace(/^.*\/|\.ts$/g, '') || `snippet-${index}`

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
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      extends: '../../../tsconfig.base.json',
      compilerOptions: { composite: false, declaration: false, lib: ['ES2023', 'ESNext.Disposable'] },
      include: ['*.ts'],
    }),
  )
  for (const [i, snippet] of snippets.entries()) writeFileSync(join(folder, `${nameOf(snippet, i)}.ts`), snippet.code)
  mediator = await startMediator()
})

afterAll(async () => {
  for (const program of programs) program.signal('SIGKILL')
  await mediator?.mediator.close()
  if (folder) rmSync(folder, { recursive: true, force: true })
})

describe('the snippets of the README', () => {
  it('compile, strictly', () => {
    const tsc = join(repositoryRoot, 'node_modules', 'typescript', 'bin', 'tsc')
    expect(runProgram('node', [tsc, '-p', folder])).toEqual({ status: 0, output: '' })
  })

  it('are the files that they name', () => {
    const named = snippets.filter(({ title }) => title !== '')
    expect(named.map(({ title }) => title)).toEqual(['examples/greeter.ts', 'examples/caller.ts'])
    for (const { title, code } of named) expect([title, code]).toEqual([title, read(title)])
  })

  it('need under twenty lines for two services', () => {
    const lines = ['examples/greeter.ts', 'examples/caller.ts'].flatMap((file) => read(file).trim().split('\n'))
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

/** Runs a compiled snippet as a process of its own, with what `.env.node` would give it. */
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
