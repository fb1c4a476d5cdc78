import { createSecretKey, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog } from '../../server/src/observe/log'
import { openDatabase } from '../../server/src/store/database'
import { migrate } from '../../server/src/store/migrate'
import { startMediator, type TestMediator } from '../support/mediator'

const jwtSecret = randomBytes(32).toString('base64url')
const password = randomBytes(18).toString('base64url')
let folder: string
let running: TestMediator[]

beforeEach(async () => {
  running = []
  folder = mkdtempSync(join(tmpdir(), 'sealway-sessions-'))
  const database = await openDatabase(databaseUrl(), silentLog)
  await migrate(database)
  await database.close()
})
afterEach(async () => {
  for (const { mediator } of running) await mediator.close()
  rmSync(folder, { recursive: true, force: true })
})

const databaseUrl = () => `sqlite:${join(folder, 'registry.sqlite')}`

async function start(): Promise<TestMediator> {
  const adminPassword = createSecretKey(Buffer.from(password))
  const started = await startMediator({ jwtSecret, databaseUrl: databaseUrl(), config: { adminPassword } })
  running.push(started)
  return started
}

async function restart(): Promise<TestMediator> {
  await running.pop()!.mediator.close()
  return start()
}

async function logIn({ adminUrl }: TestMediator): Promise<string> {
  const response = await fetch(`${adminUrl}/api/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ user: 'operator', password }),
  })
  return response.headers.get('set-cookie')!.split(';')[0]!
}

async function logOut({ adminUrl }: TestMediator, cookie: string): Promise<number> {
  const response = await fetch(`${adminUrl}/api/logout`, {
    method: 'POST',
    headers: {
      cookie,
      origin: adminUrl,
      'sec-fetch-site': 'same-origin',
      'x-sealway-request': '1',
      'content-type': 'application/json',
    },
    body: '{}',
  })
  return response.status
}

const look = async ({ adminUrl }: TestMediator, cookie: string): Promise<number> =>
  (await fetch(`${adminUrl}/api/status`, { headers: { cookie } })).status

it('a session outlasts a restart of the mediator, and so does its log-out', async () => {
  const first = await start()
  const [kept, left] = [await logIn(first), await logIn(first)]
  expect(await logOut(first, left)).toBe(204)
  expect([await look(first, kept), await look(first, left)]).toEqual([200, 401])
  const second = await restart()
  expect([await look(second, kept), await look(second, left)]).toEqual([200, 401])
  const trail = await second.mediator.registry.auditTrail({ limit: 1 })
  expect(trail).toMatchObject([{ actor: 'operator:operator', subject: expect.stringMatching(/^session-[\w-]{22}$/) }])
  // What is written down names the session, and lets nobody in.
  expect(left).toContain(trail[0]!.subject.slice('session-'.length))
  expect(await look(second, `sealway_session=${trail[0]!.subject}`)).toBe(401)
})
