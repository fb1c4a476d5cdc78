import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { create } from '../../scaffold/src/create'
import { Stopped } from '../../scaffold/src/refusal'
import type { World } from '../../scaffold/src/world'
import { tableRows } from '../support/markdown'

const template = join(__dirname, '../../scaffold/template')
const key = `mk1_${'A'.repeat(43)}`
const secret = 'a secret of a mediator, with # and spaces'

/** An empty folder to work in, and a create-sealway that was installed, not in a checkout. */
let folder: string
beforeEach(() => {
  const base = mkdtempSync(join(tmpdir(), 'sealway-create-'))
  folder = join(base, 'work')
  mkdirSync(folder)
  cpSync(template, join(base, 'home/template'), { recursive: true })
})
afterEach(() => rmSync(join(folder, '..'), { recursive: true, force: true }))

async function run(args: readonly string[], world: Partial<World> = {}) {
  const output = { out: '', err: '' }
  let bytes = 0
  const code = await create(args, {
    folder,
    home: join(folder, '../home'),
    platform: process.platform,
    environment: process.env,
    ask: undefined,
    version: '1.2.3',
    random: (size) => Buffer.alloc(size, ++bytes),
    out: (text) => {
      output.out += text
    },
    err: (text) => {
      output.err += text
    },
    ...world,
  })
  return { code, ...output }
}

const read = (path: string) => readFileSync(join(folder, path), 'utf8')
const env = (path = 'x/.env') => parseEnv(read(path))

describe('create-sealway', () => {
  it('makes a service with the defaults, and prints the three commands that are next', async () => {
    const { code, out } = await run(['x', '--yes'])
    expect(code).toBe(0)
    expect(out).toContain('Next:\n\n  cd x\n  npm install\n  npm start\n')
    expect(readdirSync(join(folder, 'x')).sort()).toEqual(
      ['.dockerignore', '.env', '.gitignore', 'Dockerfile', 'README.md', 'package.json', 'page', 'src'].sort(),
    )
    const { name, dependencies, devDependencies } = JSON.parse(read('x/package.json'))
    expect({ name, dependencies, devDependencies }).toEqual({
      name: 'x',
      dependencies: { '@sealway/client': '^1.2.3' },
    })
    expect(read('x/.gitignore')).toMatch(/^\.env$/m)
    expect(read('x/.dockerignore')).toMatch(/^\.env$/m)
  })

  it('takes other answers by flags', async () => {
    const flags = '--name orders-1 --group orders --url wss://m.example --language ts --http express --port 8080'
    expect((await run(['x', '--yes', ...flags.split(' ')])).code).toBe(0)
    const { name, dependencies, devDependencies } = JSON.parse(read('x/package.json'))
    expect(name).toBe('orders-1')
    expect(Object.keys(dependencies)).toEqual(['@sealway/client', 'express', 'socket.io-client'])
    expect(Object.keys(devDependencies)).toEqual(['@types/express', '@types/node', 'typescript'])
    expect(read('x/src/main.ts')).toContain(`'orders'`)
    expect(env()).toMatchObject({ SEALWAY_URL: 'wss://m.example', PAGE_PORT: '8080' })
    expect(existsSync(join(folder, 'x/tsconfig.json'))).toBe(true)
    // A release that is supported until April 2028; the oldest that the packages run on is older.
    expect([...read('x/Dockerfile').matchAll(/^FROM (node:\S+)/gm)].map(([, image]) => image)).toEqual([
      'node:24-slim',
      'node:24-slim',
    ])
    expect(JSON.parse(read('x/package.json')).engines).toEqual({ node: '>=20.19' })
  })

  it.each([
    ['http://m.example:4567', true],
    ['sealway+http://10.0.0.7', true],
    ['ws://m.example', true],
    ['https://m.example', false],
    ['http://localhost:4567', false],
    ['http://[::1]:4567', false],
    ['unix:/run/sealway.sock', false],
  ])('says of %s whether it would be reached in clear: %s', async (url, isClear) => {
    const { code, out } = await run(['x', '--yes', '--url', url])
    expect([code, out.includes('SEALWAY_INSECURE=1')]).toEqual([0, isClear])
  })

  it('asks for what was not said, and makes nothing where the answer is Ctrl-C', async () => {
    const asked: unknown[] = []
    const ask: World['ask'] = async (defaults, given) => {
      asked.push(given)
      return { ...defaults, ...given, group: 'asked' }
    }
    expect((await run(['--name', 'said'], { ask })).code).toBe(0)
    expect(asked).toEqual([{ name: 'said' }])
    expect(read('said/src/main.js')).toContain(`'asked'`)
    const stop = async () => {
      throw new Stopped()
    }
    expect(await run(['y'], { ask: stop })).toEqual({ code: 130, out: '', err: '' })
    expect(existsSync(join(folder, 'y'))).toBe(false)
  })

  it.each([
    [['x'], /nobody to ask here: --yes/],
    [['x', '--yes', '--name', 'Big Name'], /--name "Big Name" is not a node's name/],
    [['x', '--yes', '--url', 'ftp://x'], /--url "ftp:\/\/x" is not the URL of a mediator/],
    [['x', '--yes', '--port', '70000'], /--port 70000 is not a port/],
    [['x', '--yes', '--language', 'perl'], /--language takes js or ts/],
    [['x', 'y', '--yes'], /one folder, not 2/],
    [['x', '--nonsense'], /--nonsense/],
  ])('refuses wrong usage with exit code 2: %j', async (args, message) => {
    const { code, out, err } = await run(args)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toMatch(message)
    expect(readdirSync(folder)).toEqual([])
  })

  it('prints its help and its version', async () => {
    expect((await run(['--help'])).out).toContain('--fresh-secrets')
    expect(await run(['--version'])).toEqual({ code: 0, out: '1.2.3\n', err: '' })
  })
})

describe('docs/scaffold.md', () => {
  it('has each flag of the help, and no other', async () => {
    const docs = readFileSync(join(__dirname, '../../docs/scaffold.md'), 'utf8')
    const documented = tableRows(docs).flatMap(([first]) => /^`(--[a-z-]+)`$/.exec(first!)?.[1] ?? [])
    const { out } = await run(['--help'])
    const flags = [...out.matchAll(/^ {2}(--[a-z-]+)/gm)].map(([, name]) => name!)
    expect(documented.sort()).toEqual(flags.filter((name) => name !== '--version').sort())
    expect(documented.length).toBeGreaterThan(8)
  })
})

describe('secrets', () => {
  it('are fresh where there is no mediator, readable by their owner alone, and never printed', async () => {
    const { out, err } = await run(['x', '--yes'])
    const { PROTECTED_BASIC_AND_JWT: made = '', PROTECTED_AES256: madeKey = '' } = env()
    expect(Buffer.from(made, 'base64url')).toHaveLength(32)
    expect(madeKey).toMatch(/^mk1_[\w-]{43}$/)
    expect(statSync(join(folder, 'x/.env')).mode & 0o777).toBe(0o600)
    for (const text of [made, madeKey]) expect(out + err).not.toContain(text)
    expect(out).toContain('The mediator needs the same PROTECTED_BASIC_AND_JWT')
  })

  it('are those of the mediator that was started here, and its address is the default', async () => {
    const text = `SEALWAY_URL=http://127.0.0.1:5000\nPROTECTED_BASIC_AND_JWT="${secret}"\nPROTECTED_AES256=${key}\n`
    writeFileSync(join(folder, '.env.node'), text)
    const { out, err } = await run(['x', '--yes'])
    expect(env()).toMatchObject({
      SEALWAY_URL: 'http://127.0.0.1:5000',
      PROTECTED_BASIC_AND_JWT: secret,
      PROTECTED_AES256: key,
    })
    expect(out).toContain('.env, with those of .env.node')
    for (const one of [secret, key]) expect(out + err).not.toContain(one)
  })

  it('are taken from its .env where that is all there is, with a new payload key and its port', async () => {
    writeFileSync(
      join(folder, '.env'),
      `PORT=5001\nPROTECTED_BASIC_AND_JWT=${'s'.repeat(40)}\nPROTECTED_ADMIN_PASSWORD=pass-word\n`,
    )
    await run(['x', '--yes'])
    expect(env()).toMatchObject({ SEALWAY_URL: 'http://127.0.0.1:5001', PROTECTED_BASIC_AND_JWT: 's'.repeat(40) })
    expect(env().PROTECTED_AES256).toMatch(/^mk1_[\w-]{43}$/)
    expect(read('x/.env')).not.toContain('pass-word')
  })

  it('may be fresh all the same, or of a file that is named', async () => {
    writeFileSync(join(folder, '.env.node'), `PROTECTED_BASIC_AND_JWT="${secret}"\n`)
    writeFileSync(join(folder, 'other.env'), `PROTECTED_BASIC_AND_JWT=other\nPROTECTED_AES256=${key}\n`)
    await run(['x', '--yes', '--fresh-secrets'])
    expect(read('x/.env')).not.toContain(secret)
    await run(['y', '--yes', '--secrets', 'other.env'])
    expect(env('y/.env').PROTECTED_BASIC_AND_JWT).toBe('other')
    expect(await run(['z', '--yes', '--secrets', 'none.env'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('none.env cannot be read, or holds no PROTECTED_BASIC_AND_JWT'),
    })
  })
})

describe('a folder that cannot be used', () => {
  it('is refused while it is not empty, naming what is there, and nothing in it is changed', async () => {
    mkdirSync(join(folder, 'x'))
    for (const name of ['package.json', 'b', 'c', 'd', 'e', 'f']) writeFileSync(join(folder, 'x', name), 'mine')
    const { code, err } = await run(['x', '--yes'])
    expect(code).toBe(1)
    expect(err).toBe(
      'create-sealway: x is not empty (b, c, d, e, f and 1 more): name another folder, or --force to replace what has the same name\n',
    )
    expect(readdirSync(join(folder, 'x'))).toHaveLength(6)
    expect(read('x/package.json')).toBe('mine')
  })

  it('is refused before anything is asked', async () => {
    writeFileSync(join(folder, 'x'), 'a file')
    const ask = jest.fn()
    expect(await run(['x'], { ask })).toEqual({
      code: 1,
      out: '',
      err: 'create-sealway: x is a file, not a folder: name another\n',
    })
    expect(ask).not.toHaveBeenCalled()
    expect(read('x')).toBe('a file')
  })

  it('may hold a repository without anything in it', async () => {
    mkdirSync(join(folder, 'x/.git'), { recursive: true })
    expect((await run(['x', '--yes'])).code).toBe(0)
  })

  it('is filled with --force: what has the same name is replaced and named, secrets and the rest stay', async () => {
    mkdirSync(join(folder, 'x'))
    for (const name of ['package.json', '.env', 'mine.txt']) writeFileSync(join(folder, 'x', name), 'mine')
    const { code, out } = await run(['x', '--yes', '--force'])
    expect(code).toBe(0)
    expect(out).toMatch(/kept +\.env, as it was/)
    expect(out).toMatch(/replaced +package\.json\n/)
    expect([read('x/.env'), read('x/mine.txt')]).toEqual(['mine', 'mine'])
    expect(JSON.parse(read('x/package.json')).name).toBe('x')
  })

  it('leads nowhere else: links are replaced, or refused where they stand for folders', async () => {
    mkdirSync(join(folder, 'elsewhere'))
    writeFileSync(join(folder, 'elsewhere/precious'), 'mine')
    mkdirSync(join(folder, 'x'))
    symlinkSync(join(folder, 'elsewhere/precious'), join(folder, 'x/README.md'))
    expect((await run(['x', '--yes', '--force'])).code).toBe(0)
    expect(read('elsewhere/precious')).toBe('mine')

    mkdirSync(join(folder, 'y'))
    symlinkSync(join(folder, 'elsewhere'), join(folder, 'y/src'))
    const { code, err } = await run(['y', '--yes', '--force'])
    expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining('is not a folder: move it away first') })
    symlinkSync(join(folder, 'elsewhere'), join(folder, 'z'))
    expect((await run(['z', '--yes'])).err).toContain('z is a symbolic link, not a folder')
    expect(readdirSync(join(folder, 'elsewhere'))).toEqual(['precious'])
  })

  it('is one below a file, or one too long', async () => {
    writeFileSync(join(folder, 'x'), 'a file')
    expect(await run(['x/y', '--yes'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('a part of its path is a file'),
    })
    expect(await run(['n'.repeat(300), '--yes'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('the path is too long'),
    })
  })

  it('is removed again where it was made, and filling it failed', async () => {
    mkdirSync(join(folder, 'packages'))
    for (const name of ['client', 'protocol']) mkdirSync(join(folder, `packages/sealway-${name}-1.2.3.tgz`))
    const { code, err } = await run(['deep/er/x', '--yes', '--packages', 'packages', '--http', 'express'])
    expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining('cannot be written') })
    expect(readdirSync(folder)).toEqual(['packages'])
  })

  it('is refused at once where the system makes no folders', async () => {
    // Linux only: elsewhere there is no such file system.
    const nowhere = existsSync('/proc/self') ? '/proc/sealway/x' : join(template, 'src/main.js/x')
    expect(await run([nowhere, '--yes'])).toMatchObject({ code: 1, err: expect.stringContaining('cannot be ') })
  })
})

describe('packages', () => {
  /** What `npm pack` makes, of nothing but a package.json. */
  function pack(name: string, manifest: object = {}): void {
    const home = join(folder, `packages/${name}`)
    mkdirSync(join(home, 'package'), { recursive: true })
    const fields = { name: `@sealway/${name}`, version: '1.2.3', license: 'MIT', ...manifest }
    writeFileSync(join(home, 'package/package.json'), JSON.stringify(fields))
    const tarball = join(folder, `packages/sealway-${name}-1.2.3.tgz`)
    expect(spawnSync('tar', ['-czf', tarball, '-C', home, 'package']).status).toBe(0)
    rmSync(home, { recursive: true })
  }

  it('come out of the folder that is named, and go into vendor/', async () => {
    for (const name of ['client', 'protocol']) pack(name)
    expect(await run(['x', '--yes', '--packages', 'packages'])).toMatchObject({ code: 0, err: '' })
    expect(JSON.parse(read('x/package.json')).dependencies).toEqual({
      '@sealway/protocol': 'file:vendor/sealway-protocol-1.2.3.tgz',
      '@sealway/client': 'file:vendor/sealway-client-1.2.3.tgz',
    })
    const tarball = 'sealway-client-1.2.3.tgz'
    expect(readFileSync(join(folder, 'x/vendor', tarball))).toEqual(readFileSync(join(folder, 'packages', tarball)))
  })

  it('are locked where nothing else is needed, so that npm asks no registry, and not where something is', async () => {
    pack('protocol')
    pack('client', { bin: { 'sealway-node': './cli.js' }, peerDependencies: { ws: '^8.0.0' }, scripts: { test: 'x' } })
    await run(['x', '--yes', '--packages', 'packages'])
    const lock = JSON.parse(read('x/package-lock.json'))
    expect(Object.keys(lock.packages)).toEqual(['', 'node_modules/@sealway/client', 'node_modules/@sealway/protocol'])
    expect(lock.packages['node_modules/@sealway/client']).toEqual({
      version: '1.2.3',
      resolved: 'file:vendor/sealway-client-1.2.3.tgz',
      integrity: expect.stringMatching(/^sha512-[\w+/]{86}==$/),
      license: 'MIT',
      bin: { 'sealway-node': 'cli.js' },
      peerDependencies: { ws: '^8.0.0' },
    })
    for (const flags of [
      ['--http', 'express'],
      ['--language', 'ts'],
      ['--url', 'ws://127.0.0.1:1'],
    ]) {
      expect((await run(['y', '--yes', '--force', '--packages', 'packages', ...flags])).code).toBe(0)
      expect(existsSync(join(folder, 'y/package-lock.json'))).toBe(false)
    }
  })

  it('are refused where they are no packages', async () => {
    pack('protocol')
    writeFileSync(join(folder, 'packages/sealway-client-1.2.3.tgz'), 'no archive')
    const { code, err } = await run(['x', '--yes', '--packages', 'packages'])
    expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining('client-1.2.3.tgz is no package') })
    expect(existsSync(join(folder, 'x'))).toBe(false)
  })

  it('are refused where there are none, or which one is not clear', async () => {
    mkdirSync(join(folder, 'packages'))
    for (const version of ['1.2.3', '1.2.4'])
      writeFileSync(join(folder, `packages/sealway-protocol-${version}.tgz`), '')
    expect((await run(['x', '--yes', '--packages', 'packages'])).err).toContain(
      'must hold one sealway-protocol-<version>.tgz, and holds 2',
    )
    expect((await run(['x', '--yes', '--packages', 'nowhere'])).err).toContain('is not a folder that can be read')
    expect(existsSync(join(folder, 'x'))).toBe(false)
  })

  it('of a checkout that was not built are asked for', async () => {
    writeFileSync(join(folder, '../package.json'), '{ "name": "sealway-workspace" }')
    const { code, err } = await run(['x', '--yes'])
    expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining('is not built: run `make build`') })
    expect(existsSync(join(folder, 'x'))).toBe(false)
  })
})
