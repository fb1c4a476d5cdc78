import type { Entry } from '../../../server/src/proxy/gathered'
import { ByName, echo } from '../../support/http-by-name'
import { eventually } from '../../support/until'

let world: ByName
beforeEach(async () => {
  world = await ByName.start({ config: { httpTimeoutMs: 2_000 } })
})
afterEach(() => world.close())

async function many(path = '/many/g/', options = {}): Promise<Map<string, Entry>> {
  const { status, headers, body } = await world.ask(path, options)
  expect([status, headers['content-type']]).toEqual([200, 'application/json'])
  const { group, answers } = JSON.parse(body.toString()) as { group: string; answers: Entry[] }
  expect(group).toBe('g')
  return new Map(answers.map((entry) => [entry.node, entry]))
}

describe('every member of a group', () => {
  it('answers for itself, by name: status, headers, body and duration, or why not', async () => {
    await world.node({
      name: 'text',
      onRequest: (exchange) => exchange.respond(201, ['X-One', '1', 'X-Two', 'a', 'x-two', 'b'], 'grüße'),
    })
    await world.node({ name: 'bytes', onRequest: (exchange) => exchange.respond(200, [], Buffer.from([0xff, 0])) })
    await world.node({
      name: 'parts',
      onRequest: (exchange) => exchange.respond(200, [], 'one ', false).data('two ').data('three').end(['X-T', '1']),
    })
    await world.node({ name: 'mute', http: null })
    await world.node({ name: 'refuses', onRequest: (exchange) => exchange.reset('BUSY') })
    await world.node({ name: 'silent' })
    await world.node({ name: 'wrong', onRequest: (exchange) => exchange.respond(200, ['Content-Length', 'x']) })
    await world.node({
      name: 'large',
      onRequest: (exchange) => exchange.respond(200, [], Buffer.alloc(200_000), false).data(Buffer.alloc(62_145), true),
    })
    const going = await world.node({ name: 'going', onRequest: () => going.close() })
    await world.node({ name: 'other', groups: ['h'] })
    const entries = await many()
    const durationMs = expect.any(Number)
    expect(entries.get('text')).toEqual({
      ...{ node: 'text', status: 201, headers: { 'x-one': '1', 'x-two': ['a', 'b'] } },
      ...{ body: 'grüße', encoding: 'text', durationMs },
    })
    expect(entries.get('bytes')).toMatchObject({ body: '/wA=', encoding: 'base64' })
    expect(entries.get('parts')).toMatchObject({ body: 'one two three' })
    expect(new Map([...entries].map(([name, { error }]) => [name, error?.code]))).toEqual(
      new Map<string, unknown>([
        ...(['text', 'bytes', 'parts'] as const).map((name) => [name, undefined] as [string, unknown]),
        ...[['mute', 'NO_HTTP'] as const, ['refuses', 'BUSY'] as const, ['silent', 'TIMEOUT'] as const],
        ...[['wrong', 'BAD_ANSWER'] as const, ['large', 'TOO_LARGE'] as const, ['going', 'PEER_GONE'] as const],
      ]),
    )
    expect(entries.get('mute')).toEqual({
      ...{ node: 'mute', durationMs: 0, error: { code: 'NO_HTTP', detail: 'mute is connected, but serves no HTTP' } },
    })
    await eventually(() => world.started.mediator.relay.budget.usedBytes === 0, 'nothing is held')
    expect(world.started.mediator.proxy.inFlight()).toEqual({ requests: 0, exchanges: 0 })
  })

  it('gets the same request, body and all', async () => {
    const nodes = await Promise.all(['a', 'b', 'c'].map((name) => world.node({ name, onWhole: echo })))
    const body = Buffer.alloc(200_000, 'body ')
    const entries = await many('/many/g/path?x=1', { method: 'PUT', body })
    for (const node of nodes) {
      expect(node.exchanges[0]!.head).toMatchObject({ method: 'PUT', target: '/path?x=1' })
      expect(node.exchanges[0]!.body.equals(body)).toBe(true)
    }
    expect([...entries.values()].map((entry) => entry.body === body.toString())).toEqual([true, true, true])
  })

  it('is only who the token covers', async () => {
    for (const name of ['web-1', 'web-2', 'db-1']) await world.node({ name, onWhole: echo })
    const entries = await many('/many/g/', { token: world.token('http:web-*') })
    expect([...entries.keys()].sort()).toEqual(['web-1', 'web-2'])
  })

  it('is not asked with a body that is too large', async () => {
    const node = await world.node({ onWhole: echo })
    expect(await world.refusal('/many/g/', { method: 'POST', body: Buffer.alloc(1024 * 1024 + 1) })).toEqual([
      ...[413, 'TOO_LARGE'],
    ])
    const chunked = { method: 'POST', headers: { 'Transfer-Encoding': 'chunked' } }
    expect(await world.refusal('/many/g/', { ...chunked, body: Buffer.alloc(1024 * 1024 + 1) })).toEqual([
      ...[413, 'TOO_LARGE'],
    ])
    expect(node.exchanges).toEqual([])
  })

  it('is asked 64 at once', async () => {
    const count = 100
    let asked = 0
    let most = 0
    let waiting: (() => void)[] = []
    for (let i = 0; i < count; i++) {
      await world.node({
        name: `n${i}`,
        onRequest: (exchange) => {
          asked++
          waiting.push(() => exchange.respond(200, [], 'x'))
          most = Math.max(most, waiting.length)
          // As long as there are others to come, nobody answers before 64 wait.
          if (waiting.length < 64 && asked < count) return
          const all = waiting
          waiting = []
          for (const answer of all) answer()
        },
      })
    }
    const entries = await many()
    expect(entries.size).toBe(count)
    expect(most).toBe(64)
  })

  it('is told that the client has gone', async () => {
    const node = await world.node()
    const client = world.raw()
    client.send('GET /many/g/ HTTP/1.1', 'Host: x', `Authorization: Bearer ${world.bearer}`, '', '')
    const exchange = await node.exchange(0)
    client.destroy()
    await exchange.until('reset', ({ resetCode }) => resetCode === 'ABORTED')
    expect(world.started.mediator.proxy.inFlight()).toEqual({ requests: 0, exchanges: 0 })
  })
})
