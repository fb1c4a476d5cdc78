import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { operatorKey } from '../../server/src/auth/keys'
import { mintToken } from '../../server/src/auth/token'
import { Formation } from '../support/formation'
import { tokenFor } from '../support/link'
import { basicOf } from '../support/live'
import { tableRows } from '../support/markdown'
import { eventually, rejection } from '../support/until'

const root = join(__dirname, '../..')
const read = (path: string): string => readFileSync(join(root, 'docs/operations', path), 'utf8')
let formation: Formation

beforeAll(async () => {
  formation = await Formation.start()
})
afterAll(() => formation.close())

const ask = (authorization?: string): Promise<Response> =>
  fetch(`${formation.started.adminUrl}/metrics`, { headers: authorization ? { authorization } : {} })

async function metrics(): Promise<string> {
  const response = await ask(basicOf('operator', formation.started.adminPassword))
  expect([response.status, response.headers.get('content-type')]).toEqual([
    200,
    'text/plain; version=0.0.4; charset=utf-8',
  ])
  return response.text()
}

/** The value of one line, by its name and labels. */
const numberAt = (text: string, line: string): number | undefined => {
  const found = text.split('\n').find((each) => each.startsWith(`${line} `))
  return found === undefined ? undefined : Number(found.slice(line.length + 1))
}

describe('/metrics', () => {
  it('is read by Basic or a token with admin:read, and by nobody else', async () => {
    const { config, jwtSecret, adminPassword } = formation.started
    const token = (scopes: readonly string[]) =>
      mintToken({
        secret: operatorKey(config.jwtSecret, config.adminPassword),
        by: 'operator',
        ...{ subject: 'prometheus', lifeMs: 60_000, audience: 'sealway', clock: Date.now, scopes },
      }).token
    const statuses = await Promise.all(
      [
        basicOf('operator', adminPassword),
        `Bearer ${token(['admin:read'])}`,
        `Bearer ${token([])}`,
        `Bearer ${tokenFor(jwtSecret, 'orders-1').token}`,
        `Bearer ${randomBytes(8).toString('hex')}`,
        undefined,
      ].map(async (authorization) => (await ask(authorization)).status),
    )
    expect(statuses).toEqual([200, 200, 403, 403, 401, 401])
  })

  it('counts frames by outcome and by group, links and registrations, and nothing by name', async () => {
    const before = await metrics()
    const [caller, orders] = await Promise.all([
      formation.join('caller', 'tcp', { groups: ['web', 'orders'] }),
      formation.join('orders-1', 'ws', { groups: ['orders', 'billing'] }),
    ])
    orders.on('add', ({ body }) => (body as number) + 1)
    for (let i = 0; i < 5; i++) await caller.call('orders-1', 'add', i)
    await rejection(caller.call('nobody-there', 'add', 1, { timeout: 1_000 }))
    const text = await eventually(async () => {
      const now = await metrics()
      return (numberAt(now, 'sealway_frames_total{outcome="UNKNOWN_NODE"}') ?? 0) > 0 && now
    }, 'the refusal is counted')
    const grown = (line: string): number => (numberAt(text, line) ?? 0) - (numberAt(before, line) ?? 0)
    expect(grown('sealway_registrations_total')).toBe(2)
    expect(grown('sealway_frames_total{outcome="DELIVERED"}')).toBeGreaterThanOrEqual(10)
    expect(grown('sealway_frame_bytes_total{outcome="DELIVERED"}')).toBeGreaterThan(1_000)
    expect(numberAt(text, 'sealway_links{transport="tcp"}')).toBe(1)
    expect(numberAt(text, 'sealway_links{transport="ws"}')).toBe(1)
    for (const [group, nodes] of [
      ['orders', 2],
      ['billing', 1],
      ['web', 1],
    ] as const) {
      expect(numberAt(text, `sealway_group_nodes{group="${group}"}`)).toBe(nodes)
      expect(numberAt(text, `sealway_group_frames_total{group="${group}"}`)).toBeGreaterThanOrEqual(5)
    }
    expect(numberAt(text, 'sealway_database_up')).toBe(1)
    expect(text).not.toMatch(/caller|orders-1|nobody-there/)
  })

  it('keeps what a group was sent when its members have left', async () => {
    const line = 'sealway_group_frames_total{group="brief"}'
    const [caller, brief] = await Promise.all([
      formation.join('caller-2', 'tcp', { groups: ['brief'] }),
      formation.join('brief-1', 'tcp', { groups: ['brief'] }),
    ])
    brief.on('add', () => 1)
    await caller.call('brief-1', 'add')
    const sent = numberAt(await metrics(), line)!
    await brief.close()
    const after = await eventually(async () => {
      const now = await metrics()
      return numberAt(now, 'sealway_group_nodes{group="brief"}') === 1 && now
    }, 'it has left')
    expect(numberAt(after, line)).toBeGreaterThanOrEqual(sent)
  })
})

describe('docs/operations', () => {
  const named = (expression: string): string[] =>
    [...expression.matchAll(/\b(?:sealway|process|nodejs)_[a-z0-9_]+/g)].map(([name]) => name)

  it('names only metrics that exist, and all of ours', async () => {
    // Something of each kind has happened by now, but a request that failed and a link that was refused.
    const text = await metrics()
    const types = new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name!))
    const inDashboard = named(
      (JSON.parse(read('grafana-dashboard.json')) as { panels: { targets: { expr: string }[] }[] }).panels
        .flatMap(({ targets }) => targets.map(({ expr }) => expr))
        .join('\n'),
    )
    const { groups } = parse(read('alerts.yaml')) as { groups: { rules: { expr: string }[] }[] }
    const inAlerts = named(groups.flatMap(({ rules }) => rules.map(({ expr }) => expr)).join('\n'))
    expect([...inDashboard, ...inAlerts].filter((name) => !types.has(name))).toEqual([])
    const ours = [...types].filter((name) => name.startsWith('sealway_') && name !== 'sealway_draining')
    expect(ours.filter((name) => !inDashboard.includes(name))).toEqual([])
    expect(inAlerts.length).toBeGreaterThan(8)
  })

  it('documents each of ours, and no other', async () => {
    const types = new Set([...(await metrics()).matchAll(/^# TYPE (sealway_\S+)/gm)].map(([, name]) => name!))
    const table = tableRows(readFileSync(join(root, 'docs/observability.md'), 'utf8')).map(([first]) => first!)
    expect(
      table
        .flatMap(named)
        .filter((name) => name.startsWith('sealway'))
        .sort(),
    ).toEqual([...types].sort())
  })

  it('has a rule for each alert with what to do, and a scrape of the path that there is', () => {
    const { groups } = parse(read('alerts.yaml')) as {
      groups: { rules: { alert: string; annotations: { summary: string; description: string } }[] }[]
    }
    for (const { alert, annotations } of groups.flatMap(({ rules }) => rules)) {
      expect([alert, annotations.description.length > 20]).toEqual([alert, true])
    }
    const { scrape_configs } = parse(read('prometheus.yaml')) as { scrape_configs: { metrics_path: string }[] }
    expect(scrape_configs[0]!.metrics_path).toBe('/metrics')
  })
})
