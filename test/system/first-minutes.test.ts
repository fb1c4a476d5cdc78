import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build, freePort, type Program, repositoryRoot, startProgram } from '../support/program'

const script = (path: string) => join(repositoryRoot, path)
let folder: string
let env: { [name: string]: string }
const programs: Program[] = []

const start = (path: string, ...args: string[]): Program => {
  const program = startProgram([script(path), ...args], { cwd: folder, env })
  programs.push(program)
  return program
}
const startMediator = () => start('server/dist/main.js', 'start')

beforeAll(build)

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sealway-minutes-'))
  env = { PORT: String(await freePort()), ADMIN_PORT: String(await freePort()), EVERY_MS: '100' }
})

afterEach(async () => {
  for (const program of programs) program.signal('SIGKILL')
  await Promise.all(programs.splice(0).map(({ ended }) => ended))
  rmSync(folder, { recursive: true, force: true })
})

describe('the first minutes: make start, make client, make sender', () => {
  it('may begin in any order: the services wait for the secrets and for the mediator', async () => {
    const client = start('examples/dist/client.js')
    const sender = start('examples/dist/sender.js')
    await Promise.all([client.saw(/waiting for \.env\.node/), sender.saw(/waiting for \.env\.node/)])
    const mediator = startMediator()
    await mediator.saw(/is running/)
    await client.saw(/- client-1 registered/)
    await client.saw(/client-1 listens in the group demo/)
    await client.saw(/note from sender-1 to client-1: number \d+/)
    await client.saw(/note from sender-1 to group:demo: to all, \d+/)
    await sender.saw(/call client-1: (\d+) \+ \1 = \d+/)
    await sender.saw(/call any:demo: answered by client-1/)
    await sender.saw(/broadcast to demo: done by client-1; failed none; missing none/)
  })

  it('come back by themselves when the mediator was killed and started again', async () => {
    const first = startMediator()
    await first.saw(/is running/)
    start('examples/dist/client.js')
    const sender = start('examples/dist/sender.js')
    await sender.saw(/done by client-1/)
    const broke = sender.seesNext(/the link to the mediator broke/)
    first.signal('SIGKILL')
    await Promise.all([first.ended, broke])
    const second = startMediator()
    await second.saw(/is running/)
    await sender.seesNext(/broadcast to demo: done by client-1/)
    await sender.seesNext(/call client-1: .* = /)
  })

  it.each(['tcp', 'ws', 'ipc', 'http'] as const)('work the same over %s', async (transport) => {
    const socket = join(folder, 'sealway.sock')
    const place = `127.0.0.1:${env.PORT}`
    const urls = {
      tcp: `http://${place}`,
      ws: `ws://${place}`,
      ipc: `unix:${socket}`,
      http: `sealway+http://${place}`,
    }
    env = { ...env, IPC_PATH: socket, LOG_FORMAT: 'json' }
    const mediator = startMediator()
    await mediator.saw(/is running/)
    env = { ...env, SEALWAY_URL: urls[transport] }
    start('examples/dist/client.js')
    const sender = start('examples/dist/sender.js')
    await sender.saw(/call client-1: .* = /)
    await sender.saw(/call any:demo: answered by client-1/)
    await sender.saw(/broadcast to demo: done by client-1; failed none; missing none/)
    for (const name of ['client-1', 'sender-1']) {
      const joined = await mediator.saw(new RegExp(`"node":"${name}".*"transport":"(\\w+)"`))
      expect(joined[1]).toBe(transport)
    }
  })

  it('end in order: each drains on a signal and exits with 0', async () => {
    const mediator = startMediator()
    await mediator.saw(/is running/)
    const client = start('examples/dist/client.js')
    const sender = start('examples/dist/sender.js')
    await sender.saw(/done by client-1/)
    client.signal('SIGTERM')
    sender.signal('SIGINT')
    expect((await client.ended).code).toBe(0)
    expect((await sender.ended).code).toBe(0)
    mediator.signal('SIGINT')
    expect((await mediator.ended).code).toBe(0)
  })

  it('leave two files that only their owner may read, the payload key in the one for nodes alone', async () => {
    const mediator = startMediator()
    const { index } = await mediator.saw(/is running/)
    expect(index).toBeGreaterThanOrEqual(0)
    for (const file of ['.env', '.env.node']) expect(statSync(join(folder, file)).mode & 0o777).toBe(0o600)
    expect(readFileSync(join(folder, '.env.node'), 'utf8')).toMatch(/^PROTECTED_AES256=mk1_[\w-]{43}$/m)
    expect(readFileSync(join(folder, '.env'), 'utf8')).not.toMatch(/mk1_[\w-]{43}/)
    expect(existsSync(join(folder, 'sealway.sqlite'))).toBe(true)
  })

  it('tell a service with a wrong secret so in one line', async () => {
    const mediator = startMediator()
    await mediator.saw(/is running/)
    env = {
      ...env,
      SEALWAY_URL: `http://127.0.0.1:${env.PORT}`,
      PROTECTED_BASIC_AND_JWT: 'wrong-secret-of-at-least-32-bytes',
    }
    const client = start('examples/dist/client.js')
    const { code, output } = await client.ended
    expect(code).toBe(1)
    expect(output.trim()).toMatch(/^\S+ {2}! UNAUTHORIZED: [^\n]+$/)
  })
})
