import { createSecretKey, randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { operatorKey } from '../../../server/src/auth/keys'
import { createSharedAuthenticator } from '../../../server/src/auth/shared'
import { flagsOfVerbs } from '../../../server/src/cli/seal'
import { silentLog } from '../../../server/src/observe/log'
import { allSettings } from '../../../server/src/settings/table'
import { envTemplate } from '../../../server/src/settings/template'
import { commandLine } from '../../support/command-line'

let sealway: ReturnType<typeof commandLine>
beforeEach(() => {
  sealway = commandLine()
})
afterEach(() => sealway.remove())

const secrets = {
  PROTECTED_BASIC_AND_JWT: randomBytes(32).toString('base64url'),
  PROTECTED_ADMIN_PASSWORD: randomBytes(18).toString('base64url'),
}

describe('sealway', () => {
  it('shows how it is used, with examples', async () => {
    const { code, out } = await sealway.run(['--help'])
    expect(code).toBe(0)
    for (const command of [
      'start',
      'setup',
      'migrate',
      'fixtures',
      'config',
      'token',
      'nodes',
      'groups',
      'policies',
      'send',
      'call',
      'broadcast',
      'peers',
    ]) {
      expect(out).toMatch(new RegExp(`^  ${command}\\b`, 'm'))
    }
    expect(out).toContain('Examples:')
    expect((await sealway.run([])).code).toBe(2)
    expect(await sealway.run(['--version'])).toMatchObject({ code: 0, out: '9.9.9\n' })
  })

  it.each([
    [['strat'], "unknown command 'strat'"],
    [['start', '--prot', '1'], "unknown option '--prot'"],
    [['start', 'now'], 'too many arguments'],
    [['token'], "missing required argument 'name'"],
    [['token', 'A B'], `"A B" is not a node's name`],
    [['token', 'a', '--life', '10'], '--life "10" is not a duration'],
    [['token', 'a', '--admin', 'all'], '--admin takes read or write'],
    [['migrate', '--down', 'all'], '--down takes a number'],
    [['nodes', '--url', 'localhost:4567'], 'is not the URL of a mediator'],
    [['policies', 'set'], "missing required argument 'target'"],
    [['policies', 'set', 'Orders'], 'name "Orders" is not valid'],
    [['policies', 'set', '*', '{"retry":1}'], 'must not have "retry"'],
    [['policies', 'set', '*', '{'], 'not valid JSON'],
    [['policies', 'set', '*', '[7]'], 'is not an object of settings'],
    [['policies', 'set', '*', '--timeout', '10'], '--timeout "10" is not a duration'],
    [['policies', 'set', '*', '--retries', 'many'], 'retries must be a whole number'],
    [['policies', 'set', '*', '--balance', 'best'], 'balance "best" must be'],
    [['nodes', '--url', 'http://10.0.0.1:4567', '--token', 'x'], 'would travel in clear to 10.0.0.1:4567'],
  ])('%j is wrong usage: 2, and one line that says why', async (args, message) => {
    const { code, out, err } = await sealway.run(args)
    expect([code, out]).toEqual([2, ''])
    expect(err).toContain(message)
    const command = args[0] === 'strat' ? 'sealway' : `sealway ${args[0]}${args[1] === 'set' ? ' set' : ''}`
    expect(err).toContain(`\`${command} --help\``)
    const json = await sealway.run([...args, '--json'])
    expect(json.code).toBe(2)
    expect(JSON.parse(json.err)).toEqual({
      error: { code: 'INVALID_ARGUMENT', message: expect.stringContaining(message) as string },
    })
  })

  it.each(['config', 'policies'])('%s alone shows its commands, and says nothing else', async (command) => {
    const { code, out, err } = await sealway.run([command])
    expect([code, err]).toEqual([2, ''])
    expect(out).toContain(`Usage: sealway ${command} [options] [command]`)
  })

  it('says a failure in one line, with its code; as JSON on demand; with a stack only when debugging', async () => {
    const environment = { ...secrets, DATABASE_URL: 'postgres://a' }
    const { code, err } = await sealway.run(['migrate'], environment)
    expect(code).toBe(1)
    expect(err).toMatch(/^sealway: CONFIG_INVALID: DATABASE_URL .*\n$/)
    const json = await sealway.run(['migrate', '--json'], environment)
    expect(JSON.parse(json.err)).toMatchObject({ error: { code: 'CONFIG_INVALID' } })
    const debugging = await sealway.run(['migrate'], { ...environment, LOG_LEVEL: 'debug' })
    expect(debugging.err).toContain('    at ')
  })
})

describe('sealway setup', () => {
  it('makes the files, once', async () => {
    expect(await sealway.run(['setup'])).toMatchObject({
      code: 0,
      out: 'made .env and .env.node, readable by you alone\n',
    })
    expect(await sealway.run(['setup'])).toMatchObject({
      code: 0,
      out: expect.stringContaining('nothing was changed') as string,
    })
    expect(JSON.parse((await sealway.run(['setup', '--json'])).out)).toEqual({ created: [] })
  })
})

describe('sealway config', () => {
  it('prints every setting, with where it came from and no secret', async () => {
    await sealway.run(['setup'])
    const { code, out } = await sealway.run(['config', 'print'], { PORT: '5000' })
    expect(code).toBe(0)
    for (const { name } of allSettings) expect(out).toMatch(new RegExp(`^${name} `, 'm'))
    expect(out).toMatch(/^PORT +5000 +environment$/m)
    expect(out).toMatch(/^PROTECTED_BASIC_AND_JWT +\*\*\* +\.env$/m)
    const { settings } = JSON.parse((await sealway.run(['config', 'print', '--json'])).out) as { settings: object[] }
    expect(settings).toHaveLength(allSettings.length)
  })

  it('fails where one is wrong, and prints the others all the same', async () => {
    const { code, out, err } = await sealway.run(['config', 'print'], { ...secrets, PORT: 'x', LIMIT_OUTBOKS: '1' })
    expect(code).toBe(1)
    expect(out).toMatch(/^ADMIN_PORT +4568 +default$/m)
    expect(err).toContain('sealway: CONFIG_INVALID: PORT "x" (in the environment) is not a port')
    expect(err).toContain('is LIMIT_OUTBOX meant?')
  })

  it('prints the template that .env.local is', async () => {
    expect((await sealway.run(['config', 'template'])).out).toBe(envTemplate())
  })
})

describe('sealway token', () => {
  const authenticator = createSharedAuthenticator({
    secret: secrets.PROTECTED_BASIC_AND_JWT,
    operatorKey: operatorKey(
      secrets.PROTECTED_BASIC_AND_JWT,
      createSecretKey(Buffer.from(secrets.PROTECTED_ADMIN_PASSWORD)),
    ),
    clock: Date.now,
    isRevoked: () => false,
    log: silentLog,
  })

  it('prints a token that the mediator takes, alone on its line', async () => {
    const { out } = await sealway.run(['token', 'orders-1', '--group', 'orders', '--scope', 'http:web-*'], secrets)
    expect(authenticator.verify(out.trim())).toMatchObject({
      subject: 'orders-1',
      scopes: ['register:orders-1@orders', 'send:orders/*', 'broadcast:orders', 'mailbox:orders', 'http:web-*'],
    })
  })

  it('makes one for an operator, with the password only', async () => {
    const { out } = await sealway.run(['token', 'Ada', '--admin', 'write', '--json'], secrets)
    const { token } = JSON.parse(out) as { token: string }
    expect(authenticator.verify(token)).toMatchObject({ subject: 'Ada', scopes: ['admin:write'] })
    const { PROTECTED_BASIC_AND_JWT } = secrets
    const onANode = await sealway.run(['token', 'ada', '--admin', 'write'], { PROTECTED_BASIC_AND_JWT })
    expect(onANode).toMatchObject({
      code: 1,
      err: expect.stringContaining('PROTECTED_ADMIN_PASSWORD is not set') as string,
    })
    const itsOwn = await sealway.run(['token', 'orders-1'], { PROTECTED_BASIC_AND_JWT })
    expect(authenticator.verify(itsOwn.out.trim())).toMatchObject({ subject: 'orders-1', scopes: [] })
  })

  it('makes none that the mediator would refuse', async () => {
    const long = await sealway.run(['token', 'a', '--life', '25h'], secrets)
    expect(long).toMatchObject({ code: 1, err: expect.stringContaining('TOKEN_MAX_LIFE') as string })
    const wrong = await sealway.run(['token', 'a', '--scope', 'send:*'], secrets)
    expect(wrong).toMatchObject({ code: 1, err: expect.stringContaining('the scope "send:*" is not valid') as string })
  })
})

describe('sealway migrate and fixtures', () => {
  it('bring a database up, fill it, and take it back', async () => {
    const up = JSON.parse((await sealway.run(['migrate', '--json'], database())).out) as { up: string[] }
    expect(up.up.length).toBeGreaterThan(0)
    expect((await sealway.run(['migrate'], database())).out).toContain('nothing to do')
    const filled = await sealway.run(['fixtures'], database())
    expect(filled).toMatchObject({ code: 0, out: expect.stringContaining('orders-1') as string })
    expect((await sealway.run(['fixtures'], database())).code).toBe(0)
    const down = JSON.parse((await sealway.run(['migrate', '--down', '--json'], database())).out) as { down: string[] }
    expect(down.down).toEqual([...up.up].reverse())
  })

  it('need no other setting than the database', async () => {
    expect(await sealway.run(['fixtures', '--json'], database())).toMatchObject({ code: 0 })
  })

  const database = () => ({ DATABASE_URL: `sqlite:${join(sealway.folder, 'test.sqlite')}` })
})

describe('the verbs that seal', () => {
  const install = (folder: string, script: string | undefined) => {
    const home = join(folder, 'node_modules/@sealway/client')
    mkdirSync(home, { recursive: true })
    writeFileSync(join(home, 'package.json'), JSON.stringify({ bin: { 'sealway-node': './cli.cjs' } }))
    if (script !== undefined) writeFileSync(join(home, 'cli.cjs'), script)
  }
  const recorder = `
    require('node:fs').writeFileSync('seen.json', JSON.stringify([process.argv.slice(2), process.env.CANARY, process.env.SEALWAY_PROGRAM]))
    process.exit(7)`
  const seen = () => JSON.parse(readFileSync(join(sealway.folder, 'seen.json'), 'utf8')) as unknown

  it.each([...flagsOfVerbs.keys()])(
    '%s runs the program that holds the key, and passes on its exit code',
    async (verb) => {
      install(sealway.folder, recorder)
      const args = [verb, 'orders-1', 'ping', '{"a":1}', '--json', '--timeout', '5', '--help']
      expect((await sealway.run(args, { CANARY: 'x' })).code).toBe(7)
      expect(seen()).toEqual([args, 'x', 'sealway'])
      expect(sealway.listeners.size).toBe(0)
    },
  )

  it('finds it beside itself too', async () => {
    install(join(sealway.folder, 'program'), recorder)
    expect((await sealway.run(['peers', 'demo'])).code).toBe(7)
  })

  it('passes on SIGTERM, and how it ended', async () => {
    install(sealway.folder, `require('node:fs').writeFileSync('seen.json', '1'); setInterval(() => {}, 1000)`)
    const running = sealway.start({}, ['call', 'a', 'b'])
    while (!readdirSync(sealway.folder).includes('seen.json')) await new Promise((resolve) => setImmediate(resolve))
    sealway.signal('SIGTERM')
    expect((await running.ended).code).toBe(128 + 15)
  })

  it('says in one line what to install, or to build', async () => {
    const missing = await sealway.run(['send', 'a', 'b'])
    expect(missing.code).toBe(1)
    expect(missing.err).toMatch(
      /^sealway: CONFIG_INVALID: .* needs @sealway\/client.*: npm install @sealway\/client\n$/,
    )
    install(sealway.folder, undefined)
    const unbuilt = await sealway.run(['send', 'a', 'b', '--json'])
    expect(JSON.parse(unbuilt.err)).toMatchObject({
      error: { message: expect.stringContaining('make build') as string },
    })
  })
})
