import { randomBytes } from 'node:crypto'
import { connect, type Node } from '@sealway/client'
import { operatorKey } from '../../server/src/auth/keys'
import { mintToken } from '../../server/src/auth/token'
import { tokenFor } from '../support/link'
import { basicOf, type LiveView, openLive } from '../support/live'
import { startMediator, type TestMediator } from '../support/mediator'
import { eventually, rejection } from '../support/until'

const keys = `mk1_${randomBytes(32).toString('base64url')}`
const jwtSecret = randomBytes(32).toString('base64url')
const running: { close(): unknown }[] = []
let mediator: TestMediator

beforeEach(async () => {
  mediator = await startMediator({ jwtSecret })
})

afterEach(async () => {
  for (const each of running.splice(0).reverse()) await each.close()
  await mediator.mediator.close()
})

async function node(name: string, groups = ['orders']): Promise<Node> {
  const made = await connect(mediator.url, {
    ...{ name, groups, keys },
    token: () => tokenFor(jwtSecret, name).token,
  })
  running.push(made)
  return made
}

async function look(headers: { readonly [name: string]: string } = {}): Promise<LiveView> {
  const authorization = basicOf('operator', mediator.adminPassword)
  const view = await openLive(mediator.adminUrl, Object.keys(headers).length > 0 ? headers : { authorization })
  running.push(view)
  return view
}

async function login(): Promise<string> {
  const response = await fetch(`${mediator.adminUrl}/api/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ user: 'operator', password: mediator.adminPassword }),
  })
  return response.headers.get('set-cookie')!.split(';')[0]!
}

const anyText = expect.any(String) as string
const anyNumber = expect.any(Number) as number

describe('the live feed', () => {
  it('shows nodes as they come, talk and leave', async () => {
    const view = await look()
    await view.watch({ topics: ['nodes'] })
    const caller = await node('caller')
    const orders = await node('orders-1', ['orders', 'billing'])
    orders.on('add', ({ body }) => (body as number) + 1)
    await eventually(() => view.nodes.size === 2, 'both are shown')
    expect(view.nodes.get('orders-1')).toEqual({
      name: 'orders-1',
      groups: ['orders', 'billing'],
      state: 'online',
      transport: 'tcp',
      since: anyNumber,
      client: anyText,
      http: false,
      errorsPerSecond: 0,
      framesInPerSecond: anyNumber,
      framesOutPerSecond: anyNumber,
      queueBytes: 0,
      queueFrames: 0,
      keyIds: [],
      lastErrors: [],
    })
    await eventually(async () => {
      await caller.call('orders-1', 'add', 1)
      const shown = view.nodes.get('caller')!
      return shown.framesInPerSecond > 0 && shown.framesOutPerSecond > 0 && shown.keyIds.length === 1
    }, 'its rate and its key are shown')
    expect(view.nodes.get('caller')!.keyIds).toEqual([expect.stringMatching(/^[0-9a-f]{8}$/)])
    await orders.close()
    await eventually(() => view.nodes.get('orders-1')?.state === 'offline', 'it is shown as gone')
    await rejection(caller.call('orders-1', 'add', 1, { timeout: 500 }))
    await eventually(() => view.nodes.get('caller')!.lastErrors.length > 0, 'the refusal is shown')
    expect(view.nodes.get('caller')!.lastErrors[0]).toEqual({ at: anyNumber, to: 'orders-1', code: 'OFFLINE' })
  })

  it('forgets a node that an operator removed', async () => {
    const view = await look()
    await node('doomed')
    await view.watch({ topics: ['nodes'] })
    await eventually(() => view.nodes.has('doomed'), 'it is shown')
    const response = await fetch(`${mediator.adminUrl}/api/nodes/doomed`, {
      method: 'DELETE',
      headers: { authorization: basicOf('operator', mediator.adminPassword) },
    })
    expect(response.status).toBe(204)
    await eventually(() => !view.nodes.has('doomed'), 'it is gone')
  })

  it('shows nodes that the registry knows and that are not connected', async () => {
    const left = await node('left-1')
    await left.close()
    const view = await look()
    await view.watch({ topics: ['nodes'] })
    await eventually(() => view.nodes.get('left-1')?.state === 'offline', 'it is shown')
  })

  it('shows who sends to whom, with times in the mediator', async () => {
    const view = await look()
    await view.watch({ topics: ['edges'] })
    const [caller, orders] = [await node('caller'), await node('orders-1')]
    orders.on('add', ({ body }) => (body as number) + 1)
    await eventually(async () => {
      await caller.call('any:orders', 'add', 1)
      return view.edges.length === 2 && view.edges.every(({ p95Ms }) => p95Ms !== null)
    }, 'both edges have times')
    const edge = view.edges.find(({ from }) => from === 'caller')!
    expect(edge).toEqual({
      from: 'caller',
      to: 'orders-1',
      framesPerSecond: anyNumber,
      bytesPerSecond: anyNumber,
      errorsPerSecond: 0,
      p50Ms: anyNumber,
      p95Ms: anyNumber,
    })
    expect(edge.p50Ms).toBeGreaterThan(0)
    expect(edge.p95Ms).toBeGreaterThanOrEqual(edge.p50Ms!)
  })

  it('lists frames as the mediator has them: who, where to, how large, and ciphertext', async () => {
    const view = await look()
    const [caller, orders] = [await node('caller'), await node('orders-1')]
    const secret = `canary-${randomBytes(8).toString('hex')}`
    orders.on('add', () => secret)
    await view.watch({ topics: ['frames'], filter: { from: 'cal*' } })
    await caller.call('any:orders', 'add', secret)
    await eventually(() => view.frames.length > 0, 'a frame is listed')
    expect(view.frames[0]).toEqual({
      at: anyNumber,
      from: 'caller',
      to: 'any:orders',
      taker: 'orders-1',
      bytes: anyNumber,
      outcome: 'DELIVERED',
      ms: anyNumber,
      sealed: expect.stringMatching(/^[0-9a-f]{96,256}$/),
    })
    expect(view.frames.every(({ from }) => from === 'caller')).toBe(true)
    expect(JSON.stringify(view.frames)).not.toContain(secret)
  })

  it('lists what was refused, by its code, and counts beyond two hundred at once', async () => {
    const view = await look()
    const caller = await node('caller')
    await view.watch({ topics: ['frames'], filter: { outcome: 'UNKNOWN_NODE' } })
    await rejection(caller.call('nobody', 'add', 1, { timeout: 500 }))
    await eventually(() => view.frames.length > 0, 'the refusal is listed')
    expect(view.frames[0]).toMatchObject({ from: 'caller', to: 'nobody', taker: null, outcome: 'UNKNOWN_NODE' })

    // Each frame to the group is listed for each of its members. All of them say something in one turn, so that there are
    // far more than two hundred before the next time to list them, however slow the machine is.
    const crowd = await Promise.all(Array.from({ length: 20 }, (_, at) => node(`crowd-${at}`, ['crowd'])))
    for (const each of crowd) each.on('note', () => {})
    await view.watch({ topics: ['frames'], filter: { group: 'crowd' } })
    view.frames.length = 0
    await eventually(async () => {
      await Promise.all(crowd.map((each) => each.send('group:crowd', 'note', 1).catch(() => {})))
      return view.skipped > 0
    }, 'more came than are listed')
    expect(view.frames.length).toBeGreaterThan(0)
  })

  it('tells health, and the history of the last hour at once', async () => {
    const view = await look()
    const history = await view.watch({ topics: ['health'] })
    expect(Object.keys(history).sort()).toEqual(
      ['at', 'bytes', 'errors', 'frames', 'lagMaxMs', 'links', 'queuedBytes', 'rssBytes', 'stepMs'].sort(),
    )
    await node('orders-1')
    await eventually(() => view.health?.links.tcp === 1, 'health tells the link')
    expect(view.health).toMatchObject({
      version: '0.1.0',
      draining: false,
      database: 'up',
      overload: 'none',
      budgetBytes: mediator.config.limits.budgetBytes,
      lagMaxMs: anyNumber,
    })
  })

  it('gathers nothing while nobody watches traffic', async () => {
    const { relay } = mediator.mediator
    const watched = (): boolean => (relay as unknown as { router: { watcher: unknown } }).router.watcher !== undefined
    expect(watched()).toBe(false)
    const view = await look()
    await view.watch({ topics: ['health'] })
    expect(watched()).toBe(false)
    await view.watch({ topics: ['edges'] })
    expect(watched()).toBe(true)
    await view.watch({ topics: [] })
    expect(watched()).toBe(false)
    await view.watch({ topics: ['frames'] })
    view.close()
    await eventually(() => !watched(), 'it stops with the last one')
  })
})

describe('whoever watches', () => {
  it('must be logged in, by session, Basic or a token for operators', async () => {
    const cookie = await login()
    const origin = mediator.adminUrl
    const token = (scopes: readonly string[]) =>
      mintToken({
        secret: operatorKey(mediator.config.jwtSecret, mediator.config.adminPassword),
        by: 'operator',
        subject: 'ada',
        lifeMs: 60_000,
        audience: 'sealway',
        clock: Date.now,
        scopes,
      }).token
    for (const headers of [
      { cookie, origin },
      { authorization: basicOf('operator', mediator.adminPassword) },
      { authorization: basicOf('operator', mediator.adminPassword), origin },
      { authorization: `Bearer ${token(['admin:read'])}` },
    ]) {
      expect((await look(headers)).socket.connected).toBe(true)
    }
    for (const headers of [
      { origin },
      { cookie },
      { cookie: 'sealway_session=forged', origin },
      { cookie, origin: 'http://evil.example' },
      { authorization: basicOf('operator', 'wrong') },
      { authorization: basicOf('operator', mediator.adminPassword), origin: 'http://evil.example' },
      { authorization: `Bearer ${token([])}` },
      { authorization: `Bearer ${tokenFor(jwtSecret, 'orders-1').token}` },
      { authorization: 'Bearer nonsense' },
    ]) {
      await expect(openLive(mediator.adminUrl, headers)).rejects.toThrow()
    }
  })

  it('is sent away when its session ends', async () => {
    const cookie = await login()
    const view = await look({ cookie, origin: mediator.adminUrl })
    await view.watch({ topics: ['health'] })
    const response = await fetch(`${mediator.adminUrl}/api/logout`, {
      method: 'POST',
      headers: {
        cookie,
        origin: mediator.adminUrl,
        'content-type': 'application/json',
        'x-sealway-request': '1',
        'sec-fetch-site': 'same-origin',
      },
    })
    expect(response.status).toBe(204)
    await eventually(() => view.ended === 'io server disconnect', 'it is disconnected')
  })

  it('is one of 32 at most', async () => {
    await Promise.all(Array.from({ length: 32 }, () => look()))
    await expect(look()).rejects.toThrow('at most 32 watch at once')
  })

  it('is sent away for what is no watch', async () => {
    for (const watch of [{ topics: ['secrets'] }, { topics: 'nodes' }, null, { topics: [], filter: { from: 7 } }]) {
      const view = await look()
      view.watch(watch as never).catch(() => {})
      await eventually(() => view.ended === 'io server disconnect', 'it is disconnected')
    }
  })
})
