import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startMediator, type TestMediator } from '../support/mediator'
import { build, repositoryRoot, runProgram, startProgram } from '../support/program'

const key = 'mk1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8'
const packages = ['protocol', 'client-lib'] as const

/** Files that no package ships. */
const madeHow = /\.tsbuildinfo$|\.built$|^(package\/)?(src|test)\/|^(?!template\/).*\.test\.|node_modules/

let folder: string
let started: TestMediator
beforeAll(async () => {
  build()
  folder = mkdtempSync(join(tmpdir(), 'sealway-packages-'))
  started = await startMediator()
})
afterAll(async () => {
  await started?.mediator.close()
  rmSync(folder, { recursive: true, force: true })
})

/** Names that a package exports, by how it is loaded. */
const listing = {
  cjs: (name: string) => `console.log(JSON.stringify(Object.keys(require('${name}')).sort()))`,
  mjs: (name: string) => `import * as all from '${name}'\nconsole.log(JSON.stringify(Object.keys(all).sort()))`,
}

/** A node that calls itself, in either module system. */
const program = {
  cjs: `const { connect, SealwayError } = require('@sealway/client')\n`,
  mjs: `import { connect, SealwayError } from '@sealway/client'\n`,
}
const body = `
;(async () => {
  const node = await connect(process.env.URL, { name: process.env.NAME, groups: ['g'], keys: '${key}' })
  node.on('double', ({ body }) => body * 2)
  node.on('crash', () => { throw new Error('boom') })
  const answer = await node.call(node.name, 'double', 21)
  const error = await node.call(node.name, 'crash').catch((error) => error)
  console.log(JSON.stringify({ answer, transport: node.transport, code: error.code, isOurs: error instanceof SealwayError }))
  await node.drain()
})()
`

/** Run where the workspaces are installed, as in a service's own folder. */
async function run(extension: 'cjs' | 'mjs', text: string, env: { [name: string]: string } = {}): Promise<string> {
  const file = join(repositoryRoot, `node_modules/.sealway-test-${process.pid}-${extension}.${extension}`)
  writeFileSync(file, text)
  try {
    const { code, output } = await startProgram([file], { cwd: folder, env }).ended
    expect({ code, output }).toEqual({ code: 0, output })
    return output
  } finally {
    rmSync(file)
  }
}

describe.each(['cjs', 'mjs'] as const)('a service in %s', (extension) => {
  it.each(['tcp', 'ws', 'http'] as const)('connects, calls and leaves over %s', async (transport) => {
    const output = await run(extension, program[extension] + body, {
      URL: started.url.replace('http', { tcp: 'http', ws: 'ws', http: 'sealway+http' }[transport]),
      NAME: `dual-${extension}-${transport}`,
      PROTECTED_BASIC_AND_JWT: started.jwtSecret,
    })
    expect(JSON.parse(output)).toEqual({ answer: 42, transport, code: 'EXCEPTION', isOurs: true })
  })
})

const entries = ['@sealway/protocol', '@sealway/client', '@sealway/client/browser', '@sealway/client/plugins']
describe.each([...entries, '@sealway/client/otel', '@sealway/client/fastify', '@sealway/client/nestjs'])(
  '%s',
  (name) => {
    it('exports the same to require and to import', async () => {
      const [required, imported] = [
        JSON.parse(await run('cjs', listing.cjs(name))) as string[],
        JSON.parse(await run('mjs', listing.mjs(name))) as string[],
      ]
      expect(required.filter((key) => key !== 'default')).toEqual(imported.filter((key) => key !== 'default'))
      expect(required.length).toBeGreaterThan(0)
    })
  },
)

describe.each(packages)('the package in %s', (workspace) => {
  let tarball: string
  beforeAll(() => {
    const { status, output } = runProgram('npm', ['pack', '-w', workspace, '--pack-destination', folder, '--silent'])
    expect({ status, output }).toEqual({ status: 0, output })
    const part = workspace === 'protocol' ? 'protocol' : 'client'
    tarball = join(folder, readdirSync(folder).find((file) => file.endsWith('.tgz') && file.includes(part))!)
  })

  it('is what publint wants', () => {
    const { output } = runProgram(process.execPath, [
      '--input-type=module',
      '-e',
      `import { readFileSync } from 'node:fs'
       import { publint } from 'publint'
       const tarball = new Uint8Array(readFileSync('${tarball}')).buffer
       const { messages } = await publint({ strict: true, pack: { tarball } })
       console.log(JSON.stringify(messages))`,
    ])
    expect(JSON.parse(output)).toEqual([])
  })

  it('has right types for require and for import', () => {
    const { output } = runProgram(process.execPath, [
      '--input-type=module',
      '-e',
      `import { readFileSync } from 'node:fs'
       import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core'
       const { types, problems } = await checkPackage(createPackageFromTarballData(new Uint8Array(readFileSync('${tarball}'))))
       console.log(JSON.stringify({ types: types.kind, problems }))`,
    ])
    const { types, problems } = JSON.parse(output) as {
      types: string
      problems: { kind: string; resolutionKind: string }[]
    }
    expect(types).toBe('included')
    // TypeScript's resolution of before 4.7 knows no `exports`; who has it cannot reach a path below the package.
    expect(
      problems.filter(({ kind, resolutionKind }) => kind !== 'NoResolution' || resolutionKind !== 'node10'),
    ).toEqual([])
  })

  it('holds what it needs and nothing of how it was made', () => {
    const { output } = runProgram('tar', ['tzf', tarball])
    const files = output.trim().split('\n')
    for (const file of [
      'package/package.json',
      'package/dist/esm/index.js',
      'package/dist/cjs/index.js',
      'package/dist/cjs/package.json',
    ]) {
      expect(files).toContain(file)
    }
    expect(files.filter((file) => madeHow.test(file))).toEqual([])
    const { dependencies = {} } = JSON.parse(readFileSync(join(repositoryRoot, workspace, 'package.json'), 'utf8'))
    expect(Object.keys(dependencies)).toEqual(workspace === 'protocol' ? [] : ['@sealway/protocol'])
  })

  it('has one set of source maps, beside its ES modules, and no sources in them', () => {
    runProgram('tar', ['xzf', tarball, '-C', folder])
    const at = join(folder, 'package', 'dist')
    const files = readdirSync(at, { recursive: true, encoding: 'utf8' })
    const maps = files.filter((file) => file.endsWith('.map'))
    expect(maps.filter((file) => !file.startsWith('esm/'))).toEqual([])
    expect(maps).toHaveLength(files.filter((file) => file.startsWith('esm/') && file.endsWith('.js')).length)
    for (const map of maps) expect(JSON.parse(readFileSync(join(at, map), 'utf8'))).not.toHaveProperty('sourcesContent')
    for (const file of files.filter((name) => /^cjs\/.*\.js$/.test(name))) {
      expect([file, readFileSync(join(at, file), 'utf8').includes('sourceMappingURL')]).toEqual([file, false])
    }
    rmSync(join(folder, 'package'), { recursive: true })
  })
})

it.each(['server', 'scaffold'])('the package in %s holds nothing of how it was made', (workspace) => {
  const { output } = runProgram('npm', ['pack', '-w', workspace, '--dry-run', '--json', '--silent'])
  const [{ files }] = JSON.parse(output) as [{ files: { path: string }[] }]
  const paths = files.map(({ path }) => path)
  expect(paths).toContain('dist/main.js')
  expect(paths.filter((path) => madeHow.test(path))).toEqual([])
})
