import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type Node } from '@sealway/client'
import { tokenFor } from '../support/link'
import { basicOf, type LiveView, openLive } from '../support/live'
import { build, type Program, repositoryRoot, runProgram, startProgram } from '../support/program'
import { eventually, rejection } from '../support/until'

const main = join(repositoryRoot, 'server/dist/main.js')
const jwtSecret = randomBytes(32).toString('base64url')
const adminPassword = randomBytes(18).toString('base64url')
const rawKey = randomBytes(32)
const token = tokenFor(jwtSecret, 'orders-1').token
const text = `canary-${randomBytes(12).toString('hex')}`
/** What must not be seen anywhere, and the forms in which it might be. */
const canaries: readonly (readonly [what: string, forms: readonly string[]])[] = [
  ['the secret of tokens', [jwtSecret]],
  ['the password of operators', [adminPassword, basicOf('operator', adminPassword).slice('Basic '.length)]],
  ['the payload key', [rawKey.toString('base64url'), rawKey.toString('base64'), rawKey.toString('hex')]],
  ['the token of a node', [token, token.split('.')[2]!]],
  ['a body', [text, Buffer.from(text).toString('base64').slice(0, -4), Buffer.from(text).toString('hex')]],
]

let folder: string
let mediator: Program
let url: string
let adminUrl: string
let live: LiveView
const told: unknown[] = []
const nodes: Node[] = []
const environment = {
  PORT: '0',
  ADMIN_PORT: '0',
  LOG_LEVEL: 'debug',
  LOG_FORMAT: 'json',
  PROTECTED_BASIC_AND_JWT: jwtSecret,
  PROTECTED_ADMIN_PASSWORD: adminPassword,
  ADMIN_USER: 'operator',
}

beforeAll(async () => {
  build()
  folder = mkdtempSync(join(tmpdir(), 'sealway-secrets-'))
  mediator = startProgram([main, 'start'], { cwd: folder, env: environment })
  url = (await mediator.saw(/mediator +(http:\S+)/))[1]!
  adminUrl = (await mediator.saw(/operators +(http:\S+)/))[1]!
  live = await openLive(adminUrl, { authorization: basicOf('operator', adminPassword) })
  live.socket.onAny((...event: unknown[]) => told.push(event))
  await live.watch({ topics: ['nodes', 'edges', 'frames', 'health'] })
})

afterAll(async () => {
  live?.close()
  for (const node of nodes) await node.close()
  mediator?.signal('SIGKILL')
  await mediator?.ended
  rmSync(folder, { recursive: true, force: true })
})

const join_ = async (name: string): Promise<Node> => {
  const own = name === 'orders-1' ? token : tokenFor(jwtSecret, name).token
  const keys = `mk1_${rawKey.toString('base64url')}`
  const node = await connect(url, { name, groups: ['orders'], keys, token: () => own })
  nodes.push(node)
  return node
}

/** Talk and fail in every way that has to do with a secret. */
async function run(): Promise<void> {
  const [orders, caller] = [await join_('orders-1'), await join_('caller')]
  orders.on('add', ({ body }) => body)
  orders.on('crash', () => {
    throw new Error(text)
  })
  orders.expose(createServer((_request, response) => response.end('ok')))
  expect(await caller.call('any:orders', 'add', { text })).toEqual({ text })
  for (const [to, action] of [
    ['orders-1', 'crash'],
    ['orders-1', `nothing-${text}`],
    ['nobody', 'add'],
  ] as const) {
    await rejection(caller.call(to, action, { text }, { timeout: 2_000 }))
  }
  // Tokens and passwords that are wrong, in the wrong place, or right and used for what they do not allow.
  await rejection(
    connect(url, { name: 'orders-2', groups: ['orders'], keys: `mk1_${'A'.repeat(43)}`, token: `${token}x` }),
  )
  const ask = (base: string, path: string, authorization: string, method = 'GET', body?: string) =>
    fetch(base + path, {
      method,
      headers: { authorization, 'content-type': 'application/json', cookie: `session=${text}` },
      ...(body === undefined ? {} : { body }),
    }).then(({ status }) => status)
  expect(await ask(url, '/v1/nodes', `Bearer ${token}`)).toBe(200)
  expect(await ask(url, '/v1/nodes', `Bearer ${token}x`)).toBe(401)
  expect(await ask(url, `/v1/nodes?token=${token}`, 'none')).toBe(401)
  expect(await ask(url, '/v1/nodes/caller', `Bearer ${token}`, 'DELETE')).toBe(403)
  expect(await ask(url, '/v1/nodes', `Bearer ${token}`, 'POST', `{"groups": "${text}"`)).toBe(400)
  expect(await ask(adminUrl, '/api/status', basicOf('operator', `${adminPassword}x`))).toBe(401)
  expect(await ask(adminUrl, '/api/status', `Bearer ${token}`)).toBe(401)
  expect(await ask(adminUrl, '/metrics', `Bearer ${token}`)).toBe(403)
  await ask(url, `/orders-1/x?secret=${text}`, `Bearer ${token}`)
  await ask(url, `/nobody/x?secret=${text}`, `Bearer ${token}`)
  await expect(openLive(adminUrl, { authorization: `Bearer ${token}` })).rejects.toThrow()
}

it('W5: five canaries through one run with errors at debug level are in no log, metric, answer, feed or report', async () => {
  await run()
  await eventually(
    () => live.frames.length > 0 && live.nodes.size >= 2 && live.edges.length > 0,
    'the live feed told of it',
  )
  const places = new Map<string, string>([['what the live feed told', JSON.stringify(told)]])
  const authorization = basicOf('operator', adminPassword)
  const document = (await (await fetch(`${adminUrl}/api/openapi.json`, { headers: { authorization } })).json()) as {
    paths: { [path: string]: { get?: object } }
  }
  for (const [path, methods] of Object.entries(document.paths)) {
    if (!methods.get) continue
    const filled = path.replace('{name}', 'orders-1').replace('{group}', 'orders').replace('{id}', '1')
    const response = await fetch(adminUrl + filled, { headers: { authorization } })
    places.set(`GET ${path}`, `${[...response.headers].join()}\n${await response.text()}`)
  }
  const env = { ...environment, PORT: new URL(url).port, ADMIN_PORT: new URL(adminUrl).port }
  for (const args of [
    ['config', 'print', '--json'],
    ['doctor', '--json'],
    ['top', '--once', '--json'],
    ['token', 'A B'],
  ]) {
    places.set(`sealway ${args.join(' ')}`, runProgram(process.execPath, [main, ...args], { cwd: folder, env }).output)
  }
  places.set('the log', mediator.output())

  // Not an empty search: the same places hold what may be known.
  for (const place of ['the log', 'what the live feed told', 'GET /api/nodes', 'sealway top --once --json']) {
    expect([place, places.get(place)]).toEqual([place, expect.stringContaining('orders-1')])
  }
  expect(places.get('GET /metrics')).toContain('sealway_frames_total{outcome="UNKNOWN_NODE"}')
  expect(places.get('sealway doctor --json')).toContain('"about": "database"')
  const hits = [...places].flatMap(([place, content]) =>
    canaries
      .filter(([, forms]) => forms.some((form) => content.includes(form)))
      .map(([what]) => `${what} is in ${place}`),
  )
  expect(hits).toEqual([])
})

it('what is refused is logged with from, to and outcome', async () => {
  const lines = mediator
    .output()
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { msg: string })
  expect(lines.find(({ msg }) => msg === 'frames refused')).toMatchObject({
    level: 'debug',
    from: 'caller',
    to: 'nobody',
    outcome: 'UNKNOWN_NODE',
    frames: 1,
  })
})
