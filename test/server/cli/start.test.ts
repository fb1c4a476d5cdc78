import { randomBytes } from 'node:crypto'
import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { commandLine } from '../../support/command-line'

let sealway: ReturnType<typeof commandLine>
beforeEach(() => {
  sealway = commandLine()
})
afterEach(() => sealway.remove())

const ports = { PORT: '0', ADMIN_PORT: '0', LOG_FORMAT: 'json' }
const environment = () => ({ ...ports, DATABASE_URL: `sqlite:${join(sealway.folder, 'sealway.sqlite')}` })
const text = (name: string) => readFileSync(join(sealway.folder, name), 'utf8')

interface Facts {
  readonly url: string
  readonly adminUrl: string
  readonly created: readonly string[]
  readonly payloads: string
}

async function started(extra: { [name: string]: string } = {}) {
  const running = sealway.start({ ...environment(), ...extra }, ['start', '--json'])
  const { out, err } = await running.printed
  if (out === '') throw new Error(err)
  return { ...running, facts: JSON.parse(out) as Facts }
}

describe('sealway start', () => {
  it('makes what it needs, runs, says where, and drains on a signal', async () => {
    const running = sealway.start(environment(), ['start'])
    const { out } = await running.printed
    const password = /^PROTECTED_ADMIN_PASSWORD=(.*)$/m.exec(text('.env'))![1]!
    expect(out).toMatch(/mediator +http:\/\/127\.0\.0\.1:\d+\n/)
    expect(out).toContain(`user admin, password ${password} (shown once)`)
    expect(out).toMatch(/storage +.*sealway\.sqlite\n/)
    expect(out).toContain('.env for the mediator, .env.node with the payload key')
    expect(out).toContain('payloads   sealed')
    const link = /look +(http:\/\/127\.0\.0\.1:\d+)\/login#([\w-]{43}) /.exec(out)!
    const headers = { 'content-type': 'application/json' }
    const body = JSON.stringify({ code: link[2] })
    const logIn = () => fetch(`${link[1]}/api/login/link`, { method: 'POST', headers, body })
    expect([(await logIn()).status, (await logIn()).status]).toEqual([204, 401])
    const url = /mediator +(\S+)/.exec(out)![1]!
    expect(await (await fetch(`${url}/readyz`)).json()).toMatchObject({ ready: true })
    sealway.signal()
    const { code, err } = await running.ended
    expect(code).toBe(0)
    expect(err).toContain('draining')
    await expect(fetch(`${url}/healthz`)).rejects.toThrow()
    expect(sealway.listeners.size).toBe(0)
  })

  it('finds everything in place the second time, and shows no password again', async () => {
    const first = await started()
    sealway.signal()
    await first.ended
    const files = [text('.env'), text('.env.node')]
    const second = sealway.start(environment(), ['start'])
    const { out } = await second.printed
    expect(out).not.toContain('shown once')
    expect([text('.env'), text('.env.node')]).toEqual(files)
    sealway.signal('SIGINT')
    expect((await second.ended).code).toBe(0)
  })

  it('takes policies for traffic from the command line, and shows them', async () => {
    const running = await started()
    const asking = { ...environment(), SEALWAY_URL: running.facts.url }
    const policies = (...args: string[]) => sealway.run(['policies', ...args], asking)
    expect((await policies('list')).out).toBe('no policies\n')
    expect(await policies('set', 'any:orders', '--timeout', '2s', '--retries', '3')).toMatchObject({
      code: 0,
      out: 'set the policy of any:orders\n',
    })
    const settings = '{"breaker":{"failures":5},"balance":{"sticky":"customer.id"}}'
    const set = await policies('set', 'any:orders', settings, '--action', 'quote', '--json')
    expect(JSON.parse(set.out)).toMatchObject({ ...JSON.parse(settings), target: 'any:orders', action: 'quote' })
    await policies('set', '*', '{"breaker":false}', '--balance', 'random')
    expect((await policies('list')).out).toBe(
      [
        'TARGET      ACTION  TIMEOUT  RETRIES  BREAKER     BALANCE',
        '*           all     -        -        none        random',
        'any:orders  all     2s       max=3    -           -',
        'any:orders  quote   -        -        failures=5  sticky:customer.id',
        '',
      ].join('\n'),
    )
    expect(await policies('remove', 'any:orders', '--action', 'quote')).toMatchObject({ code: 0 })
    const { policies: left } = JSON.parse((await policies('list', '--json')).out) as { policies: object[] }
    expect(left).toHaveLength(2)
    const again = await policies('remove', 'any:orders', '--action', 'quote')
    expect(again).toMatchObject({ code: 1, err: expect.stringContaining('NOT_FOUND') as string })
    sealway.signal()
    expect((await running.ended).code).toBe(0)
  })

  it('is seen by the other commands, which sign their own token', async () => {
    const running = await started()
    const asking = { ...environment(), SEALWAY_URL: running.facts.url }
    await sealway.run(['fixtures'], asking)
    const { out } = await sealway.run(['nodes', '--group', 'orders'], asking)
    expect(out).toMatch(
      /^NAME +GROUPS +STATE +TRANSPORT +ADDRESS +LAST SEEN\norders-1 +orders,shop +offline .*\norders-2 /,
    )
    const nodes = JSON.parse((await sealway.run(['nodes', '--offline', '--json'], asking)).out) as { nodes: object[] }
    expect(nodes.nodes).toHaveLength(4)
    expect((await sealway.run(['nodes', '--online'], asking)).out).toBe('no nodes\n')
    expect((await sealway.run(['groups'], asking)).out).toMatch(/^NAME +NODES +ONLINE\nbilling +1 +0\n/)
    const groups = JSON.parse((await sealway.run(['groups', '--json'], asking)).out) as { groups: object[] }
    expect(groups.groups).toHaveLength(4)
    const stranger = await sealway.run(['groups', '--token', 'abc', '--json'], asking)
    expect(JSON.parse(stranger.err)).toMatchObject({ error: { code: 'UNAUTHORIZED' } })
    sealway.signal()
    await running.ended
    const alone = await sealway.run(['nodes'], asking)
    expect(alone).toMatchObject({
      code: 1,
      err: expect.stringContaining('NOT_CONNECTED: no mediator answers') as string,
    })
  })

  it('stops at once at the second signal', async () => {
    const running = await started({ LIMIT_DRAIN: '10m' })
    sealway.signal('SIGINT')
    sealway.signal('SIGINT')
    expect((await running.ended).code).toBe(0)
  })

  it('makes no files where the environment brings the secrets', async () => {
    const running = await started({
      PROTECTED_BASIC_AND_JWT: randomBytes(32).toString('base64url'),
      PROTECTED_ADMIN_PASSWORD: randomBytes(18).toString('base64url'),
    })
    expect(running.facts.created).toEqual([])
    expect(readdirSync(sealway.folder).filter((name) => name.startsWith('.env'))).toEqual([])
    sealway.signal()
    await running.ended
  })

  it('warns where others can read its secrets', async () => {
    await sealway.run(['setup'])
    chmodSync(join(sealway.folder, '.env'), 0o644)
    const running = await started()
    sealway.signal()
    expect((await running.ended).err).toContain('chmod 600 .env')
  })

  it('never prints a secret but the password of the first start', async () => {
    const running = await started({ LOG_LEVEL: 'debug' })
    await fetch(`${running.facts.url}/v1/nodes`, { headers: { authorization: 'Bearer eyJhbGciOiJIUzI1NiJ9.e30.x' } })
    sealway.signal()
    const { out, err } = await running.ended
    const values = [text('.env'), text('.env.node')].flatMap((file) => [...file.matchAll(/^PROTECTED_\w+=(.+)$/gm)])
    expect(values).toHaveLength(4)
    for (const [, secret] of values) expect(out + err).not.toContain(secret)
  })
})

describe('sealway start refuses', () => {
  const refusal = async (extra: { [name: string]: string }) => {
    const { code, out, err } = await sealway.run(['start', '--json'], { ...environment(), ...extra })
    expect([code, out]).toEqual([1, ''])
    return (JSON.parse(err.trim().split('\n').at(-1)!) as { error: { code: string; message: string } }).error
  }

  it('to run with a payload key, and leaves no files', async () => {
    const key = `mk1_${randomBytes(32).toString('base64url')}`
    const error = await refusal({ SOMETHING: key })
    expect(error.code).toBe('KEY_IN_MEDIATOR')
    expect(error.message).toContain('"SOMETHING" in the environment')
    expect(error.message).not.toContain(key)
    expect(readdirSync(sealway.folder)).toEqual([])
  })

  it('the .env of a node', async () => {
    await sealway.run(['setup'])
    writeFileSync(join(sealway.folder, '.env'), text('.env') + text('.env.node').replace(/^PROTECTED_BASIC.*$/m, ''))
    expect(await refusal({})).toMatchObject({
      code: 'KEY_IN_MEDIATOR',
      message: expect.stringContaining('in .env') as string,
    })
  })

  it('a broken .env, by its line', async () => {
    writeFileSync(join(sealway.folder, '.env'), 'PORT=1\nthis is not a setting\n')
    const error = await refusal({})
    expect(error.code).toBe('CONFIG_INVALID')
    expect(error.message).toContain('.env line 2 is not NAME=value')
  })

  it('weak secrets', async () => {
    const error = await refusal({
      PROTECTED_BASIC_AND_JWT: 'short',
      PROTECTED_ADMIN_PASSWORD: randomBytes(18).toString('base64url'),
    })
    expect(error.code).toBe('WEAK_SECRET')
  })

  it('a port that somebody else has, naming it', async () => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const { port } = other.address() as { port: number }
    const error = await refusal({ PORT: String(port) })
    other.close()
    expect(error).toMatchObject({
      code: 'PORT_IN_USE',
      message: expect.stringContaining(`127.0.0.1:${port}`) as string,
    })
  })

  it('a database that is none, or is not there', async () => {
    writeFileSync(
      join(sealway.folder, 'sealway.sqlite'),
      'this is no database, it is a text of some length. '.repeat(50),
    )
    expect((await refusal({})).code).toBe('DATABASE_UNREACHABLE')
    const url = 'mysql://root:hunter2hunter2@127.0.0.1:1/sealway'
    const error = await refusal({ DATABASE_URL: url })
    expect(error.code).toBe('DATABASE_UNREACHABLE')
    expect(error.message).not.toContain('hunter2')
  })
})
