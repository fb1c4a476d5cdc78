import { createSecretKey, randomBytes } from 'node:crypto'
import { Sessions } from '../../../server/src/gateway/operators/sessions'
import { createCaller, type Reply, startGateway } from '../../support/gateway'

type Caller = Awaited<ReturnType<typeof createCaller>>['call']

let gateway: Awaited<ReturnType<typeof startGateway>>
let call: Caller
beforeEach(async () => {
  gateway = await startGateway()
  call = (await createCaller(gateway.adminUrl, '/api/openapi.json', gateway.basic)).call
})
afterEach(() => gateway.close())

const sessionsAt = (now: () => number, key = createSecretKey(randomBytes(32)), revoked = new Set<string>()) =>
  new Sessions({ clock: now, user: 'ada', key, isRevoked: (id) => revoked.has(id) })
const statusOf = (reply: Reply) => reply.status
const headers = (authorization: string) => ({ headers: { authorization } })
const basic = (user: string, password: string) => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`

/** What a browser sends with a write of the operators' own page. */
const fromOwnPage = () => ({
  'sec-fetch-site': 'same-origin',
  'sec-fetch-mode': 'cors',
  origin: gateway.adminUrl,
  'x-sealway-request': '1',
  'content-type': 'application/json',
})

async function logIn(): Promise<string> {
  const body = JSON.stringify({ user: 'ada', password: gateway.password })
  const response = await fetch(`${gateway.adminUrl}/api/login`, { method: 'POST', body, headers: fromOwnPage() })
  expect(response.status).toBe(204)
  return response.headers.get('set-cookie')!
}
const pairOf = (setCookie: string) => setCookie.split(';')[0]!

describe("the operators' port", () => {
  it('serves the same handlers under /api, and what is for operators only', async () => {
    expect((await call('POST', '/api/nodes', { name: 'a', groups: ['g'] })).status).toBe(201)
    expect((await call('GET', '/api/nodes')).body).toMatchObject({ nodes: [{ name: 'a' }] })
    expect((await call('GET', '/api/groups')).body).toMatchObject({ groups: [{ name: 'g' }] })
    expect((await call('POST', '/api/tokens', { name: 'a' })).status).toBe(201)
    expect((await call('DELETE', '/api/nodes/a')).status).toBe(204)
    expect(gateway.disconnected).toEqual(['a'])
    expect((await call('GET', '/api/audit')).body).toMatchObject({
      entries: [{ actor: 'operator:ada', action: 'remove' }, {}, {}],
    })
    expect((await call('GET', '/api/status')).body).toMatchObject({
      ready: true,
      database: 'up',
      links: { tcp: 2, ws: 1 },
      version: '9.9.9',
      warnings: ['w'],
    })
    expect((await call('GET', '/api/config')).body).toMatchObject({ settings: [{ name: 'PORT', value: '1' }] })
  })

  it('drains a node, for as long as it is told, and says where it cannot', async () => {
    await call('POST', '/api/nodes', { name: 'a', groups: ['g'] })
    expect((await call('POST', '/api/nodes/a/drain', { awayMs: 5_000 })).status).toBe(202)
    expect(gateway.drained).toEqual(['a'])
    expect((await call('GET', '/api/audit')).body).toMatchObject({
      entries: [{ actor: 'operator:ada', action: 'drain', subject: 'a', detail: { awayMs: 5_000 } }, {}],
    })
    expect((await call('POST', '/api/nodes/b/drain', {})).body).toMatchObject({ code: 'UNKNOWN_NODE' })
    expect((await call('POST', '/api/nodes/a/drain', { awayMs: 300_001 })).status).toBe(400)
    expect((await call('GET', '/api/nodes/a/drain')).status).toBe(405)
  })

  it('has a plain page with a strict policy, behind the password', async () => {
    const stranger = await call('GET', '/', undefined, headers(''))
    expect(stranger.status).toBe(401)
    expect(stranger.headers.get('www-authenticate')).toBe('Basic realm="Sealway operators", charset="UTF-8"')
    const page = await call('GET', '/')
    expect(page.status).toBe(200)
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(page.headers.get('content-security-policy')).toBe("default-src 'none'; frame-ancestors 'none'")
    expect(page.body).toContain('was not built')
  })

  it("takes no node's token, and no operator's token either: it is for people", async () => {
    for (const token of [gateway.nodeToken('a'), gateway.operatorToken('admin:write')]) {
      expect((await call('GET', '/api/status', undefined, headers(`Bearer ${token}`))).status).toBe(401)
    }
  })

  it.each(['', 'Basic', 'Basic !!!!', 'Basic YWJj', `Basic ${'A'.repeat(5_000)}`, 'Digest x'])(
    'refuses the malformed header %j',
    async (authorization) => {
      expect((await call('GET', '/api/status', undefined, headers(authorization))).status).toBe(401)
    },
  )

  it('refuses a wrong user and a wrong password with the same words', async () => {
    const wrong = [
      basic('ada', 'x'),
      basic('eve', gateway.password),
      basic('', ''),
      basic('ada', gateway.password.slice(1)),
    ]
    const replies = await Promise.all(
      wrong.map((authorization) => call('GET', '/api/status', undefined, headers(authorization))),
    )
    expect(replies.map(statusOf)).toEqual([401, 401, 401, 401])
    expect(new Set(replies.map(({ body }) => JSON.stringify(body))).size).toBe(1)
  })
})

describe('W7: brute force', () => {
  const guess = () => call('GET', '/api/status', undefined, headers(basic('ada', randomBytes(9).toString('base64'))))

  it('has five guesses a minute, then is told how long to wait, whatever it sends', async () => {
    const replies: Reply[] = []
    for (let i = 0; i < 8; i++) replies.push(await guess())
    expect(replies.map(statusOf)).toEqual([401, 401, 401, 401, 401, 429, 429, 429])
    expect(replies[5]!.headers.get('retry-after')).toBe('60')
    gateway.time.now += 30_000
    expect((await guess()).headers.get('retry-after')).toBe('30')
    expect((await call('GET', '/api/status')).status).toBe(429)
  })

  it('has five guesses also when a hundred are made at once', async () => {
    const replies = await Promise.all(Array.from({ length: 100 }, guess))
    expect(replies.filter(({ status }) => status === 401)).toHaveLength(5)
    expect(replies.filter(({ status }) => status === 429)).toHaveLength(95)
  })

  it('has no more of them through /api/login', async () => {
    const login = (password: string) => call('POST', '/api/login', { user: 'ada', password }, headers(''))
    for (let i = 0; i < 3; i++) expect((await login('wrong')).status).toBe(401)
    for (let i = 0; i < 2; i++) expect((await guess()).status).toBe(401)
    expect((await login(gateway.password)).status).toBe(429)
    gateway.time.now += 60_000
    expect((await login(gateway.password)).status).toBe(204)
  })

  it('gets 25 guesses in five minutes, and no more', async () => {
    let guesses = 0
    for (let second = 0; second < 300; second++) {
      if ((await guess()).status === 401) guesses++
      gateway.time.now += 1_000
    }
    expect(guesses).toBe(25)
  })

  it('does not count good logins, nor throw out who is logged in', async () => {
    const cookie = pairOf(await logIn())
    for (let i = 0; i < 20; i++) expect((await call('GET', '/api/groups')).status).toBe(200)
    for (let i = 0; i < 6; i++) await guess()
    expect((await call('GET', '/api/groups', undefined, { headers: { authorization: '', cookie } })).status).toBe(200)
  })

  it('is not what a browser does that opens ten connections with the right password', async () => {
    const replies = await Promise.all(Array.from({ length: 10 }, () => call('GET', '/api/groups')))
    expect(replies.map(statusOf)).toEqual(Array.from({ length: 10 }, () => 200))
  })
})

describe('sessions', () => {
  const get = (cookie: string) => call('GET', '/api/status', undefined, { headers: { authorization: '', cookie } })

  it('are a cookie that scripts and other sites do not get', async () => {
    expect(await logIn()).toMatch(
      /^sealway_session=\d+\.[\w-]{22}\.[\w-]{43}; Path=\/api; Max-Age=28800; HttpOnly; SameSite=Strict$/,
    )
  })

  it('last 8 hours', async () => {
    const cookie = pairOf(await logIn())
    gateway.time.now += 8 * 3_600_000 - 1
    expect((await get(`other=1; ${cookie}; more=2`)).status).toBe(200)
    gateway.time.now += 1
    expect((await get(cookie)).status).toBe(401)
  })

  it('end with a logout', async () => {
    const cookie = pairOf(await logIn())
    const reply = await call('POST', '/api/logout', undefined, {
      headers: { ...fromOwnPage(), authorization: '', cookie },
    })
    expect(reply.status).toBe(204)
    expect(reply.headers.get('set-cookie')).toContain('Max-Age=0')
    expect((await get(cookie)).status).toBe(401)
    expect(await gateway.registry.revokedTokens()).toEqual([expect.stringMatching(/^session-[\w-]{22}$/)])
  })

  it('end with a logout at once, also while the database is away', async () => {
    const cookie = pairOf(await logIn())
    await gateway.registry.close()
    const headers = { ...fromOwnPage(), authorization: '', cookie }
    expect((await call('POST', '/api/logout', undefined, { headers })).status).toBe(204)
    const reply = await call('GET', '/api/config', undefined, { headers: { authorization: '', cookie } })
    expect(reply.status).toBe(401)
  })

  it('cannot be made up', async () => {
    await logIn()
    for (const value of ['', 'x', randomBytes(32).toString('base64url'), '__proto__', 'a'.repeat(10_000)]) {
      expect((await get(`sealway_session=${value}`)).status).toBe(401)
    }
  })

  it('outlast a restart of the mediator, and end with another password', () => {
    const key = createSecretKey(randomBytes(32))
    const cookie = pairOf(sessionsAt(() => 0, key).open(false))
    const found = sessionsAt(() => 1, key).find(cookie)
    const id = expect.stringMatching(/^session-[\w-]{22}$/) as string
    expect(found).toEqual({ user: 'ada', id, expiresAt: 28_800_000 })
    expect(sessionsAt(() => 1).find(cookie)).toBeUndefined()
    expect(sessionsAt(() => 1, key, new Set([found!.id])).find(cookie)).toBeUndefined()
  })

  it('cannot be made longer, nor taken up again by another part of the cookie', () => {
    const sessions = sessionsAt(() => 0)
    const cookie = pairOf(sessions.open(false))
    const changed = Array.from({ length: cookie.length - 'sealway_session='.length }, (_, at) => {
      const place = 'sealway_session='.length + at
      return cookie.slice(0, place) + (cookie[place] === '7' ? '8' : '7') + cookie.slice(place + 1)
    })
    // The last of 43 digits holds two bits that are no part of the 32 bytes.
    expect(changed.slice(0, -1).filter((other) => sessions.find(other))).toEqual([])
    expect(sessions.find(cookie)).toBeDefined()
  })

  it('remember ten thousand log-outs, and none that is over', () => {
    let now = 1
    const sessions = sessionsAt(() => now)
    const cookies = Array.from({ length: 10_001 }, () => pairOf(sessions.open(false)))
    for (const cookie of cookies) expect(sessions.close(cookie)).toBeDefined()
    expect(sessions.close(cookies[1]!)).toBeUndefined()
    expect(cookies.filter((cookie) => sessions.find(cookie))).toEqual(cookies.slice(0, 1))
    now += 28_800_000
    expect(sessions.find(cookies[0]!)).toBeUndefined()
  })

  it('are sent over TLS only, where they were opened over TLS', () => {
    expect(sessionsAt(() => 0).open(true)).toMatch(/; Secure$/)
  })
})

describe('one-time links', () => {
  const logInBy = (code: string) =>
    call('POST', '/api/login/link', { code }, { headers: { ...fromOwnPage(), authorization: '' } })

  it('log in once, and are found in the audit trail', async () => {
    const code = gateway.deps.operators.links.make()
    expect(code).toMatch(/^[\w-]{43}$/)
    const first = await logInBy(code)
    expect(first.status).toBe(204)
    const cookie = pairOf(first.headers.get('set-cookie')!)
    expect((await call('GET', '/api/status', undefined, { headers: { authorization: '', cookie } })).status).toBe(200)
    expect(await gateway.registry.auditTrail({ limit: 1 })).toMatchObject([
      { actor: 'operator:ada', action: 'login', detail: { by: 'link' } },
    ])
    expect((await logInBy(code)).status).toBe(401)
  })

  it('last a quarter of an hour, cannot be made up, and are at most sixteen', async () => {
    const late = gateway.deps.operators.links.make()
    gateway.time.now += 15 * 60_000
    for (const code of [late, '', 'x', '__proto__', randomBytes(32).toString('base64url')]) {
      expect((await logInBy(code)).status).toBe(401)
    }
    const codes = Array.from({ length: 17 }, () => gateway.deps.operators.links.make())
    expect(codes.filter((code) => gateway.deps.operators.links.take(code))).toEqual(codes.slice(1))
  })

  it('are of no use to another site', async () => {
    const code = gateway.deps.operators.links.make()
    const forged = {
      ...fromOwnPage(),
      origin: 'http://evil.example',
      'sec-fetch-site': 'cross-site',
      authorization: '',
    }
    expect((await call('POST', '/api/login/link', { code }, { headers: forged })).status).toBe(403)
    expect((await logInBy(code)).status).toBe(204)
  })
})

describe('W1: a request that another site makes the browser send', () => {
  const writes = [
    ['POST', '/api/nodes', { name: 'evil', groups: ['g'] }],
    ['PATCH', '/api/nodes/a', { groups: ['evil'] }],
    ['PATCH', '/api/nodes/by-id/1', { groups: ['evil'] }],
    ['PATCH', '/api/groups/g/nodes/a', { groups: ['evil'] }],
    ['DELETE', '/api/nodes/a', undefined],
    ['POST', '/api/nodes/a/drain', { awayMs: 0 }],
    ['POST', '/api/tokens', { name: 'evil', scopes: ['admin:write'] }],
    ['DELETE', '/api/tokens/x', undefined],
    ['POST', '/api/logout', undefined],
  ] as const

  it.each(writes)('%s %s has no effect', async (method, path, body) => {
    await call('POST', '/api/nodes', { name: 'a', groups: ['g'] })
    const cookie = pairOf(await logIn())
    const trail = async () => JSON.stringify([await gateway.registry.auditTrail({}), await gateway.registry.nodes({})])
    const before = await trail()
    const own = fromOwnPage()
    const { 'x-sealway-request': _a, ...withoutHeader } = own
    const { 'sec-fetch-site': _b, ...withoutSite } = own
    const { origin: _c, ...withoutOrigin } = own
    const forgeries = [
      withoutHeader,
      withoutSite,
      withoutOrigin,
      { ...own, 'sec-fetch-site': 'cross-site' },
      { ...own, 'sec-fetch-site': 'same-site' },
      { ...own, 'sec-fetch-site': 'none' },
      { ...own, origin: 'http://evil.example' },
      { ...own, origin: gateway.url },
      { ...own, origin: 'null' },
      { ...own, 'content-type': 'text/plain' },
      { 'sec-fetch-site': 'cross-site', origin: 'http://evil.example', 'content-type': 'text/plain' },
      { referer: 'http://evil.example/' },
    ]
    for (const forged of forgeries) {
      // As a browser would: with the cookie, or with the Basic password that was typed once.
      for (const credentials of [{ cookie, authorization: '' }, { authorization: gateway.basic }]) {
        const reply = await call(method, path, body, { headers: { ...forged, ...credentials } })
        expect([forged, reply.status]).toEqual([forged, 403])
      }
    }
    expect(await trail()).toBe(before)
    expect((await call('GET', '/api/status', undefined, { headers: { authorization: '', cookie } })).status).toBe(200)
  })

  it('has an effect from our own page', async () => {
    const cookie = pairOf(await logIn())
    const init = { headers: { ...fromOwnPage(), authorization: '', cookie } }
    expect((await call('POST', '/api/nodes', { name: 'a', groups: ['g'] }, init)).status).toBe(201)
    expect((await call('DELETE', '/api/nodes/a', undefined, init)).status).toBe(204)
  })

  it('cannot log its victim in as somebody else', async () => {
    const forged = { origin: 'http://evil.example', 'sec-fetch-site': 'cross-site', authorization: '' }
    const reply = await call('POST', '/api/login', { user: 'ada', password: gateway.password }, { headers: forged })
    expect(reply.status).toBe(403)
    expect(reply.headers.get('set-cookie')).toBeNull()
  })
})
