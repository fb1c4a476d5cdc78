import type { ClientRequest } from '../../../server/src/proxy/client'
import { clientAddress } from '../../../server/src/proxy/client-address'
import { Strangers } from '../../../server/src/proxy/strangers'
import { ByName, echo } from '../../support/http-by-name'
import { eventually } from '../../support/until'

describe('who asks without a token', () => {
  let now = 0
  const make = (perSecond: number, atOnce: number) => new Strangers({ perSecond, atOnce, now: () => now })
  beforeEach(() => {
    now = 1_000_000
  })

  it('may ask twice the rate in a burst, and then at the rate', () => {
    const strangers = make(10, 1_000)
    const asked = (count: number) => Array.from({ length: count }, () => strangers.enter('192.0.2.1')).filter(Boolean)
    expect(asked(50).length).toBe(20)
    now += 500
    expect(asked(50).length).toBe(5)
    now += 3_600_000
    expect(asked(50).length).toBe(20)
    expect(strangers.enter('192.0.2.2')).toBeDefined()
  })

  it('may have so many under way, and more as they end, each counted once', () => {
    const strangers = make(1_000, 2)
    const first = strangers.enter('192.0.2.1')!
    expect(strangers.enter('192.0.2.1')).toBeDefined()
    expect(strangers.enter('192.0.2.1')).toBeUndefined()
    first()
    first()
    expect(strangers.enter('192.0.2.1')).toBeDefined()
    expect(strangers.enter('192.0.2.1')).toBeUndefined()
  })

  it('gains nothing by a clock that was set back', () => {
    const strangers = make(1, 1_000)
    strangers.enter('192.0.2.1')
    strangers.enter('192.0.2.1')
    now -= 3_600_000
    expect(strangers.enter('192.0.2.1')).toBeUndefined()
    now += 1_000
    expect(strangers.enter('192.0.2.1')).toBeDefined()
  })

  it('is one, with all of the /64 that it has', () => {
    const strangers = make(1_000, 1)
    expect(strangers.enter('2001:db8:1:2::1')).toBeDefined()
    expect(strangers.enter('2001:db8:1:2:ffff:ffff:ffff:ffff')).toBeUndefined()
    expect(strangers.enter('2001:db8:1:3::1')).toBeDefined()
  })

  it('is forgotten when there is nothing left to know, and never while a request is under way', () => {
    const strangers = make(10, 10)
    const leave = strangers.enter('192.0.2.1')!
    strangers.enter('192.0.2.2')!()
    now += 10_000
    strangers.tick(now)
    expect(strangers.size).toBe(1)
    leave()
    now += 10_000
    strangers.tick(now)
    expect(strangers.size).toBe(0)
  })

  it('is told apart from 9,999 others; beyond that they share what one may', () => {
    const strangers = make(1_000, 1)
    for (let i = 0; i < 10_000; i++) strangers.enter(`10.0.${i >> 8}.${i & 255}`)
    expect(strangers.enter('192.0.2.1')).toBeDefined()
    expect(strangers.enter('192.0.2.2')).toBeUndefined()
    expect(strangers.size).toBe(10_001)
  })
})

describe('the address that is counted', () => {
  const request = (remoteAddress: string | undefined, forwarded?: string) =>
    ({
      socket: { remoteAddress },
      rawHeaders: forwarded === undefined ? [] : ['X-Forwarded-For', '203.0.113.1', 'X-Forwarded-For', forwarded],
      httpVersion: '1.1',
      complete: true,
    }) satisfies ClientRequest

  it.each([
    ['none', '192.0.2.1', '198.51.100.7', '192.0.2.1'],
    ['none', '::ffff:192.0.2.1', undefined, '192.0.2.1'],
    ['loopback', '127.0.0.1', '203.0.113.9, 198.51.100.7', '198.51.100.7'],
    ['loopback', '192.0.2.1', '198.51.100.7', '192.0.2.1'],
    ['loopback', undefined, '198.51.100.7', '198.51.100.7'],
    ['all', '192.0.2.1', ' ::ffff:198.51.100.7', '198.51.100.7'],
    ['all', '192.0.2.1', 'unknown', '192.0.2.1'],
    ['all', '192.0.2.1', undefined, '192.0.2.1'],
    ['all', undefined, undefined, ''],
  ] as const)('with TRUST_PROXY=%s, from %s for %s: %s', (trust, remote, forwarded, counted) => {
    expect(clientAddress(request(remote, forwarded), trust)).toBe(counted)
  })
})

describe('a public route', () => {
  let world: ByName
  afterEach(() => world.close())
  const open = { public: ['/open', '/socket'] }

  it('is answered to a stranger so often, and then 429 with the time to wait; with a token, always', async () => {
    world = await ByName.start({ config: { httpPublicRate: 1 } })
    await world.node({ name: 'web', http: open, onWhole: echo })
    const stranger = { token: null }
    const paths = ['/one/g/web/open', '/any/g/open', '/many/g/open']
    expect((await world.ask(paths[0]!, stranger)).status).toBe(200)
    expect((await world.ask(paths[1]!, stranger)).status).toBe(200)
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, i) => world.ask(paths[i % 3]!, { ...stranger, method: 'POST', body: 'x' })),
    )
    const refused = answers.filter(({ status }) => status === 429)
    // One a second comes back while this runs.
    expect(refused.length).toBeGreaterThan(0)
    for (const { headers, body } of refused) {
      expect([headers['retry-after'], JSON.parse(body.toString())]).toEqual([
        ...['1', expect.objectContaining({ code: 'TOO_MANY_REQUESTS', status: 429, retry: 'later' })],
      ])
    }
    for (const path of paths) expect((await world.ask(path)).status).toBe(200)
    expect(await world.refusal('/one/g/web/closed', stranger)).toEqual([401, 'UNAUTHORIZED'])
  })

  it('is asked by a stranger so many times at once, switched connections among them, and again when they end', async () => {
    world = await ByName.start({ config: { httpPublicAtOnce: 2, httpPublicRate: 10_000 } })
    const node = await world.node({
      name: 'web',
      http: { public: [...open.public, 'UPGRADE /socket'] },
      onRequest: (exchange) => {
        if (exchange.head.target === '/socket') exchange.respond(101, ['Upgrade', 'x'], '', false)
      },
    })
    const switched = world.raw()
    switched.send('GET /one/g/web/socket HTTP/1.1', 'Host: x', 'Connection: Upgrade', 'Upgrade: x', '', '')
    const waiting = world.ask('/one/g/web/open', { token: null })
    await node.exchange(1)
    await eventually(async () => {
      const [status, code] = await world.refusal('/one/g/web/nothing', { token: null })
      expect([status, code]).toEqual([401, 'UNAUTHORIZED'])
      return world.started.mediator.proxy.inFlight().requests === 2
    }, 'both are counted')
    expect(await world.refusal('/one/g/web/open', { token: null })).toEqual([429, 'TOO_MANY_REQUESTS'])
    node.exchanges.find(({ head }) => head.target === '/open')!.respond(200, [], 'ok')
    expect((await waiting).status).toBe(200)
    switched.destroy()
    const socket = node.exchanges.find(({ head }) => head.target === '/socket')!
    await socket.until('its end', ({ ended }) => ended)
    socket.data('', true)
    await eventually(() => world.started.mediator.proxy.inFlight().requests === 0, 'both have left')
    const again = Array.from({ length: 2 }, () => world.ask('/one/g/web/open', { token: null }))
    const begun = [await node.exchange(2), await node.exchange(3)]
    for (const exchange of begun) exchange.respond(200, [], 'ok')
    expect((await Promise.all(again)).map(({ status }) => status)).toEqual([200, 200])
  })
})
