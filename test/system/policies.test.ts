import { randomBytes } from 'node:crypto'
import { connect, type Node, type TrafficPolicy } from '@sealway/client'
import { migrate } from '../../server/src/store/migrate'
import { mysqlDatabase, type TestDatabase } from '../support/databases'
import { tokenFor } from '../support/link'
import { startMediator, type TestMediator } from '../support/mediator'
import { eventually, rejection } from '../support/until'

const keys = `mk1_${randomBytes(32).toString('base64url')}`
const jwtSecret = randomBytes(32).toString('base64url')
const running: { close(): Promise<unknown> }[] = []
let database: TestDatabase | undefined

afterEach(async () => {
  for (const each of running.splice(0).reverse()) await each.close()
  await database?.drop()
  database = undefined
})

async function start(options: Parameters<typeof startMediator>[0] = {}): Promise<TestMediator> {
  const started = await startMediator({ jwtSecret, ...options })
  running.push(started.mediator)
  return started
}
async function node(url: string, name: string): Promise<Node> {
  const made = await connect(url, { name, groups: ['orders'], keys, token: () => tokenFor(jwtSecret, name).token })
  running.push(made)
  return made
}
async function operate({ adminUrl, adminPassword }: TestMediator, method: string, path: string, body?: TrafficPolicy) {
  const response = await fetch(adminUrl + path, {
    method,
    headers: {
      authorization: `Basic ${Buffer.from(`operator:${adminPassword}`).toString('base64')}`,
      ...(body ? { 'content-type': 'application/json' } : {}),
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
  expect([method, path, response.ok]).toEqual([method, path, true])
}

it('a policy that an operator changes is followed by a running node, without a restart', async () => {
  const mediator = await start()
  const [caller, first] = [await node(mediator.url, 'caller'), await node(mediator.url, 'orders-1')]
  const second = await node(mediator.url, 'orders-2')
  for (const member of [first, second]) {
    member.on('who', () => member.name)
    member.on('hang', () => new Promise(() => {}))
  }
  const has = (count: number) =>
    eventually(() => caller.policies.central.length === count, `the caller knows ${count} policies`)

  await operate(mediator, 'POST', '/api/policies', { target: 'any:orders', action: 'hang', timeout: 150 })
  await has(1)
  const error = await rejection(caller.call('any:orders', 'hang'))
  expect(error).toMatchObject({
    code: 'TIMEOUT',
    outcome: 'unknown',
    // What the first question for the members of the group took is not waited for again.
    message: expect.stringMatching(/no answer within 1[0-5]\d ms/) as string,
  })

  await operate(mediator, 'POST', '/api/policies', { target: 'any:orders', balance: { sticky: 'customer' } })
  await has(2)
  const ask = (customer: string) => caller.call<string>('any:orders', 'who', { customer })
  // The first one asks who is there.
  await ask('c1')
  await eventually(
    () => caller.policyFor('any:orders', 'who') !== undefined,
    'all calls of a customer go to one member',
  )
  const chosen = new Map<string, Set<string>>()
  for (let i = 0; i < 60; i++) {
    const customer = `c${i % 20}`
    chosen.set(customer, (chosen.get(customer) ?? new Set()).add(await ask(customer)))
  }
  const stuck = [...chosen].filter(([, members]) => members.size === 1)
  expect(stuck).toHaveLength(20)
  expect(new Set([...chosen.values()].flatMap((members) => [...members]))).toEqual(new Set(['orders-1', 'orders-2']))

  await operate(mediator, 'POST', '/api/policies', {
    target: 'orders-3',
    retries: { max: 0, whenNoPeer: true, firstMs: 20, maxMs: 50 },
  })
  await has(3)
  const early = caller.call('orders-3', 'who')
  const third = await node(mediator.url, 'orders-3')
  third.on('who', () => 'third')
  expect(await early).toBe('third')

  await operate(mediator, 'DELETE', '/api/policies/any:orders?action=hang')
  await has(2)
  expect(caller.policyFor('any:orders', 'hang')?.timeoutMs).toBeUndefined()
})

it('a policy set at one mediator reaches the nodes of another, which looks every 4 s', async () => {
  database = await mysqlDatabase()
  await migrate(await database.open())
  const [one, other] = [await start({ databaseUrl: database.url }), await start({ databaseUrl: database.url })]
  const far = await node(other.url, 'far')
  await operate(one, 'POST', '/api/policies', { target: '*', timeout: 1_234 })
  await eventually(() => far.policyFor('anybody', 'x')?.timeoutMs === 1_234, 'the far node knows it')
})
