import { operatorKey } from '../../../server/src/auth/keys'
import { mintToken } from '../../../server/src/auth/token'
import type { ExchangeNode } from '../../support/exchange-node'
import { type Ask, ByName, echo } from '../../support/http-by-name'
import { tokenFor } from '../../support/link'
import { eventually } from '../../support/until'

let world: ByName
let node: ExchangeNode
beforeAll(async () => {
  world = await ByName.start()
  node = await world.node({
    name: 'web-1',
    groups: ['g', 'h'],
    http: { public: ['GET /health', '/assets/*', 'POST /hook'] },
    onWhole: echo,
  })
  await world.node({ name: 'mute', http: null })
  const gone = await world.node({ name: 'gone', groups: ['g', 'empty'] })
  gone.close()
  await world.started.mediator.relay.settled()
})
afterAll(() => world.close())

const app = `x.${Buffer.from('{"iss":"an-app"}').toString('base64url')}.y`
/** How the node saw the request that was answered last. */
const seen = () => node.exchanges.at(-1)!

describe('who may ask', () => {
  it.each([
    ['http:*', 200],
    ['http:web-1', 200],
    ['http:web-*', 200],
    ['http:web-2', 403],
    ['http:w', 403],
    ['send:g/*', 403],
  ])('a token with %s: %d', async (scope, status) => {
    expect((await world.ask('/one/g/web-1/', { token: world.token(scope) })).status).toBe(status)
  })

  it('not a token without scopes: what is not said is not allowed', async () => {
    const token = tokenFor(world.started.jwtSecret, 'web-1').token
    expect(await world.refusal('/one/g/web-1/', { token })).toEqual([403, 'FORBIDDEN'])
  })

  it.each([
    ['none', {}],
    ['a bad one', { Authorization: 'Bearer a.b.c' }],
    ['one of an app', { Authorization: `Bearer ${app}` }],
    ['another scheme', { Authorization: 'Basic eDp5' }],
    ['a good one that is not a Bearer', { Authorization: 'x' }],
    ['a bad one for us, and a good one for the app', { 'Proxy-Authorization': 'Bearer x', Authorization: 'good' }],
  ] as [string, { [name: string]: string }][])(
    'nobody with %s: 401, whether there is such a node or not',
    async (_what, headers) => {
      const before = node.exchanges.length
      const given = headers.Authorization === 'good' ? { ...headers, Authorization: `Bearer ${world.bearer}` } : headers
      const answers = []
      for (const path of [
        '/one/g/web-1/',
        '/one/g/nobody/',
        '/one/nowhere/x/',
        '/any/g/',
        '/any/nowhere/',
        '/many/g/',
        '/one/G/x',
      ]) {
        const { status, headers, body } = await world.ask(path, { token: null, headers: given })
        answers.push([status, headers['www-authenticate'], body.toString()])
      }
      expect(new Set(answers.map(String)).size).toBe(1)
      expect(answers[0]!.slice(0, 2)).toEqual([401, 'Bearer realm="sealway"'])
      expect(node.exchanges.length).toBe(before)
    },
  )

  it('nobody with a token that has expired or was revoked', async () => {
    const { jwtSecret } = world.started
    const old = mintToken({
      ...{ secret: jwtSecret, subject: 'x', scopes: ['http:*'], lifeMs: 1_000 },
      clock: () => Date.now() - 60_000,
    })
    expect((await world.ask('/one/g/web-1/', { token: old.token })).status).toBe(401)
    const fresh = tokenFor(jwtSecret, 'x', { scopes: ['http:*'] })
    expect((await world.ask('/one/g/web-1/', { token: fresh.token })).status).toBe(200)
    const operator = mintToken({
      ...{ secret: operatorKey(world.started.config.jwtSecret, world.started.config.adminPassword), by: 'operator' },
      ...{ subject: 'ada', scopes: ['admin:write'], lifeMs: 60_000, clock: Date.now },
    })
    const revoked = await world.ask(`/v1/tokens/${fresh.tokenId}`, { method: 'DELETE', token: operator.token })
    expect(revoked.status).toBeLessThan(300)
    // It is believed for a second at most.
    const status = await eventually(async () => {
      const answer = await world.ask('/one/g/web-1/', { token: fresh.token })
      return answer.status !== 200 && answer.status
    }, 'it is refused')
    expect(status).toBe(401)
  })

  it.each([
    ['/one/g/web-2/', [404, 'UNKNOWN_NODE']],
    ['/one/h/mute/', [404, 'UNKNOWN_NODE']],
    ['/one/nowhere/web-1/', [404, 'UNKNOWN_GROUP']],
    ['/any/nowhere/', [404, 'UNKNOWN_GROUP']],
    ['/many/nowhere/', [404, 'UNKNOWN_GROUP']],
    ['/one/g/gone/', [503, 'OFFLINE']],
    ['/any/empty/', [503, 'OFFLINE']],
    ['/one/g/mute/', [502, 'NO_HTTP']],
    ['/one/g/%77eb-1/', [404, 'NOT_FOUND']],
    ['/one/g/WEB-1/', [404, 'NOT_FOUND']],
    ['/one/g/', [404, 'NOT_FOUND']],
    ['/one', [404, 'NOT_FOUND']],
    ['/many', [404, 'NOT_FOUND']],
    ['/one/g/../web-1/', [404, 'NOT_FOUND']],
    ['/one/%2e%2e/web-1/', [404, 'NOT_FOUND']],
  ])('%s with a good token: %j', async (path, refusal) => {
    const { status, headers, body } = await world.ask(path)
    expect([status, JSON.parse(body.toString()).code]).toEqual(refusal)
    expect(headers['content-type']).toBe('application/problem+json')
    expect(headers['retry-after']).toBe(status === 503 ? '5' : undefined)
  })

  it('a token for some is told of them only', async () => {
    const token = world.token('http:other-*')
    for (const path of ['/any/g/', '/any/empty/', '/any/nowhere/', '/many/g/', '/one/g/nobody/']) {
      expect(await world.refusal(path, { token })).toEqual([403, 'FORBIDDEN'])
    }
  })
})

describe('public routes', () => {
  it.each([
    ['GET', '/health'],
    ['HEAD', '/health'],
    ['GET', '/health?deep=1'],
    ['DELETE', '/assets/a/b.css'],
    ['POST', '/hook'],
    ['GET', '/assets/'],
  ])('%s %s needs no token', async (method, path) => {
    expect((await world.ask(`/one/g/web-1${path}`, { method, token: null })).status).toBe(200)
    expect((await world.ask(`/any/h${path}`, { method, token: null })).status).toBe(200)
  })

  it.each([
    ['POST', '/health'],
    ['GET', '/health/'],
    ['GET', '/healthy'],
    ['GET', '/hook'],
    ['GET', '/assets'],
    ['GET', '/Health'],
    ['GET', '/assets/../admin'],
    ['GET', '/assets/./admin'],
    ['GET', '/assets//admin'],
    ['GET', '//assets/x'],
    ['GET', '/assets/..%2fadmin'],
    ['GET', '/assets/%2e%2e/admin'],
    ['GET', '/assets/%2E./admin'],
    ['GET', '/assets/..%5cadmin'],
    ['GET', '/assets/..\\admin'],
    ['GET', '/assets/a\\b'],
    ['GET', '/assets/..;/admin'],
    ['GET', '/assets/a%2Fb'],
    ['GET', '/assets/..'],
    ['GET', '/assets/.'],
    ['GET', '/assets/%00'],
  ])('%s %s does', async (method, path) => {
    const client = world.raw()
    const head = [`${method} /one/g/web-1${path} HTTP/1.1`, 'Host: x', 'Connection: close', 'Content-Length: 0', '', '']
    client.send(...head)
    await client.untilClosed()
    expect(client.statuses).toEqual([401])
  })

  it('are those of the last declaration, and of nobody who takes them back', async () => {
    const n = await world.node({ name: 'changing', onWhole: echo })
    const status = async () => (await world.ask('/one/g/changing/new', { token: null })).status
    const expose = async (http: unknown, nth: number) => {
      n.query({ type: 'expose', http })
      await n.until('answer', () => n.answers === nth)
    }
    expect(await status()).toBe(401)
    await expose({ public: ['/new'] }, 1)
    expect(await status()).toBe(200)
    await expose({ public: [] }, 2)
    expect(await status()).toBe(401)
    await expose(null, 3)
    expect(await status()).toBe(401)
    expect(await world.refusal('/one/g/changing/new')).toEqual([502, 'NO_HTTP'])
    n.close()
  })
})

describe('what of it the node sees', () => {
  const headersFor = async (headers: Ask['headers'], token: string | null = null, path = '/one/g/web-1/health') => {
    const { status } = await world.ask(path, { token, ...(headers ? { headers } : {}) })
    expect(status).toBe(200)
    return seen()
  }

  it('nothing of our token', async () => {
    expect((await headersFor({}, world.bearer)).header('authorization')).toBeUndefined()
  })

  it('its own Authorization, where ours is in Proxy-Authorization', async () => {
    const own = { 'Proxy-Authorization': `Bearer ${world.bearer}`, Authorization: `Bearer ${app}` }
    const exchange = await headersFor(own, null, '/one/g/web-1/private')
    expect(exchange.all('authorization')).toEqual([`Bearer ${app}`])
    expect(exchange.all('proxy-authorization')).toEqual([])
    expect((await headersFor({ Authorization: 'Basic eDp5' })).all('authorization')).toEqual(['Basic eDp5'])
    expect((await headersFor({ Authorization: `Bearer ${app}` })).all('authorization')).toEqual([`Bearer ${app}`])
  })

  it('no token of ours, on a public route or beside another, good or not, however it is written', async () => {
    const secret = world.started.jwtSecret
    const old = mintToken({ secret, subject: 'x', lifeMs: 1_000, clock: () => Date.now() - 600_000 }).token
    const other = tokenFor('another secret of another mediator, long enough', 'x').token
    for (const token of [world.bearer, old, other]) {
      for (const value of [`Bearer ${token}`, `bearer   ${token}`, token, `Token ${token}`, `Bearer x,${token}`]) {
        expect((await headersFor({ Authorization: value })).all('authorization')).toEqual([])
        const both = { Authorization: value, 'Proxy-Authorization': `Bearer ${world.bearer}` }
        expect((await headersFor(both, null, '/one/g/web-1/private')).all('authorization')).toEqual([])
      }
    }
    for (const exchange of node.exchanges) expect(exchange.head.headers.join()).not.toContain(world.bearer)
  })

  it.each([
    ['sealway_session=abc', []],
    ['a=1; sealway_session=abc', ['a=1']],
    ['sealway_session=abc; a=1', ['a=1']],
    ['a=1; sealway_session=abc; b=2', ['a=1; b=2']],
    ['a=1; xsealway_session=abc', ['a=1; xsealway_session=abc']],
    ['a="b; c"; d=e', ['a="b; c"; d=e']],
  ])('of the cookies %s: %j', async (cookie, kept) => {
    expect((await headersFor({ Cookie: cookie })).all('cookie')).toEqual(kept)
  })

  it('nothing of a connection, nor what Connection names', async () => {
    const exchange = await headersFor({
      ...{ Connection: 'close, X-Mine , Host, Content-Length', 'X-Mine': '1', 'Keep-Alive': 'x', TE: 'trailers' },
      ...{ 'Proxy-Connection': 'x', 'Proxy-Authenticate': 'x', 'X-Kept': '2' },
    })
    const names = exchange.head.headers.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase())
    expect(names.sort()).toEqual(
      ['host', 'x-kept', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto']
        .concat('x-forwarded-prefix', 'forwarded', 'sealway-group', 'via')
        .sort(),
    )
  })

  it('who asked, and not what the client says of it', async () => {
    const said = { Forwarded: 'for=6.6.6.6', 'X-Forwarded-For': '6.6.6.6', 'X-Forwarded-Host': 'evil' }
    const more = { 'X-Forwarded-Proto': 'https', 'X-Forwarded-Port': '1', 'X-Forwarded-Prefix': '/x' }
    const exchange = await headersFor({ ...said, ...more, 'Sealway-Group': 'admins', Host: 'a.test:1' })
    expect(exchange.all('forwarded')).toEqual(['for=127.0.0.1;host="a.test:1";proto=http'])
    expect(exchange.all('x-forwarded-for')).toEqual(['127.0.0.1'])
    expect(exchange.all('x-forwarded-host')).toEqual(['a.test:1'])
    expect(exchange.all('x-forwarded-proto')).toEqual(['http'])
    expect(exchange.all('x-forwarded-port')).toEqual([])
    expect(exchange.all('x-forwarded-prefix')).toEqual(['/one/g/web-1'])
    expect(exchange.all('sealway-group')).toEqual(['g'])
    expect(exchange.all('via')).toEqual(['1.1 sealway'])
    expect(exchange.all('host')).toEqual(['a.test:1'])
  })
})

it('hands on what a proxy says of the client, where that proxy is trusted', async () => {
  const trusting = await ByName.start({ config: { trustProxy: 'loopback' } })
  try {
    const n = await trusting.node({ onWhole: echo })
    await trusting.ask('/one/g/n/', {
      headers: {
        ...{ Forwarded: 'for=1.2.3.4;proto=https', 'X-Forwarded-For': ['1.2.3.4', '5.6.7.8'], Via: '1.1 front' },
        ...{ 'X-Forwarded-Host': 'public.test', 'X-Forwarded-Proto': 'https', 'X-Forwarded-Prefix': '/mount' },
      },
    })
    const [exchange] = n.exchanges
    const host = new URL(trusting.url).host
    expect(exchange!.all('x-forwarded-for')).toEqual(['1.2.3.4, 5.6.7.8, 127.0.0.1'])
    expect(exchange!.all('x-forwarded-host')).toEqual(['public.test'])
    expect(exchange!.all('x-forwarded-proto')).toEqual(['https'])
    expect(exchange!.all('x-forwarded-prefix')).toEqual(['/mount/one/g/n'])
    expect(exchange!.all('forwarded')).toEqual([`for=1.2.3.4;proto=https, for=127.0.0.1;host="${host}";proto=http`])
    expect(exchange!.all('via')).toEqual(['1.1 front', '1.1 sealway'])
  } finally {
    await trusting.close()
  }
})

it('lets no node set the cookie of an operator, and hands on every other', async () => {
  const cookies = ['Set-Cookie', 'sealway_session=x; Path=/', 'Set-Cookie', 'a=1', 'Set-Cookie', ' Sealway_Session = y']
  const n = await world.node({ name: 'baker', onRequest: (exchange) => exchange.respond(200, cookies) })
  expect((await world.ask('/one/g/baker/')).headers['set-cookie']).toEqual(['a=1'])
  n.close()
})
