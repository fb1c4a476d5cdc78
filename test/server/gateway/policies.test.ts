import { createCaller, type Reply, startGateway } from '../../support/gateway'

type Gateway = Awaited<ReturnType<typeof startGateway>>

let gateway: Gateway
beforeEach(async () => {
  gateway = await startGateway()
})
afterEach(() => gateway.close())

const as = async (token: string) => (await createCaller(gateway.url, '/openapi.json', `Bearer ${token}`)).call
const admin = () => as(gateway.operatorToken('admin:write'))
const codeOf = (reply: Reply) => [reply.status, (reply.body as { code?: string }).code]
const policy = {
  target: 'any:orders',
  action: 'quote/now?',
  timeout: 2_000,
  retries: { max: 3, whenNoPeer: true },
  breaker: { failures: 5 },
  balance: { sticky: 'customer.id' },
}

it('an operator sets, replaces, lists and removes policies, and the links are told each time', async () => {
  const call = await admin()
  expect(await call('POST', '/v1/policies', policy)).toMatchObject({
    status: 201,
    body: { ...policy, updatedBy: 'operator:ada' },
  })
  expect(await call('POST', '/v1/policies', { ...policy, timeout: 1 })).toMatchObject({
    status: 200,
    body: { timeout: 1 },
  })
  await call('POST', '/v1/policies', { target: '*', breaker: false })
  expect((await call('GET', '/v1/policies')).body).toMatchObject({ policies: [{ target: '*' }, { timeout: 1 }] })
  expect((await call('DELETE', '/v1/policies/*')).status).toBe(204)
  const action = encodeURIComponent(policy.action)
  expect((await call('DELETE', `/v1/policies/any:orders?action=${action}`)).status).toBe(204)
  expect(codeOf(await call('DELETE', `/v1/policies/any:orders?action=${action}`))).toEqual([404, 'NOT_FOUND'])
  expect((await call('GET', '/v1/policies')).body).toEqual({ policies: [] })
  expect(gateway.policyChanges).toHaveLength(5)
})

it('any node reads them, and only admin:write changes them', async () => {
  await (await admin())('POST', '/v1/policies', policy)
  for (const token of [gateway.nodeToken('orders-1'), gateway.operatorToken('admin:read')]) {
    const call = await as(token)
    expect((await call('GET', '/v1/policies')).body).toMatchObject({ policies: [policy] })
    expect(codeOf(await call('POST', '/v1/policies', policy))).toEqual([403, 'FORBIDDEN'])
    expect(codeOf(await call('DELETE', '/v1/policies/any:orders'))).toEqual([403, 'FORBIDDEN'])
  }
  expect(gateway.policyChanges).toHaveLength(1)
})

it.each<[string, object, string, string]>([
  ['no target', {}, 'MALFORMED', 'target'],
  ['a malformed target', { target: 'Orders 1' }, 'INVALID_NAME', 'Orders 1'],
  ['an unknown field', { target: '*', secret: 'x' }, 'MALFORMED', '"secret"'],
  ['an unknown strategy', { target: '*', balance: 'fastest' }, 'MALFORMED', 'balance'],
  ['a negative timeout', { target: '*', timeout: -1 }, 'MALFORMED', 'timeout'],
  ['a number of retries that is none', { target: '*', retries: { max: '3' } }, 'MALFORMED', 'retries'],
  ['an action over 255 bytes', { target: '*', action: 'ü'.repeat(200) }, 'MALFORMED', 'action'],
])('refuses %s, naming it, and keeps nothing', async (_what, body, code, word) => {
  const call = await admin()
  const reply = await call('POST', '/v1/policies', body)
  expect(codeOf(reply)).toEqual([400, code])
  expect((reply.body as { detail: string }).detail).toContain(word)
  expect(await gateway.registry.policies()).toEqual([])
})

it('is the same for operators under /api', async () => {
  const { call } = await createCaller(gateway.adminUrl, '/api/openapi.json', gateway.basic)
  const write = { headers: { 'x-sealway-request': '1' } }
  expect(await call('POST', '/api/policies', policy, write)).toMatchObject({ status: 201 })
  expect((await call('GET', '/api/policies')).body).toMatchObject({ policies: [policy] })
  expect((await gateway.registry.auditTrail({}))[0]).toMatchObject({ action: 'set-policy', subject: 'any:orders' })
})
