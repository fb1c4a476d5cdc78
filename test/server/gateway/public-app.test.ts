import { createCaller, type Reply, startGateway } from '../../support/gateway'

type Gateway = Awaited<ReturnType<typeof startGateway>>
type Caller = Awaited<ReturnType<typeof createCaller>>['call']

let gateway: Gateway
let admin: Caller
beforeEach(async () => {
  gateway = await startGateway()
  admin = await as(gateway.operatorToken('admin:write'))
})
afterEach(() => gateway.close())

const as = async (token: string): Promise<Caller> =>
  (await createCaller(gateway.url, '/openapi.json', token === '' ? '' : `Bearer ${token}`)).call
const codeOf = (reply: Reply) => [reply.status, (reply.body as { code?: string }).code]
const endpoint = { name: 'web', protocol: 'http', address: '10.0.0.1', port: 8080 }

describe('registering over REST', () => {
  it('makes a node, and changes it the next time', async () => {
    const first = await admin('POST', '/v1/nodes', { name: 'orders-1', groups: ['orders'], endpoints: [endpoint] })
    expect(first).toMatchObject({ status: 201, body: { name: 'orders-1', groups: ['orders'], endpoints: [endpoint] } })
    expect(new URL(first.headers.get('location')!, `${gateway.url}/v1/nodes`).pathname).toBe('/v1/nodes/orders-1')
    const second = await admin('POST', '/v1/nodes', { name: 'orders-1', groups: ['orders', 'eu'], meta: { a: 1 } })
    expect(second).toMatchObject({
      status: 200,
      body: { groups: ['orders', 'eu'], endpoints: [endpoint], meta: { a: 1 } },
    })
  })

  it('makes a name where none is given', async () => {
    const reply = await admin('POST', '/v1/nodes', { groups: ['orders'] })
    expect(reply).toMatchObject({
      status: 201,
      body: { name: expect.stringMatching(/^orders-[a-z0-9]{6}$/) as string },
    })
    const nameless = await (await as(gateway.nodeToken('*')))('POST', '/v1/nodes', { groups: ['orders'] })
    expect(nameless).toMatchObject({ status: 201, body: { name: expect.stringMatching(/^orders-/) as string } })
  })

  it('is for the node of the token only, under its own name', async () => {
    const orders = await as(gateway.nodeToken('orders-1'))
    expect((await orders('POST', '/v1/nodes', { groups: ['a'] })).body).toMatchObject({ name: 'orders-1' })
    expect(codeOf(await orders('POST', '/v1/nodes', { name: 'orders-2', groups: ['a'] }))).toEqual([403, 'FORBIDDEN'])
  })

  it('goes as far as the scopes of the token', async () => {
    const scoped = await as(gateway.nodeToken('orders-1', ['register:orders-*@orders']))
    expect((await scoped('POST', '/v1/nodes', { name: 'orders-7', groups: ['orders'] })).status).toBe(201)
    expect(codeOf(await scoped('POST', '/v1/nodes', { name: 'orders-7', groups: ['orders', 'eu'] }))).toEqual([
      403,
      'FORBIDDEN',
    ])
    expect(codeOf(await scoped('POST', '/v1/nodes', { name: 'billing', groups: ['orders'] }))).toEqual([
      403,
      'FORBIDDEN',
    ])
    const sender = await as(gateway.nodeToken('orders-1', ['send:orders/*']))
    expect(codeOf(await sender('POST', '/v1/nodes', { name: 'orders-1', groups: ['orders'] }))).toEqual([
      403,
      'FORBIDDEN',
    ])
  })

  it.each([
    ['no groups', { name: 'a' }, 'MALFORMED', 'groups'],
    ['an empty list of groups', { name: 'a', groups: [] }, 'MALFORMED', 'groups'],
    ['a malformed name', { name: 'Orders 1', groups: ['a'] }, 'MALFORMED', 'name'],
    ['a malformed group', { name: 'a', groups: ['A'] }, 'MALFORMED', 'groups.0'],
    ['65 groups', { name: 'a', groups: Array.from({ length: 65 }, (_, i) => `g${i}`) }, 'MALFORMED', 'groups'],
    ['an unknown field', { name: 'a', groups: ['a'], admin: true }, 'MALFORMED', '"admin"'],
    ['a port that is none', { name: 'a', groups: ['a'], endpoints: [{ ...endpoint, port: 0 }] }, 'MALFORMED', 'port'],
    ['an endpoint named twice', { name: 'a', groups: ['a'], endpoints: [endpoint, endpoint] }, 'MALFORMED', 'twice'],
    [
      'a protocol that is none',
      { name: 'a', groups: ['a'], endpoints: [{ ...endpoint, protocol: 'A b' }] },
      'MALFORMED',
      'protocol',
    ],
    ['meta over 1 KiB', { name: 'a', groups: ['a'], meta: { a: 'x'.repeat(1_100) } }, 'MALFORMED', '1 KiB'],
    ['a list', [], 'MALFORMED', 'object'],
    ['null', null, 'MALFORMED', 'object'],
  ])('refuses %s, naming it', async (_what, body, code, word) => {
    const reply = await admin('POST', '/v1/nodes', body)
    expect(codeOf(reply)).toEqual([400, code])
    expect((reply.body as { detail: string }).detail).toContain(word)
    expect(await gateway.registry.nodes({})).toEqual([])
  })
})

describe('reading', () => {
  beforeEach(async () => {
    for (const name of ['a', 'b', 'c'])
      await admin('POST', '/v1/nodes', { name, groups: [name === 'c' ? 'other' : 'own'] })
    const base = { groups: [], endpoints: [], transport: 'tcp', instance: '0'.repeat(32), address: '10.1.1.1' } as const
    await gateway.registry.claim({ ...base, name: 'b' as never, groups: ['own'] as never, client: 'x 1' })
  })

  it('pages through nodes by name', async () => {
    const first = (await admin('GET', '/v1/nodes?limit=2')).body as { nodes: { name: string }[]; next: string }
    expect([first.nodes.map(({ name }) => name), first.next]).toEqual([['a', 'b'], 'b'])
    const second = (await admin('GET', `/v1/nodes?limit=2&after=${first.next}`)).body
    expect(second).toMatchObject({ nodes: [{ name: 'c' }], next: null })
  })

  it('filters by group and by presence', async () => {
    expect((await admin('GET', '/v1/nodes?group=own&online=true')).body).toMatchObject({ nodes: [{ name: 'b' }] })
    expect((await admin('GET', '/v1/nodes?online=false')).body).toMatchObject({ nodes: [{ name: 'a' }, { name: 'c' }] })
    expect((await admin('GET', '/v1/groups/own/nodes?online=false')).body).toMatchObject({ nodes: [{ name: 'a' }] })
  })

  it('lists groups with their nodes', async () => {
    expect((await admin('GET', '/v1/groups')).body).toMatchObject({
      groups: [
        { name: 'other', nodes: 1, online: 0 },
        { name: 'own', nodes: 2, online: 1 },
      ],
    })
  })

  it('finds a node by name and by number', async () => {
    const { id } = (await admin('GET', '/v1/nodes/b')).body as { id: number }
    expect((await admin('GET', `/v1/nodes/by-id/${id}`)).body).toMatchObject({ name: 'b', online: true })
  })

  it('shows where a node comes from to operators and to itself, not to others', async () => {
    const [other, self] = [await as(gateway.nodeToken('a')), await as(gateway.nodeToken('b'))]
    expect((await other('GET', '/v1/nodes/b')).body).toMatchObject({ address: null, client: null })
    expect((await other('GET', '/v1/nodes?group=own')).body).toMatchObject({
      nodes: [{}, { name: 'b', address: null }],
    })
    for (const caller of [self, admin]) {
      expect((await caller('GET', '/v1/nodes/b')).body).toMatchObject({ address: '10.1.1.1', client: 'x 1' })
    }
  })

  it.each([
    ['/v1/nodes/nobody', 404, 'UNKNOWN_NODE'],
    ['/v1/nodes/Nobody', 400, 'INVALID_NAME'],
    ['/v1/nodes/by-id/999', 404, 'UNKNOWN_NODE'],
    ['/v1/nodes/by-id/abc', 404, 'UNKNOWN_NODE'],
    ['/v1/nodes/by-id/99999999999999999999', 404, 'UNKNOWN_NODE'],
    ['/v1/groups/nothing/nodes', 404, 'UNKNOWN_GROUP'],
    ['/v1/nodes/%E0%A4%A', 400, 'MALFORMED'],
    ['/v1/nodes?limit=0', 400, 'MALFORMED'],
    ['/v1/nodes?limit=1001', 400, 'MALFORMED'],
    ['/v1/nodes?limit=1&limit=2', 400, 'MALFORMED'],
    ['/v1/nodes?online=maybe', 400, 'MALFORMED'],
    ['/v1/nodes?group[$ne]=x', 400, 'MALFORMED'],
    ['/v1/nodes?__proto__=x', 400, 'MALFORMED'],
    ['/v1/nodes?sort=name', 400, 'MALFORMED'],
    ['/v1/nodes/', 404, 'NOT_FOUND'],
    ['/v1', 404, 'NOT_FOUND'],
    ['/V1/nodes', 404, 'NOT_FOUND'],
  ])('%s is answered %i %s', async (path, status, code) => {
    const reply = await admin('GET', path)
    expect(codeOf(reply)).toEqual([status, code])
    expect(reply.headers.get('content-type')).toBe('application/problem+json; charset=utf-8')
  })
})

describe('changing and removing', () => {
  beforeEach(async () => {
    await admin('POST', '/v1/nodes', { name: 'a', groups: ['own'], endpoints: [endpoint], meta: { v: 1 } })
    await admin('POST', '/v1/nodes', { name: 'b', groups: ['own'] })
  })

  it('changes what is named, and leaves the rest', async () => {
    expect((await admin('PATCH', '/v1/nodes/a', { meta: null })).body).toMatchObject({
      meta: null,
      endpoints: [endpoint],
    })
    const { id } = (await admin('PATCH', '/v1/nodes/a', { endpoints: [] })).body as { id: number }
    expect((await admin('PATCH', `/v1/nodes/by-id/${id}`, { groups: ['x'] })).body).toMatchObject({
      groups: ['x'],
      endpoints: [],
    })
    expect((await admin('PATCH', '/v1/groups/x/nodes/a', { meta: { v: 2 } })).body).toMatchObject({ meta: { v: 2 } })
    expect(codeOf(await admin('PATCH', '/v1/groups/own/nodes/a', { meta: { v: 3 } }))).toEqual([404, 'UNKNOWN_NODE'])
    expect(codeOf(await admin('PATCH', '/v1/nodes/a', {}))).toEqual([400, 'MALFORMED'])
  })

  it('lets a node change and remove itself, and no other', async () => {
    const a = await as(gateway.nodeToken('a'))
    expect((await a('PATCH', '/v1/nodes/a', { meta: { v: 2 }, groups: ['own', 'more'] })).status).toBe(200)
    for (const body of [{ meta: null }, { groups: ['x'] }, { endpoints: [] }]) {
      expect(codeOf(await a('PATCH', '/v1/nodes/b', body))).toEqual([403, 'FORBIDDEN'])
      expect(codeOf(await a('PATCH', '/v1/groups/own/nodes/b', body))).toEqual([403, 'FORBIDDEN'])
    }
    expect(codeOf(await a('DELETE', '/v1/nodes/b'))).toEqual([403, 'FORBIDDEN'])
    expect((await a('DELETE', '/v1/nodes/a')).status).toBe(204)
    expect((await gateway.registry.nodes({})).map(({ name }) => name)).toEqual(['b'])
    expect(gateway.disconnected).toEqual(['a'])
  })

  it('never removes by GET, and says what is allowed', async () => {
    for (const method of ['PUT', 'POST']) {
      const reply = await admin(method, '/v1/nodes/a', {})
      expect(codeOf(reply)).toEqual([405, 'METHOD_NOT_ALLOWED'])
      expect(reply.headers.get('allow')).toBe('GET, HEAD, PATCH, DELETE, OPTIONS')
    }
    for (const path of ['/v1/nodes/a?delete=1', '/v1/nodes/a?_method=DELETE', '/v1/nodes/a/delete']) {
      expect(
        (await admin('GET', path, undefined, { headers: { 'x-http-method-override': 'DELETE' } })).status,
      ).toBeGreaterThan(399)
    }
    expect(await gateway.registry.node('a')).toBeDefined()
    expect((await admin('OPTIONS', '/v1/nodes')).headers.get('allow')).toBe('POST, GET, HEAD, OPTIONS')
    expect((await admin('HEAD', '/v1/nodes')).status).toBe(200)
  })

  it('leaves a trail for operators', async () => {
    await (await as(gateway.nodeToken('a')))('DELETE', '/v1/nodes/a')
    const trail = (await admin('GET', '/v1/audit?limit=2')).body as { entries: { actor: string }[]; next: number }
    expect(trail.entries).toMatchObject([
      { actor: 'node:a', action: 'remove', subject: 'a' },
      { actor: 'operator:ada', action: 'create', subject: 'b' },
    ])
    expect((await admin('GET', `/v1/audit?before=${trail.next}`)).body).toMatchObject({
      entries: [{ subject: 'a' }],
      next: null,
    })
  })
})

describe('who may call', () => {
  it('is told by Authorization: Bearer, and by nothing else', async () => {
    const token = gateway.nodeToken('a')
    const nobody = await as('')
    const missing = await nobody('GET', '/v1/nodes')
    expect(codeOf(missing)).toEqual([401, 'UNAUTHORIZED'])
    expect(missing.headers.get('www-authenticate')).toBe('Bearer realm="sealway"')
    for (const name of ['token', 'access_token']) {
      const reply = await nobody('GET', `/v1/nodes?${name}=${token}`)
      expect(codeOf(reply)).toEqual([401, 'UNAUTHORIZED'])
      expect((reply.body as { detail: string }).detail).toContain('never read from the address')
    }
    const elsewhere = [{ cookie: `token=${token}` }, { 'x-access-token': token }, { authorization: token }]
    for (const headers of [...elsewhere, { authorization: gateway.basic }, { authorization: `Bearer ${token}x` }]) {
      expect(codeOf(await nobody('GET', '/v1/nodes', undefined, { headers }))).toEqual([401, 'UNAUTHORIZED'])
    }
    expect((await nobody('POST', '/v1/nodes', { access_token: token, groups: ['a'] })).status).toBe(401)
  })

  it('is asked before the body is read', async () => {
    const nobody = await as('')
    expect(codeOf(await nobody('POST', '/v1/nodes', 'x'.repeat(200_000)))).toEqual([401, 'UNAUTHORIZED'])
  })

  it('is an operator where only operators may', async () => {
    const [node, reader] = [await as(gateway.nodeToken('a')), await as(gateway.operatorToken('admin:read'))]
    const calls = [
      ['POST', '/v1/tokens', { name: 'a' }],
      ['DELETE', '/v1/tokens/x'],
      ['GET', '/v1/audit'],
    ] as const
    for (const [method, path, body] of calls) expect(codeOf(await node(method, path, body))).toEqual([403, 'FORBIDDEN'])
    expect(codeOf(await reader('POST', '/v1/tokens', { name: 'a' }))).toEqual([403, 'FORBIDDEN'])
    expect(codeOf(await reader('POST', '/v1/nodes', { name: 'a', groups: ['a'] }))).toEqual([403, 'FORBIDDEN'])
    expect((await reader('GET', '/v1/audit')).status).toBe(200)
  })
})

describe('tokens', () => {
  it('are issued by operators, bound to a name, groups and a life, and work', async () => {
    const reply = await admin('POST', '/v1/tokens', { name: 'orders-1', groups: ['orders'], lifeMs: 60_000 })
    expect(reply.status).toBe(201)
    const issued = reply.body as { token: string; id: string; scopes: string[]; expiresAt: number }
    expect(issued.scopes).toEqual(['register:orders-1@orders', 'send:orders/*', 'broadcast:orders', 'mailbox:orders'])
    const holder = await as(issued.token)
    expect((await holder('POST', '/v1/nodes', { name: 'orders-1', groups: ['orders'] })).status).toBe(201)
    expect((await holder('POST', '/v1/nodes', { name: 'orders-1', groups: ['eu'] })).status).toBe(403)
    gateway.time.now = issued.expiresAt
    expect(codeOf(await holder('GET', '/v1/nodes'))).toEqual([401, 'UNAUTHORIZED'])
  })

  it('leave a trail without the token', async () => {
    const { token, id } = (await admin('POST', '/v1/tokens', { name: 'a' })).body as { token: string; id: string }
    const trail = await gateway.registry.auditTrail({})
    expect(trail[0]).toMatchObject({
      actor: 'operator:ada',
      action: 'issue-token',
      subject: 'a',
      detail: { tokenId: id },
    })
    expect(JSON.stringify(trail)).not.toContain(token)
  })

  it('are refused from the moment they are revoked, and their links closed', async () => {
    const { token, id } = (await admin('POST', '/v1/tokens', { name: 'a' })).body as { token: string; id: string }
    const holder = await as(token)
    expect((await holder('GET', '/v1/nodes')).status).toBe(200)
    expect((await admin('DELETE', `/v1/tokens/${id}`)).status).toBe(204)
    expect(codeOf(await holder('GET', '/v1/nodes'))).toEqual([401, 'UNAUTHORIZED'])
    expect(gateway.closedTokens).toEqual([id])
    expect((await admin('DELETE', `/v1/tokens/${id}`)).status).toBe(204)
  })

  it.each([
    ['no name', {}, 'MALFORMED'],
    ['a life over the limit', { name: 'a', lifeMs: 86_400_001 }, 'MALFORMED'],
    ['a scope outside the grammar', { name: 'a', scopes: ['send:*'] }, 'MALFORMED'],
    ['a group that is none', { name: 'a', groups: ['*'] }, 'MALFORMED'],
  ])('are not issued for %s', async (_what, body, code) => {
    expect(codeOf(await admin('POST', '/v1/tokens', body))).toEqual([400, code])
  })

  it('are not issued where they would be too large to be taken', async () => {
    const groups = Array.from({ length: 64 }, (_, i) => `${'g'.repeat(60)}-${i}`)
    expect(codeOf(await admin('POST', '/v1/tokens', { name: 'a', groups: groups.slice(0, 30) }))).toEqual([
      413,
      'TOO_LARGE',
    ])
  })
})

describe('bodies', () => {
  const post = (body: string | Uint8Array, headers: object) =>
    admin('POST', '/v1/nodes', undefined, {
      body: body as never,
      headers: { 'content-type': 'application/json', ...headers },
    })

  it.each([
    ['broken JSON', '{"name":', {}, 400, 'MALFORMED'],
    ['no body', '', {}, 400, 'MALFORMED'],
    ['another type', 'name=a', { 'content-type': 'application/x-www-form-urlencoded' }, 415, 'MALFORMED'],
    ['text that is called text', '{}', { 'content-type': 'text/plain' }, 415, 'MALFORMED'],
    ['a compressed body', '{}', { 'content-encoding': 'gzip' }, 415, 'MALFORMED'],
    ['more than 64 KiB', JSON.stringify({ name: 'a'.repeat(70_000) }), {}, 413, 'TOO_LARGE'],
    ['bytes that are no UTF-8', Uint8Array.of(0x22, 0xff, 0x22), {}, 400, 'MALFORMED'],
  ] as const)('%s is refused', async (_what, body, headers, status, code) => {
    expect(codeOf(await post(body, headers))).toEqual([status, code])
  })

  it('W4: cannot reach the prototype of anything', async () => {
    const keys = ['"__proto__"', '"constructor"', '"prototype"', '"\\u005f_proto__"', '"__pr\\u006fto__"']
    for (const key of keys) {
      for (const body of [
        `{"name":"a","groups":["a"],${key}:{"polluted":1}}`,
        `{"name":"a","groups":["a"],"meta":{${key}:{"polluted":1}}}`,
        `{"name":"a","groups":["a"],"meta":{"x":[{${key}:{"polluted":1}}]}}`,
        `{"name":"a","groups":["a"],"endpoints":[{"name":"w","protocol":"http","address":"h","port":1,"meta":{${key}:1}}]}`,
      ]) {
        expect(codeOf(await post(body, {}))).toEqual([400, 'MALFORMED'])
      }
    }
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
    expect(await gateway.registry.nodes({})).toEqual([])
  })

  it('W3: SQL in any field is text or is refused, and changes nothing', async () => {
    await admin('POST', '/v1/nodes', { name: 'a', groups: ['own'] })
    const before = JSON.stringify([await gateway.registry.nodes({}), await gateway.registry.groups()])
    const openers = ["'", '"', '`', "a'", "\\'", "')", '1', '%', "a\0'", '\u02bc']
    const payloads = [
      " OR '1'='1",
      '; DROP TABLE nodes; --',
      '; DELETE FROM nodes; #',
      ' UNION SELECT * FROM audit --',
      "||(SELECT name FROM sqlite_master)||'",
      ' AND sleep(10) --',
      '; UPDATE nodes SET name = 1; /*',
      ' OR 1=1 --',
      '\n--',
      '',
    ]
    const strings = openers
      .flatMap((opener) => payloads.map((payload) => opener + payload))
      .filter((text) => text !== '1')
    const objects: unknown[] = [{ $gt: '' }, ['A'], { toString: 'a' }, [['a']], true, 1, null, { name: 'a' }]
    const attack = async (value: unknown) => {
      const text = encodeURIComponent(typeof value === 'string' ? value : JSON.stringify(value))
      await Promise.all([
        admin('POST', '/v1/nodes', { name: value, groups: ['own'] }),
        admin('POST', '/v1/nodes', { name: 'a', groups: value }),
        admin('POST', '/v1/nodes', { name: 'a', groups: [value] }),
        admin('POST', '/v1/nodes', { name: 'a', groups: ['own'], endpoints: [{ ...endpoint, name: value }] }),
        admin('POST', '/v1/tokens', { name: value }),
        admin('PATCH', '/v1/nodes/a', { groups: value }),
        ...['group', 'after', 'limit', 'online', 'group[name]'].map((name) =>
          admin('GET', `/v1/nodes?${name}=${text}`),
        ),
        ...['nodes', 'nodes/by-id', 'groups'].map((path) => admin('GET', `/v1/${path}/${text}`)),
        admin('DELETE', `/v1/nodes/${text}`),
        admin('GET', `/v1/audit?before=${text}`),
      ])
    }
    for (const value of [...strings, ...objects]) await attack(value)
    expect(JSON.stringify([await gateway.registry.nodes({}), await gateway.registry.groups()])).toBe(before)
    const injected = "'); DROP TABLE nodes; --"
    await admin('PATCH', '/v1/nodes/a', { meta: { note: injected }, endpoints: [{ ...endpoint, address: injected }] })
    expect((await admin('GET', '/v1/nodes/a')).body).toMatchObject({
      meta: { note: injected },
      endpoints: [{ address: injected }],
    })
  })
})

describe('health', () => {
  it('is alive, ready, and says its version', async () => {
    const nobody = await as('')
    expect((await nobody('GET', '/healthz')).body).toEqual({ alive: true })
    expect(await nobody('GET', '/readyz')).toMatchObject({
      status: 200,
      body: { ready: true, database: 'up', links: 3 },
    })
    expect((await nobody('GET', '/version')).body).toEqual({ name: 'sealway', version: '9.9.9', protocol: [1] })
  })

  it('is not ready while draining, nor before it listens', async () => {
    const nobody = await as('')
    gateway.state.draining = true
    expect(await nobody('GET', '/readyz')).toMatchObject({ status: 503, body: { ready: false, draining: true } })
    gateway.state.draining = false
    gateway.state.listening = false
    expect((await nobody('GET', '/readyz')).status).toBe(503)
    expect((await nobody('GET', '/healthz')).status).toBe(200)
  })

  it('is not ready without its database, which is asked at most once a second', async () => {
    const ping = jest.spyOn(gateway.registry, 'ping')
    const nobody = await as('')
    await Promise.all(Array.from({ length: 20 }, () => nobody('GET', '/readyz')))
    expect(ping).toHaveBeenCalledTimes(1)
    ping.mockRejectedValue(new Error('down'))
    gateway.time.now += 1_000
    expect(await nobody('GET', '/readyz')).toMatchObject({ status: 503, body: { database: 'down' } })
    ping.mockRestore()
    gateway.time.now += 1_000
    expect((await nobody('GET', '/readyz')).status).toBe(200)
  })
})

describe('every answer', () => {
  it('carries headers that keep browsers from using it', async () => {
    const paths = ['/healthz', '/v1/nodes', '/nothing']
    for (const path of paths) {
      const { headers } = await admin('GET', path)
      expect(headers.get('x-powered-by')).toBeNull()
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('cache-control')).toBe('no-store')
      expect(headers.get('content-security-policy')).toBe("default-src 'none'; frame-ancestors 'none'")
      expect(headers.get('access-control-allow-origin')).toBeNull()
    }
  })

  it('hides what went wrong inside', async () => {
    jest.spyOn(gateway.registry, 'groups').mockRejectedValue(new Error('secret path /var/x'))
    const reply = await admin('GET', '/v1/groups')
    expect(codeOf(reply)).toEqual([500, 'INTERNAL'])
    expect(JSON.stringify(reply.body)).not.toContain('secret path')
  })
})
