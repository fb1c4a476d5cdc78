import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import type { Browser } from 'playwright-core'
import { openBrowser } from '../support/chromium'
import { Formation } from '../support/formation'
import { build, freePort, type Program, repositoryRoot, runProgram, startProgram } from '../support/program'
import { openServicePage, type ServicePage } from '../support/service-page'

/** What create-sealway needs besides our own packages. */
const others = [
  '@clack/prompts',
  '@clack/core',
  'fast-string-width',
  'fast-string-truncated-width',
  'fast-wrap-ansi',
  'sisteransi',
]

/** Everything here: outside the repository, with an npm that has nothing in its cache and no way to a registry. */
let base: string
let packages: string
let formation: Formation
let browser: Browser
/** As `create` wrote it. */
let lock: string
const programs: Program[] = []

const offline = (): string[] => [
  '--offline',
  '--cache',
  join(base, 'cache'),
  '--no-audit',
  '--no-fund',
  '--loglevel=error',
]

/** Runs a program to its end, and gives what it said. */
function succeed(command: string, args: readonly string[], cwd: string, env = {}): string {
  const { status, output } = runProgram(command, args, { cwd, env })
  expect({ status, output }).toEqual({ status: 0, output })
  return output
}

/** A file of secrets, as a mediator's first start leaves it. */
function secretsFile(url: string): string {
  const path = join(base, 'secrets')
  const { jwtSecret } = formation.started
  writeFileSync(path, `SEALWAY_URL=${url}\nPROTECTED_BASIC_AND_JWT=${jwtSecret}\nPROTECTED_AES256=${formation.key}\n`)
  return path
}

/** The scaffold as it was installed from its tarball. */
const create = (folder: string, ...flags: string[]): string =>
  succeed(
    process.execPath,
    [
      join(base, 'node_modules/create-sealway/bin/create-sealway.mjs'),
      folder,
      '--yes',
      '--packages',
      packages,
      ...flags,
    ],
    base,
  )

const start = (folder: string, main: string, env: { [name: string]: string } = {}): Program => {
  const program = startProgram([main], { cwd: join(base, folder), env: { PAGE_PORT: '0', ...env } })
  programs.push(program)
  return program
}

async function pageOf(program: Program): Promise<ServicePage> {
  const [, url] = await program.saw(/page: (http:\S+)/)
  return openServicePage(browser, url!)
}

beforeAll(async () => {
  build()
  base = mkdtempSync(join(tmpdir(), 'sealway-scaffold-'))
  packages = join(base, 'packages')
  mkdirSync(packages)
  const folders = ['protocol', 'client-lib', 'scaffold', ...others.map((name) => join('node_modules', name))]
  const paths = folders.map((folder) => join(repositoryRoot, folder))
  succeed('npm', ['pack', ...paths, '--pack-destination', packages, '--ignore-scripts', '--silent'], base)
  writeFileSync(join(base, 'package.json'), '{ "private": true }')
  const tarballs = readdirSync(packages).filter((file) => !file.startsWith('sealway-client'))
  succeed('npm', ['install', ...offline(), ...tarballs.map((file) => `./packages/${file}`)], base)
  formation = await Formation.start()
  browser = await openBrowser()
})

afterEach(async () => {
  for (const program of programs) program.signal('SIGKILL')
  await Promise.all(programs.splice(0).map(({ ended }) => ended))
})

afterAll(async () => {
  await browser?.close()
  await formation?.close()
  if (base) rmSync(base, { recursive: true, force: true })
})

describe('create-sealway, from its tarball, in an empty folder, without network', () => {
  beforeAll(() => {
    const output = create('my-service', '--secrets', secretsFile(formation.url('tcp')))
    expect(output).toContain('  cd my-service\n  npm install\n  npm start\n')
    lock = readFileSync(join(base, 'my-service/package-lock.json'), 'utf8')
    // Not told that it is offline: with its lock it does not ask, where each question would cost it a minute.
    const [, ...rest] = offline()
    succeed('npm', ['install', '--registry', 'http://127.0.0.1:1', ...rest], join(base, 'my-service'))
  })

  it('makes a service with the lock that npm itself would have written', () => {
    const folder = join(base, 'my-service')
    expect(readFileSync(join(folder, 'package-lock.json'), 'utf8')).toBe(lock)
    const again = join(base, 'locked-by-npm')
    cpSync(folder, again, { recursive: true, filter: (path) => !/node_modules|package-lock/.test(path) })
    succeed('npm', ['install', '--package-lock-only', ...offline()], again)
    expect(readFileSync(join(again, 'package-lock.json'), 'utf8')).toBe(lock)
  })

  it('makes a service that needs nothing but our own packages, and whose test passes', () => {
    expect(readdirSync(join(base, 'my-service/node_modules')).filter((name) => !name.startsWith('.'))).toEqual([
      '@sealway',
    ])
    expect(succeed('npm', ['test'], join(base, 'my-service'))).toMatch(/^# fail 0$/m)
  })

  it('makes a service that listens, sends, calls and broadcasts, by its page', async () => {
    const service = start('my-service', 'src/main.js')
    const mine = await pageOf(service)
    await mine.status('connected to')
    const other = await formation.join('other-1', 'tcp', {
      groups: ['demo'],
      endpoints: [{ name: 'admin', protocol: 'http', address: '192.0.2.7', port: 8080 }],
      meta: { team: '<b>' },
    })
    const got: unknown[] = []
    other.on('greet', ({ body }, { to }) => void got.push([to, body]))
    other.on('note', ({ body }, { to }) => void got.push([to, body]))
    await mine.peers('other-1')
    const other1 = mine.page.locator('#peers li', { hasText: 'other-1' })
    await other1
      .getByText(/^in demo · by tcp · since .* · admin: http:\/\/192\.0\.2\.7:8080 · \{"team":"<b>"\}$/)
      .waitFor()

    await mine.say({ verb: 'send', to: 'other-1', action: 'note', body: '{ "n": 1 }' })
    await mine.logged('on its way')
    await mine.say({ verb: 'broadcast', to: 'demo', action: 'greet', body: '{ "n": 2 }' })
    await mine.logged('done by other-1; failed none; no answer from none')
    expect(got).toEqual([
      ['other-1', { n: 1 }],
      ['group:demo', { n: 2 }],
    ])
    await mine.say({ verb: 'call', to: 'nobody' })
    await mine.logged('UNKNOWN_NODE (not-delivered)')
    await mine.say({ verb: 'call', to: 'other-1', body: 'no JSON' })
    await mine.page.getByText('the body is no JSON').waitFor()

    expect(await other.call('my-service', 'greet', { name: '<img src=x onerror=alert(1)>' })).toEqual({
      hello: '<img src=x onerror=alert(1)>',
      from: 'my-service',
    })
    await mine.logged('{"name":"<img src=x onerror=alert(1)>"}')
    await expect(other.call('my-service', 'greet')).rejects.toMatchObject({ code: 'APPLICATION_ERROR' })
    await mine.logged('answered with the error NO_NAME')
    expect(await mine.page.locator('img').count()).toBe(0)
    await other.close()
    await mine.page.getByText('Nobody else is in this group yet').waitFor()
    expect(mine.complaints).toEqual([])
    await mine.page.close()

    service.signal('SIGTERM')
    expect((await service.ended).code).toBe(0)
  })

  it('makes a service that takes nothing from other sites, nor under another name', async () => {
    const [, url] = await start('my-service', 'src/main.js').saw(/page: (http:\S+)/)
    const post = (headers: { [name: string]: string }, body = '{}') =>
      fetch(`${url}/perform`, { method: 'POST', headers, body }).then(({ status }) => status)
    const json = { 'content-type': 'application/json' }
    expect(await post({ 'content-type': 'text/plain' })).toBe(415)
    expect(await post({ ...json, 'sec-fetch-site': 'cross-site' })).toBe(403)
    expect(await post(json, '{')).toBe(400)
    expect(await post(json, `"${'x'.repeat(70_000)}"`)).toBe(413)
    expect((await fetch(`${url}/../.env`)).status).toBe(404)
    expect((await fetch(`${url}/events`, { method: 'POST' })).status).toBe(404)
    const rebound = new Promise<number | undefined>((resolve, reject) => {
      get(url!, { headers: { host: 'evil.example' } }, (response) => resolve(response.resume().statusCode)).on(
        'error',
        reject,
      )
    })
    expect(await rebound).toBe(403)
  })

  it('makes a service that keeps trying while its mediator cannot be reached, and whose page says so', async () => {
    const port = await freePort()
    const service = start('my-service', 'src/main.js', { SEALWAY_URL: `http://127.0.0.1:${port}` })
    const mine = await pageOf(service)
    await mine.status(`not connected to http://127.0.0.1:${port}, trying again`)
    await mine.say({ verb: 'call', to: 'any:demo' })
    await mine.page.getByText('not connected yet').waitFor()
    const late = await Formation.start({ port, jwtSecret: formation.started.jwtSecret })
    try {
      await mine.status('connected to')
    } finally {
      await late.close()
    }
    await mine.status('trying again')
    service.signal('SIGINT')
    expect((await service.ended).code).toBe(0)
    await mine.status('this service does not answer')
    await mine.page.close()
  })

  it('makes a service that says in one line why it cannot be, and exits with 1', async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    const { port } = taken.address() as AddressInfo
    const first = await start('my-service', 'src/main.js', { PAGE_PORT: String(port) }).ended
    taken.close()
    expect(first.code).toBe(1)
    expect(first.output).toMatch(
      new RegExp(`^\\S+ {2}port ${port} is taken by another program: set PAGE_PORT in .env[^\\n]*\\n$`),
    )
    const wrong = await start('my-service', 'src/main.js', { PROTECTED_BASIC_AND_JWT: 'w'.repeat(40) }).ended
    expect({ code: wrong.code, output: wrong.output }).toEqual({
      code: 1,
      output: expect.stringContaining('UNAUTHORIZED: '),
    })
    const nobody = await start('my-service', 'src/main.js', { PAGE_PORT: 'x' }).ended
    expect({ code: nobody.code, output: nobody.output }).toEqual({
      code: 1,
      output: expect.stringContaining('PAGE_PORT is no port: x'),
    })
  })
})

describe('the other variants', () => {
  it('TypeScript with Express: it compiles without a complaint, passes its test, and serves its app by name', async () => {
    create('typed', '--language', 'ts', '--http', 'express', '--secrets', secretsFile(formation.url('tcp')))
    // Its dependencies are those of this repository: no registry is asked.
    symlinkSync(join(repositoryRoot, 'node_modules'), join(base, 'typed/node_modules'))
    expect(succeed('npm', ['run', '--silent', 'build'], join(base, 'typed'))).not.toMatch(/error/)
    expect(succeed(process.execPath, ['--test', 'dist/service.test.js'], join(base, 'typed'))).toMatch(/^# fail 0$/m)
    const service = start('typed', 'dist/main.js')
    const mine = await pageOf(service)
    await mine.status('connected to')
    const other = await formation.join('reader-1', 'tcp', { groups: ['demo'] })
    const answer = await other.fetch('http://typed/hello/you')
    expect(await answer.json()).toEqual({ hello: 'you', from: 'reader-1' })
    expect((await other.fetch('http://typed/events')).status).toBe(404)
    const direct = await fetch(new URL('/hello/me', mine.page.url()))
    expect(await direct.json()).toEqual({ hello: 'me', from: 'somebody' })
    await mine.say({ verb: 'call', to: 'typed', body: '{ "name": "me" }' })
    await mine.logged('answer: {"hello":"me","from":"typed"}')
    expect(mine.complaints).toEqual([])
    await mine.page.close()
    await other.close()
  })
})

describe('sealway create, in a checkout', () => {
  it('packs the packages of the checkout, takes the secrets of its mediator, and prints none of them', () => {
    const folder = join(base, 'checkout-home')
    mkdirSync(folder)
    cpSync(secretsFile('http://127.0.0.1:4999'), join(folder, '.env.node'))
    const sealway = join(repositoryRoot, 'server/bin/sealway.mjs')
    const output = succeed(process.execPath, [sealway, 'create', 'from-checkout', '--yes'], folder)
    expect(output).toContain('.env, with those of .env.node')
    expect(output).not.toContain(formation.key)
    expect(output).not.toContain(formation.started.jwtSecret)
    const made = join(folder, 'from-checkout')
    expect(parseEnv(readFileSync(join(made, '.env'), 'utf8'))).toMatchObject({
      SEALWAY_URL: 'http://127.0.0.1:4999',
      PROTECTED_AES256: formation.key,
    })
    expect(readdirSync(join(made, 'vendor'))).toHaveLength(2)
    expect(succeed('npm', ['install', ...offline()], made)).not.toMatch(/error/i)
    expect(succeed('npm', ['test'], made)).toMatch(/^# fail 0$/m)
  })

  it('passes on its exit code', () => {
    const sealway = join(repositoryRoot, 'server/bin/sealway.mjs')
    const { status, output } = runProgram(process.execPath, [sealway, 'create', '--nonsense'], { cwd: base })
    expect({ status, output }).toEqual({
      status: 2,
      output: expect.stringContaining("create-sealway: Unknown option '--nonsense'"),
    })
  })
})
