import type { INestApplicationContext, INestMicroservice } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { type Node, SealwayError } from '@sealway/client'
import { ExpectedRpcException, SealwayClient, SealwayRecord, SealwayServer } from '@sealway/client/nestjs'
import { firstValueFrom, lastValueFrom, take, toArray } from 'rxjs'
import { Net } from '../../support/net.js'
import { rejection, until } from '../../support/until.js'
import { ShopModule, seen } from './shop.js'

let net: Net
let node: Node
let server: SealwayServer
let service: INestMicroservice
let app: INestApplicationContext
let client: SealwayClient

beforeEach(async () => {
  Object.assign(seen, { events: [], unsubscribed: 0, aborted: 0, release: undefined })
  net = new Net()
  node = await net.join('shop-1', { groups: ['shop'] })
  server = new SealwayServer({ node })
  service = await NestFactory.createMicroservice(ShopModule, { strategy: server, logger: false })
  await service.listen()
  const web = await net.join('web-1', { groups: ['shop'] })
  const provider = { provide: 'SHOP', useFactory: () => new SealwayClient({ node: () => web, to: 'any:shop' }) }
  app = await NestFactory.createApplicationContext({ module: class {}, providers: [provider] }, { logger: false })
  client = app.get('SHOP')
})
afterEach(async () => {
  await app.close()
  await service.close()
  await net.close()
})

const asked = <T>(pattern: unknown, data: unknown = {}): Promise<T> => firstValueFrom(client.send<T>(pattern, data))

describe('a message pattern of a Nest service', () => {
  it('answers a call, and knows who asks', async () => {
    const answer = await asked('quote', { sku: 'A1' })
    expect(answer).toEqual({ sku: 'A1', price: 5, for: 'web-1', to: 'any:shop', meta: {}, waits: true })
  })

  it('goes where a record says, with what is beside the body', async () => {
    const record = new SealwayRecord({ sku: 'A1' }, { to: 'shop-1', meta: { user: 7 }, timeout: 1_000 })
    expect(await asked('quote', record)).toMatchObject({ to: 'shop-1', meta: { user: 7 } })
  })

  it('may be an object, and answer with an observable of one value, or of none', async () => {
    expect(await asked({ by: 'list', cmd: 'sum' }, [1, 2, 3])).toBe(6)
    expect(await lastValueFrom(client.send('nothing', {}), { defaultValue: 'no value' })).toBe('no value')
  })

  it('is an action of the node, for nodes that know nothing of Nest', async () => {
    const other = await net.join('other', { groups: ['shop'] })
    expect(await other.call('shop-1', 'quote', { sku: 'B2' })).toMatchObject({ sku: 'B2', for: 'other' })
    expect(await rejection(other.call('shop-1', 'quote', { sku: 'none' }))).toMatchObject({
      code: 'APPLICATION_ERROR',
      data: { code: 'OUT_OF_STOCK', data: { sku: 'none' } },
    })
    const report = await other.broadcast('shop', 'quote', { sku: 'C3' }, { want: 'replies' })
    expect(report.ok).toEqual(['shop-1'])
  })

  it('that is not there is NO_HANDLER, not delivered', async () => {
    expect(await rejection(asked('nobody'))).toMatchObject({ code: 'NO_HANDLER', outcome: 'not-delivered' })
  })
})

describe('several values', () => {
  it('come as a stream of an observable, and of a generator', async () => {
    const counted = await lastValueFrom(client.stream('count', 1_000).pipe(toArray()))
    expect(counted).toEqual(Array.from({ length: 1_000 }, (_, i) => ({ n: i + 1 })))
    const error = await rejection(lastValueFrom(client.stream('lines', 2)))
    expect(error).toMatchObject({ code: 'NO_MORE', data: { n: 2 } })
    expect(await firstValueFrom(client.stream('lines', 2).pipe(take(2), toArray()))).toEqual(['line 1', 'line 2'])
  })

  it('go both ways', async () => {
    const record = new SealwayRecord(undefined, { input: ['a', 'b'] })
    expect(await lastValueFrom(client.stream('echo', record).pipe(toArray()))).toEqual(['a', 'b'])
  })

  it('are refused to who calls for one answer, saying what to use', async () => {
    for (const pattern of ['count', 'lines']) {
      const error = await rejection(asked(pattern, 2))
      expect([error.code, error.message]).toEqual(['INVALID_ARGUMENT', expect.stringContaining('stream')])
    }
  })

  it('of one value are a stream of one', async () => {
    expect(await lastValueFrom(client.stream({ cmd: 'sum', by: 'list' }, [2, 3]).pipe(toArray()))).toEqual([5])
  })
})

describe('errors', () => {
  it('that are expected arrive as RpcException, with code and data', async () => {
    const error = await asked('quote', { sku: 'none' }).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(ExpectedRpcException)
    expect(error).toMatchObject({ code: 'OUT_OF_STOCK', data: { sku: 'none' }, cause: { code: 'APPLICATION_ERROR' } })
    expect((error as ExpectedRpcException).getError()).toMatchObject({ code: 'OUT_OF_STOCK', data: { sku: 'none' } })
  })

  it.each([
    ['text', 'RPC_EXCEPTION', { status: 'error', message: 'no such thing' }, 'no such thing'],
    ['object', 'RPC_EXCEPTION', { status: 404, message: 'not here' }, 'not here'],
    ['later', 'LATER', undefined, 'expected error LATER'],
    ['generated', 'MAPPED', 1, 'expected error MAPPED'],
  ])('keep what an RpcException carries: %s', async (how, code, data, message) => {
    const error = (await asked('fail', how).catch((thrown: unknown) => thrown)) as ExpectedRpcException
    expect(error).toBeInstanceOf(ExpectedRpcException)
    expect([error.code, error.data, error.message]).toEqual([code, data, message])
  })

  it('that are a crash say nothing of what crashed', async () => {
    const error = await rejection(asked('fail', 'bug'))
    expect(error).toBeInstanceOf(SealwayError)
    expect([error.code, error.message]).toEqual(['EXCEPTION', expect.not.stringContaining('secret')])
  })

  it('of the way are what the node says', async () => {
    const error = await rejection(asked('quote', new SealwayRecord({}, { to: 'nobody-1' })))
    expect(error).toMatchObject({ code: 'UNKNOWN_NODE', outcome: 'not-delivered' })
    expect(error).not.toBeInstanceOf(ExpectedRpcException)
  })
})

describe('who unsubscribes', () => {
  it('cancels the handler, and the observable that it returned', async () => {
    const running = client.send('never', {}).subscribe()
    await asked('quote', { sku: 'A1' }) // came after it on the same way
    running.unsubscribe()
    await until(() => seen.unsubscribed === 1 && seen.aborted === 1, 'the handler heard of it')
  })

  it('ends a stream at both ends', async () => {
    const running = client.stream('never', {}).subscribe()
    await asked('quote', { sku: 'A1' })
    running.unsubscribe()
    await until(() => seen.unsubscribed === 1, 'the observable was unsubscribed')
  })
})

describe('an event', () => {
  it('reaches every pattern that takes it, and who emitted it learns who has handled it', async () => {
    const report = await firstValueFrom(client.emit('orders.created', new SealwayRecord({ id: 1 }, { want: 'acks' })))
    expect(report).toMatchObject({ ok: ['shop-1'], failed: [], missing: [] })
    const patterns = seen.events.map(({ pattern, action, body, from }) => ({ pattern, action, body, from }))
    expect(patterns.sort((a, b) => (a.pattern < b.pattern ? -1 : 1))).toEqual([
      { pattern: 'orders.*', action: 'orders.created', body: { id: 1 }, from: 'web-1' },
      { pattern: 'orders.created', action: 'orders.created', body: { id: 1 }, from: 'web-1' },
    ])
  })

  it('is taken by one of those that share a consumer name', async () => {
    const second = new SealwayServer({ node: await net.join('shop-2', { groups: ['shop'] }) })
    const other = await NestFactory.createMicroservice(ShopModule, { strategy: second, logger: false })
    await other.listen()
    for (let i = 0; i < 4; i++) {
      await firstValueFrom(client.emit('orders.created', new SealwayRecord({ i }, { want: 'acks' })))
    }
    expect(seen.events.filter(({ pattern }) => pattern === 'orders.created')).toHaveLength(4)
    expect(seen.events.filter(({ pattern }) => pattern === 'orders.*')).toHaveLength(8)
    await other.close()
  })

  it('whose handler breaks is failed in the report, and ends nothing', async () => {
    const report = await firstValueFrom(client.emit('broken', new SealwayRecord({}, { want: 'acks' })))
    expect(report.failed).toMatchObject([{ name: 'shop-1', error: { code: 'EXCEPTION' } }])
    expect(await asked('quote', { sku: 'A1' })).toMatchObject({ price: 5 })
  })
})

describe('life', () => {
  it('closing lets what runs come to its end, and takes handlers off a node that others share', async () => {
    const slow = asked('slow')
    await until(() => seen.release !== undefined, 'it runs')
    await service.close()
    expect(node.connected).toBe(true)
    expect(node.actions).toEqual([])
    seen.release?.()
    expect(await slow).toBe('done')
    expect(await rejection(asked('quote', { sku: 'A1' }))).toMatchObject({ code: 'NO_HANDLER' })
  })

  it('tells how the link is, and gives the node', async () => {
    const states: string[] = []
    server.status.subscribe((status) => states.push(status))
    let back = 0
    server.on('connected', () => back++)
    net.cut('shop-1')
    await until(() => back === 1, 'it is back')
    expect(states).toEqual(['connected', 'disconnected', 'connected'])
    expect(server.unwrap()).toBe(node)
    await client.connect()
    expect(client.unwrap<Node>().name).toBe('web-1')
  })

  it('shares the node of a server with a client, which leaves it connected', async () => {
    const own = new SealwayClient({ node: () => server.node, to: 'shop-1' })
    expect(await firstValueFrom(own.send('quote', { sku: 'A1' }))).toMatchObject({ for: 'shop-1' })
    expect(own.unwrap()).toBe(node)
    await own.close()
    expect(node.connected).toBe(true)
  })

  it('has no node before it listens, and says what is wrong with its options', async () => {
    const early = new SealwayServer({ node })
    expect(() => early.unwrap()).toThrow(expect.objectContaining({ code: 'NOT_CONNECTED' }))
    expect(() => new SealwayClient({ node, to: 'every:where' })).toThrow(
      expect.objectContaining({ code: 'INVALID_NAME' }),
    )
    expect(() => new SealwayServer(undefined as never)).toThrow()
    const failed = new SealwayServer({ node: () => Promise.reject(new Error('no node today')) })
    expect(await new Promise((resolve) => failed.listen(resolve))).toEqual(new Error('no node today'))
  })

  it('does not start with a pattern that the node has already', async () => {
    const second = new SealwayServer({ node })
    const other = await NestFactory.createMicroservice(ShopModule, { strategy: second, logger: false })
    expect(await rejection(other.listen())).toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect(await asked('quote', { sku: 'A1' })).toMatchObject({ price: 5 })
  })
})
