import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fences, markdownFiles } from '../support/markdown'
import { startMediator, type TestMediator } from '../support/mediator'
import { build, type Program, repositoryRoot, startProgram } from '../support/program'

const read = (path: string) => readFileSync(join(repositoryRoot, path), 'utf8')
/** Those that run by themselves and end. The others are run by tests of their own. */
const whole = ['acked', 'broadcast', 'errors', 'events', 'fastify', 'gather', 'policies', 'requester', 'streams']
const others = new Map([
  ['caller', 'readme'],
  ['client', 'first-minutes'],
  ['environment', 'first-minutes'],
  ['fetch', 'fetch-example'],
  ['greeter', 'readme'],
  ['http', 'http-example'],
  ['orders', 'testing-docs'],
  ['orders.test', 'testing-docs'],
  ['sender', 'first-minutes'],
  ['terminal', 'first-minutes'],
])

let mediator: TestMediator
const programs: Program[] = []
beforeAll(async () => {
  build()
  mediator = await startMediator()
}, 240_000)
afterAll(async () => {
  for (const program of programs) program.signal('SIGKILL')
  await mediator?.mediator.close()
})

/** What a program says it prints: behind a `console.log(...)`, or in comments below it. */
function promised(code: string): string {
  const lines = [...code.matchAll(/^ *(?:\/\/ |.*console\.log\(.*\) \/\/ )(.*)$/gm)].map(([, text]) => text!)
  // The first lines say what the example is about; others that are no output end with a full stop.
  return lines
    .filter((line) => !/\.$/.test(line))
    .map((line) => `${line}\n`)
    .join('')
}

async function run(name: string): Promise<{ code: number | null; output: string }> {
  const program = startProgram([join('examples', 'dist', `${name}.js`)], {
    env: {
      SEALWAY_URL: mediator.url,
      PROTECTED_BASIC_AND_JWT: mediator.jwtSecret,
      PROTECTED_AES256: 'mk1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8',
    },
  })
  programs.push(program)
  return program.ended
}

describe('the examples', () => {
  it('are all run by a test', () => {
    const files = readdirSync(join(repositoryRoot, 'examples')).filter((file) => /\.[jt]s$/.test(file))
    expect(files.map((file) => file.slice(0, -3)).sort()).toEqual([...whole, ...others.keys()].sort())
    for (const test of others.values()) expect(existsSync(join(__dirname, `${test}.test.ts`))).toBe(true)
  })

  it.each([...whole, 'nestjs/shop'])('%s prints what its comments say, and ends by itself', async (name) => {
    const output = promised(read(`examples/${name}.ts`))
    expect(output).not.toBe('')
    expect(await run(name)).toEqual({ code: 0, output })
  })

  it('are shown in the documents as they are', () => {
    const shown = markdownFiles(repositoryRoot).flatMap((file) =>
      fences(read(file))
        .filter(({ title }) => title.startsWith('examples/'))
        .map(({ title, code }) => ({ file, title, code })),
    )
    expect(shown.length).toBeGreaterThan(4)
    for (const { file, title, code } of shown) expect([file, title, code]).toEqual([file, title, read(title)])
  })
})
