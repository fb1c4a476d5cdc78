import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect, type Node } from '@sealway/client'
import { commandLine } from '../support/command-line'
import { tokenFor } from '../support/link'
import { startMediator, type TestMediator } from '../support/mediator'
import { eventually, rejection } from '../support/until'

const keys = `mk1_${randomBytes(32).toString('base64url')}`
const jwtSecret = randomBytes(32).toString('base64url')
let mediator: TestMediator
let caller: Node
let orders: Node
let sealway: ReturnType<typeof commandLine>
let environment: { [name: string]: string }
let traffic: NodeJS.Timeout

beforeAll(async () => {
  mediator = await startMediator({ jwtSecret })
  const node = (name: string) =>
    connect(mediator.url, { name, groups: ['orders'], keys, token: () => tokenFor(jwtSecret, name).token })
  caller = await node('caller')
  orders = await node('orders-1')
  orders.on('add', () => 1)
  traffic = setInterval(() => void caller.call('any:orders', 'add', 'canary').catch(() => {}), 50)
  environment = {
    PROTECTED_BASIC_AND_JWT: jwtSecret,
    PROTECTED_ADMIN_PASSWORD: mediator.adminPassword,
    ADMIN_PORT: new URL(mediator.adminUrl).port,
    PORT: new URL(mediator.url).port,
    DATABASE_URL: 'sqlite::memory:',
  }
})
afterAll(async () => {
  clearInterval(traffic)
  await Promise.all([caller.close(), orders.close()])
  await mediator.mediator.close()
})
beforeEach(() => {
  sealway = commandLine()
})
afterEach(() => sealway.remove())

const linesOf = (text: string): string[] => text.trimEnd().split('\n')

describe('sealway top', () => {
  it('prints once, as JSON, what a script may read', async () => {
    const { code, out, err } = await sealway.run(['top', '--once', '--json'], environment)
    expect([code, err]).toEqual([0, ''])
    const { health, nodes, edges } = JSON.parse(out) as {
      health: { framesPerSecond: number }
      nodes: { name: string; state: string }[]
      edges: { from: string; to: string }[]
    }
    expect(health.framesPerSecond).toBeGreaterThan(0)
    expect(nodes.map(({ name, state }) => [name, state]).sort()).toEqual([
      ['caller', 'online'],
      ['orders-1', 'online'],
    ])
    expect(edges).toContainEqual(expect.objectContaining({ from: 'caller', to: 'orders-1' }))
  })

  it('prints once, for people', async () => {
    const { out } = await sealway.run(['top', '--once'], environment)
    expect(out).toMatch(/^sealway 0\.1\.0 {2}up \d+ (s|min) {2}ok {2}database up {2}2 links {2}2 nodes$/m)
    expect(out).toMatch(/^NODE +STATE +VIA +IN\/S/m)
    expect(out).toMatch(/^caller +online +tcp +\d+/m)
    expect(out).toMatch(/^caller +orders-1 +\d+/m)
    expect(out).not.toContain('\x1b')
  })

  it('goes on until it is stopped, one object a line', async () => {
    const running = sealway.start(environment, ['top', '--json'])
    const output = await running.printed
    await eventually(() => linesOf(output.out).length >= 2, 'two lines came')
    sealway.signal()
    expect(await running.ended).toMatchObject({ code: 0 })
    for (const line of linesOf(output.out))
      expect(Object.keys(JSON.parse(line) as object)).toEqual(['health', 'nodes', 'edges'])
    expect(sealway.listeners.size).toBe(0)
  })

  it.each([
    ['a token that is none', ['--token', 'nonsense'], 'UNAUTHORIZED'],
    ['nobody there', ['--url', 'http://127.0.0.1:1'], 'NOT_CONNECTED'],
    // Whatever digits the port has, nobody there is no refusal.
    ['nobody at a port that reads like a status', ['--url', 'http://127.0.0.1:403'], 'NOT_CONNECTED'],
    ['what is no URL', ['--url', 'localhost'], 'INVALID_ARGUMENT'],
    ['a token that would travel in clear', ['--url', 'http://203.0.113.9:4568'], 'INVALID_ARGUMENT'],
  ])('says what is wrong with %s', async (_what, args, code) => {
    const { err, code: exit } = await sealway.run(['top', '--once', '--json', ...args], environment)
    expect([exit > 0, (JSON.parse(err) as { error: { code: string } }).error.code]).toEqual([true, code])
  })
})

describe('sealway tail', () => {
  it('prints frames that match, without what is in them', async () => {
    const { code, out } = await sealway.run(['tail', '--from', 'cal*', '--limit', '3'], environment)
    expect(code).toBe(0)
    expect(linesOf(out)).toHaveLength(3)
    for (const line of linesOf(out)) {
      expect(line).toMatch(
        /^\d\d:\d\d:\d\d\.\d{3} caller -> any:orders \(orders-1\) {2}\d+ B {2}DELIVERED {2}\S+( ms)?$/,
      )
    }
  })

  it('prints JSON, of metadata alone', async () => {
    const { out } = await sealway.run(['tail', '--json', '--to', 'caller', '--limit', '1'], environment)
    const frame = JSON.parse(out) as object
    expect(Object.keys(frame).sort()).toEqual(['at', 'bytes', 'from', 'ms', 'outcome', 'taker', 'to'])
    expect(frame).toMatchObject({ from: 'orders-1', to: 'caller' })
  })

  it('shows what was refused, by its code', async () => {
    const running = sealway.start(environment, ['tail', '--outcome', 'UNKNOWN_NODE', '--limit', '1'])
    const failing = setInterval(() => void rejection(caller.call('nobody', 'add', 1, { timeout: 500 })), 100)
    const { out } = await running.ended
    clearInterval(failing)
    expect(out).toMatch(/caller -> nobody {2}\d+ B {2}UNKNOWN_NODE {2}-$/m)
  })

  it('ends with a signal, and refuses what is no filter', async () => {
    const running = sealway.start(environment, ['tail', '--from', 'nobody'])
    await eventually(() => sealway.listeners.size > 0, 'it listens')
    sealway.signal()
    expect(await running.ended).toMatchObject({ code: 0, out: '' })
    expect(await sealway.run(['tail', '--outcome', 'LATE'], environment)).toMatchObject({ code: 2 })
    expect(await sealway.run(['tail', '--limit', '0'], environment)).toMatchObject({ code: 2 })
  })
})

describe('sealway doctor', () => {
  interface Report {
    readonly healthy: boolean
    readonly findings: readonly { readonly state: string; readonly about: string; readonly text: string }[]
  }
  const examine = async (changes: { [name: string]: string } = {}, ...args: string[]) => {
    const { code, out } = await sealway.run(['doctor', '--json', ...args], { ...environment, ...changes })
    return { code, report: JSON.parse(out) as Report }
  }
  const textsOf = ({ findings }: Report, about: string): string[] =>
    findings.filter((finding) => finding.about === about).map(({ state, text }) => `${state}: ${text}`)

  it('looks at settings, limits, database, the mediator, clocks, keys and nodes', async () => {
    const { code, report } = await examine()
    expect([code, report.healthy]).toEqual([0, true])
    expect(textsOf(report, 'mediator')[0]).toBe('warn: version 0.1.0 runs; this command is 9.9.9')
    expect(textsOf(report, 'nodes')).toEqual(['ok: 2 connected, 0 not'])
    expect(textsOf(report, 'keys')).toEqual([expect.stringMatching(/^ok: seen just now: [0-9a-f]{8} \(2 nodes\)$/)])
    expect(textsOf(report, 'clock')).toEqual([
      expect.stringMatching(/^ok: the database's clock is within \d+ ms/),
      "ok: the mediator's clock agrees with this machine's",
    ])
    expect(textsOf(report, 'database')[0]).toMatch(/^(ok|warn): .*memory.* answers in/)
    expect(textsOf(report, 'limits').length).toBeGreaterThan(0)
    expect(JSON.stringify(report)).not.toContain(mediator.adminPassword)
    expect(JSON.stringify(report)).not.toContain(jwtSecret)
  })

  it('fails while messages fail, and names their senders and why', async () => {
    expect(textsOf((await examine()).report, 'traffic')).toEqual([
      expect.stringMatching(/^ok: all of \d+ frames a second are delivered$/),
    ])
    const failing = setInterval(() => void caller.send('nobody-2', 'note').catch(() => {}), 20)
    try {
      const { code, report } = await examine()
      expect([code, report.healthy]).toEqual([1, false])
      expect(textsOf(report, 'traffic')).toEqual([
        expect.stringMatching(
          /^fail: \d+ of \d+ frames a second are not delivered: caller \(\d+\/s, UNKNOWN_NODE to nobody-2\)$/,
        ),
      ])
    } finally {
      clearInterval(failing)
    }
  })

  it('asks the mediator at SEALWAY_URL, as nodes would', async () => {
    const answers = await examine({ SEALWAY_URL: mediator.url.replace('http', 'ws') })
    expect(answers.code).toBe(0)
    expect(textsOf(answers.report, 'mediator')).toContain(
      `ok: a mediator answers at SEALWAY_URL ${mediator.url.replace('http', 'ws')} (in the environment)`,
    )
    for (const [url, said] of [
      ['http://user:sekrit@127.0.0.1:1', /^fail: nothing answers at SEALWAY_URL http:\/\/127\.0\.0\.1:1 /],
      ['unix:/nowhere/at/all.sock', /^fail: nothing answers at SEALWAY_URL unix:.*ENOENT/],
      ['localhost', /^fail: nothing answers at SEALWAY_URL localhost .*not the URL of a mediator$/],
      [`${mediator.adminUrl}/nothing`, /^fail: what answers at .* is no mediator: status \d+$/],
    ] as const) {
      const { code, report } = await examine({ SEALWAY_URL: url })
      expect([url, code, textsOf(report, 'mediator')]).toEqual([
        url,
        1,
        expect.arrayContaining([expect.stringMatching(said)]),
      ])
      expect(JSON.stringify(report)).not.toContain('sekrit')
    }
    writeFileSync(join(sealway.folder, '.env.node'), 'SEALWAY_URL=http://127.0.0.1:1\n')
    const filed = await examine()
    expect(textsOf(filed.report, 'mediator')).toContainEqual(
      expect.stringMatching(/^warn: nothing .*\(in \.env\.node\)/),
    )
  })

  it('fails for warnings where it is strict', async () => {
    expect((await examine({}, '--strict')).code).toBe(1)
  })

  it('says which setting is wrong, that a port is taken, and that a database is not there', async () => {
    const wrong = await examine({ LIMIT_PING: 'often' })
    expect([wrong.code, wrong.report.healthy]).toEqual([1, false])
    expect(textsOf(wrong.report, 'settings').some((text) => text.startsWith('fail: LIMIT_PING'))).toBe(true)

    // The nodes' port is taken, and does not speak as operators' port.
    const taken = await examine({ ADMIN_PORT: environment.PORT!, PORT: '0' })
    expect(taken.code).toBe(1)
    expect(textsOf(taken.report, 'ports')).toContainEqual(expect.stringMatching(/^fail: ADMIN_PORT .*EADDRINUSE$/))

    const away = await examine({ DATABASE_URL: 'mysql://nobody:secret-of-it@127.0.0.1:1/none' })
    expect(textsOf(away.report, 'database')).toEqual([expect.stringMatching(/^fail: /)])
    expect(JSON.stringify(away.report)).not.toContain('secret-of-it')
  })

  it('makes no database where there is none', async () => {
    const { report } = await examine({ DATABASE_URL: 'sqlite:./none.sqlite' })
    expect(textsOf(report, 'database')).toEqual([expect.stringMatching(/^warn: .*none.sqlite is not there yet$/)])
  })

  it('prints a line each, with what to do', async () => {
    const { out } = await sealway.run(['doctor'], environment)
    expect(out).toMatch(/^ok {4}settings {2}all are valid; \d+ of them are set$/m)
    expect(out).toMatch(/^warn {2}settings {2}shared mode.*\n +-> give nodes tokens/m)
  })
})
