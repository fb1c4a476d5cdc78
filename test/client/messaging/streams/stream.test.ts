import { Net } from '../../../support/net'

describe('a stream', () => {
  let net: Net
  beforeEach(() => {
    net = new Net()
  })
  afterEach(() => net.close())

  it('gives the items of a generator in order', async () => {
    const server = await net.join('server')
    const client = await net.join('client')
    server.on<{ count: number }>('count', async function* ({ body }) {
      for (let i = 0; i < body.count; i++) yield { i }
    })
    const items: unknown[] = []
    for await (const item of client.stream('server', 'count', { count: 1_000 })) items.push(item)
    expect(items).toEqual(Array.from({ length: 1_000 }, (_, i) => ({ i })))
  })

  it('carries bytes and a large body', async () => {
    const server = await net.join('server')
    const client = await net.join('client')
    server.on('echo', ({ body }) => body)
    const body = Buffer.alloc(5_000_000, 'abc')
    const answer = await client.call<Buffer>('server', 'echo', body)
    expect(answer.equals(body)).toBe(true)
    server.on('bytes', async function* () {
      for (let i = 0; i < 20; i++) yield body
    })
    const all = await client.stream('any:g', 'bytes').bytes({ limit: 1e9 })
    expect(all.length).toBe(100_000_000)
  })
})
