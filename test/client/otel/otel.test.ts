import { AsyncLocalStorage } from 'node:async_hooks'
import {
  type Context,
  type ContextManager,
  context,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  trace,
} from '@opentelemetry/api'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import type { Node } from '../../../client-lib/src/node.js'
import { otel } from '../../../client-lib/src/otel/otel.js'
import { Net } from '../../support/net.js'
import { rejection, until } from '../../support/until.js'

/** What a program gets from @opentelemetry/context-async-hooks. */
class Contexts implements ContextManager {
  private readonly storage = new AsyncLocalStorage<Context>()
  active = (): Context => this.storage.getStore() ?? ROOT_CONTEXT
  with<A extends unknown[], F extends (...args: A) => ReturnType<F>>(
    active: Context,
    run: F,
    self?: ThisParameterType<F>,
    ...args: A
  ): ReturnType<F> {
    return this.storage.run(active, () => run.apply(self, args))
  }
  bind<T>(_active: Context, target: T): T {
    return target
  }
  enable = (): this => this
  disable = (): this => this
}

let net: Net
let alice: Node
let bob: Node
const exporter = new InMemorySpanExporter()
const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })

beforeAll(() => void context.setGlobalContextManager(new Contexts()))
afterAll(() => context.disable())
beforeEach(async () => {
  exporter.reset()
  net = new Net()
  ;[alice, bob] = await Promise.all([net.join('alice'), net.join('bob')])
  for (const node of [alice, bob]) node.use(otel({ tracerProvider }))
})
afterEach(() => net.close())

/** The finished span of that name, when there is one. */
async function span(name: string): Promise<ReadableSpan> {
  const found = () => exporter.getFinishedSpans().find((each) => each.name === name)
  await until(() => found() !== undefined, `a span ${name}`)
  return found()!
}

describe('a call', () => {
  it('is a client span, and a server span that is its child', async () => {
    bob.on('add', ({ body }) => (body as number) + 1)
    expect(await alice.call('bob', 'add', 1)).toBe(2)
    const [client, server] = [await span('call add'), await span('handle add')]
    expect([client.kind, server.kind]).toEqual([SpanKind.CLIENT, SpanKind.SERVER])
    expect(server.spanContext().traceId).toBe(client.spanContext().traceId)
    expect(server.parentSpanContext?.spanId).toBe(client.spanContext().spanId)
    expect(client.attributes).toMatchObject({
      'messaging.system': 'sealway',
      'messaging.destination.name': 'bob',
      'messaging.client.id': 'alice',
      'sealway.action': 'add',
    })
    expect(server.attributes).toMatchObject({ 'sealway.from': 'alice', 'sealway.handled': 'answered' })
  })

  it('that a handler makes is a child of what it handles, also after it waited', async () => {
    const carol = await net.join('carol')
    carol.use(otel({ tracerProvider }))
    carol.on('price', () => 3)
    bob.on('quote', async () => {
      await Promise.resolve()
      return bob.call('carol', 'price')
    })
    expect(await alice.call('bob', 'quote')).toBe(3)
    const [quote, price] = [await span('handle quote'), await span('call price')]
    expect(price.parentSpanContext?.spanId).toBe(quote.spanContext().spanId)
    expect((await span('handle price')).spanContext().traceId).toBe((await span('call quote')).spanContext().traceId)
  })

  it('that fails is marked at both ends, with the code and never the body', async () => {
    bob.on('fail', (_command, ctx) => {
      throw ctx.fail('OUT_OF_STOCK', { canary: 'canary-1' })
    })
    bob.on('crash', () => {
      throw new TypeError('boom')
    })
    await rejection(alice.call('bob', 'fail', { canary: 'canary-2' }))
    await rejection(alice.call('bob', 'crash'))
    await rejection(alice.call('bob', 'nothing-there'))
    const spans = await Promise.all(
      ['call fail', 'handle fail', 'call crash', 'handle crash', 'call nothing-there'].map(span),
    )
    expect(spans.map(({ attributes, status }) => [attributes['error.type'], status.code])).toEqual([
      ['APPLICATION_ERROR', 2],
      ['OUT_OF_STOCK', 2],
      ['EXCEPTION', 2],
      ['TypeError', 2],
      ['NO_HANDLER', 2],
    ])
    expect(JSON.stringify(spans.map(({ attributes, status }) => [attributes, status]))).not.toContain('canary')
  })
})

it('a message that nobody waits for is a producer span, and a consumer span', async () => {
  bob.on('note', () => {})
  await alice.send('bob', 'note')
  const [producer, consumer] = [await span('send note'), await span('handle note')]
  expect([producer.kind, consumer.kind]).toEqual([SpanKind.PRODUCER, SpanKind.CONSUMER])
  expect(consumer.parentSpanContext?.spanId).toBe(producer.spanContext().spanId)
})

it('a broadcast has one span, and one at each member', async () => {
  bob.on('flush', () => {})
  await alice.broadcast('g', 'flush')
  expect((await span('broadcast flush')).kind).toBe(SpanKind.PRODUCER)
  expect((await span('handle flush')).parentSpanContext?.spanId).toBe(
    (await span('broadcast flush')).spanContext().spanId,
  )
})

it('an event that is published has a span where it is taken', async () => {
  bob.subscribe('orders.*', () => {})
  await until(() => bob.connected, 'connected')
  await alice.publish('orders.created', { id: 1 }, { want: 'acks' })
  expect((await span('handle orders.created')).parentSpanContext?.spanId).toBe(
    (await span('publish orders.created')).spanContext().spanId,
  )
})

it('a stream is handled until it has ended', async () => {
  let goOn = (): void => {}
  const gate = new Promise<void>((resolve) => {
    goOn = resolve
  })
  bob.on('export', async function* () {
    yield 1
    await gate
    yield 2
  })
  const items: unknown[] = []
  for await (const item of alice.stream('bob', 'export')) {
    if (items.push(item) > 1) continue
    expect((await span('stream export')).kind).toBe(SpanKind.CLIENT)
    expect(exporter.getFinishedSpans().map(({ name }) => name)).toEqual(['stream export'])
    goOn()
  }
  expect(items).toEqual([1, 2])
  expect((await span('handle export')).attributes).toMatchObject({ 'sealway.handled': 'answered' })
})

it('baggage travels with it', async () => {
  let seen: string | undefined
  bob.on('who', () => {
    seen = propagation.getBaggage(context.active())?.getEntry('tenant')?.value
  })
  const active = propagation.setBaggage(
    context.active(),
    propagation.createBaggage({ tenant: { value: 'a, b=c' }, other: { value: 'x' } }),
  )
  await context.with(active, () => alice.call('bob', 'who'))
  expect(seen).toBe('a, b=c')
})

it('what the caller gives as traceparent stays', async () => {
  const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
  let seen: string | undefined
  bob.on('who', (_command, ctx) => {
    seen = ctx.traceparent
  })
  await alice.call('bob', 'who', 1, { traceparent })
  expect(seen).toBe(traceparent)
})

it('does nothing where no SDK is registered', async () => {
  trace.disable()
  const [dora, emil] = await Promise.all([net.join('dora'), net.join('emil')])
  for (const node of [dora, emil]) node.use(otel())
  let seen: string | undefined = 'unset'
  emil.on('who', (_command, ctx) => {
    seen = ctx.traceparent
  })
  await dora.call('emil', 'who')
  expect([seen, exporter.getFinishedSpans()]).toEqual([undefined, []])
})
