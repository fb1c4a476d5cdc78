import type { ExchangeNode } from '../../support/exchange-node'
import { ByName } from '../../support/http-by-name'

let world: ByName
beforeEach(async () => {
  world = await ByName.start({ limits: { maxExchangesPerLink: 3 } })
})
afterEach(() => world.close())

const named = (name: string, groups = ['g']) => ({ name, groups })
/** Answers with its name. */
const saysWho = (name: string, more = {}) => ({
  ...named(name),
  ...more,
  onRequest: (exchange: { respond(status: number, headers: string[], body: string): unknown }) => {
    exchange.respond(200, [], name)
  },
})
const who = async (options = {}) => (await world.ask('/any/g/', options)).body.toString()

describe('any member of a group', () => {
  it('is each of them in turn, while none has more to do than another', async () => {
    for (const name of ['a', 'b', 'c']) await world.node(saysWho(name))
    const answers: string[] = []
    for (let i = 0; i < 9; i++) answers.push(await who())
    for (const at of [0, 3, 6]) expect(answers.slice(at, at + 3).sort()).toEqual(['a', 'b', 'c'])
  })

  it('is one with the least to do', async () => {
    const busy = await world.node(named('busy'))
    const waiting = world.ask('/one/g/busy/')
    const held = await busy.exchange(0)
    await world.node(saysWho('idle'))
    for (let i = 0; i < 5; i++) expect(await who()).toBe('idle')
    held.respond(200)
    await waiting
  })

  it('is one that serves HTTP, that the token covers, and that takes one more', async () => {
    await world.node({ name: 'mute', http: null })
    await world.node(saysWho('web-2', { http: { public: ['/open'] } }))
    const full = await world.node(named('web-1'))
    const held = [0, 1, 2].map(() => world.ask('/one/g/web-1/'))
    await full.exchange(2)
    await world.node(saysWho('db-1'))
    for (let i = 0; i < 4; i++) expect(await who({ token: world.token('http:web-*') })).toBe('web-2')
    expect(await who({ token: world.token('http:db-1') })).toBe('db-1')
    expect((await world.ask('/any/g/open', { token: null })).body.toString()).toBe('web-2')
    expect(await world.refusal('/any/g/', { token: world.token('http:web-1') })).toEqual([503, 'BUSY'])
    expect(await world.refusal('/one/g/web-1/')).toEqual([503, 'BUSY'])
    expect(await world.refusal('/any/g/', { token: world.token('http:mute') })).toEqual([502, 'NO_HTTP'])
    for (const exchange of full.exchanges) exchange.respond(200)
    expect((await Promise.all(held)).map(({ status }) => status)).toEqual([200, 200, 200])
  })

  it('is another one where the first goes before it answers, if the request may be said twice', async () => {
    const first = await world.node(named('first'))
    const answer = world.ask('/any/g/', { method: 'PUT' })
    await first.exchange(0)
    const second = await world.node(saysWho('second'))
    first.close()
    expect((await answer).body.toString()).toBe('second')
    expect(second.exchanges[0]!.head.method).toBe('PUT')
  })

  it.each(['BUSY', 'NO_HTTP', 'DRAINING'] as const)('is another one where the first says %s', async (code) => {
    await world.node({ ...named('first'), onRequest: (exchange) => exchange.reset(code) })
    await world.node(saysWho('second'))
    for (let i = 0; i < 4; i++) expect(await who()).toBe('second')
  })

  it('is nobody else where the request may not be said twice, or has a body', async () => {
    await world.node({ ...named('first'), onRequest: (exchange) => exchange.reset('BUSY') })
    expect(await world.refusal('/any/g/', { method: 'POST' })).toEqual([503, 'BUSY'])
    expect(await world.refusal('/any/g/', { method: 'PUT', body: 'x' })).toEqual([503, 'BUSY'])
    expect(await world.refusal('/any/g/')).toEqual([503, 'BUSY'])
  })

  it('is asked three times at most, and once where a byte of its answer went out', async () => {
    const nodes: ExchangeNode[] = []
    for (const name of ['a', 'b', 'c', 'd', 'e']) {
      nodes.push(await world.node({ ...named(name), onRequest: (exchange) => exchange.reset('BUSY') }))
    }
    const asked = () => nodes.reduce((sum, { exchanges }) => sum + exchanges.length, 0)
    expect(await world.refusal('/any/g/')).toEqual([503, 'BUSY'])
    expect(asked()).toBe(3)
    for (const node of nodes) node.close()
    const begins = await world.node({
      ...named('begins', ['h']),
      onRequest: (exchange) => exchange.respond(200, [], 'begin', false).reset('BUSY'),
    })
    await world.node({ ...saysWho('other'), groups: ['h'] })
    const outcomes = await Promise.allSettled([1, 2].map(() => world.ask('/any/h/')))
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(begins.exchanges).toHaveLength(1)
  })

  it('is not one that has said that it leaves; that one is still there by its name', async () => {
    const leaving = await world.node(saysWho('leaving'))
    await world.node(saysWho('staying'))
    leaving.write(Buffer.from(`000000020600000000000000${Buffer.from('{}').toString('hex')}`, 'hex'))
    leaving.query({ type: 'time' })
    await leaving.until('answer', () => leaving.answers === 1)
    for (let i = 0; i < 4; i++) expect(await who()).toBe('staying')
    expect((await world.ask('/one/g/leaving/')).body.toString()).toBe('leaving')
  })
})
