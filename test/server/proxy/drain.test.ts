import { ByName } from '../../support/http-by-name'
import { eventually } from '../../support/until'

let world: ByName
afterEach(() => world.close())

describe('a mediator that drains', () => {
  it('finishes what is under way, and takes nothing new: 503 DRAINING', async () => {
    world = await ByName.start({ limits: { drainMs: 20_000 } })
    const node = await world.node()
    const answer = world.ask('/one/g/n/slow')
    const exchange = await node.exchange(0)
    const { mediator } = world.started
    const drained = mediator.drain()
    const { status, headers, body } = await world.ask('/one/g/n/new')
    expect([status, JSON.parse(body.toString()).code]).toEqual([503, 'DRAINING'])
    expect([headers.connection, headers['retry-after']]).toEqual(['close', '5'])
    exchange.respond(200, [], 'begin ', false).data('end', true)
    expect((await answer).body.toString()).toBe('begin end')
    node.close()
    await drained
    expect(node.exchanges).toHaveLength(1)
  })

  it('breaks off what has no end, when its time is over', async () => {
    world = await ByName.start({ limits: { drainMs: 300 } })
    const node = await world.node({ onRequest: (exchange) => exchange.respond(200, [], 'begin', false) })
    const client = world.raw()
    client.send('GET /one/g/n/ HTTP/1.1', 'Host: x', `Authorization: Bearer ${world.bearer}`, '', '')
    await client.until('beginning', (text) => text.includes('begin'))
    await world.started.mediator.drain()
    await client.untilClosed()
    expect(client.text.endsWith('0\r\n\r\n')).toBe(false)
    expect(node.exchanges).toHaveLength(1)
    await eventually(() => world.started.mediator.proxy.inFlight().requests === 0, 'nothing is under way')
  })
})

describe('what becomes of requests', () => {
  it('is counted by outcome, and said in a line for each that failed, without its query', async () => {
    const lines: { level: string; fields: { [name: string]: unknown }; text: string }[] = []
    const at = (level: string) => (fields: object, text: string) =>
      void lines.push({ level, fields: fields as { [name: string]: unknown }, text })
    const log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
    world = await ByName.start({ log })
    await world.node({ onRequest: (exchange) => exchange.reset('BUSY') })
    await world.node({ name: 'good', onRequest: (exchange) => exchange.respond(500) })
    await world.ask('/one/g/n/path?token=canary', { method: 'POST', body: 'canary' })
    await world.ask('/one/g/good/path?token=canary')
    await world.ask('/one/g/n/', { token: 'canary' })
    expect(world.started.mediator.proxy.outcomes.snapshot()).toEqual({ BUSY: 1, ANSWERED: 1, UNAUTHORIZED: 1 })
    const said = lines.filter(({ text }) => text.startsWith('http request'))
    expect(said.map(({ level, text }) => [level, text])).toEqual([
      ['warn', 'http request failed'],
      ['debug', 'http request refused'],
    ])
    expect(said[0]!.fields).toEqual({
      ...{ method: 'POST', mode: 'one', group: 'g', node: 'n', path: '/path', code: 'BUSY' },
      ...{ detail: 'the node broke it off', ms: expect.any(Number) },
    })
    expect(JSON.stringify(lines)).not.toContain('canary')
  })
})
