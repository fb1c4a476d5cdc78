// Never run: `make check` compiles it, and each line that must not compile says so.
import {
  type BroadcastReport,
  connect,
  expectError,
  isExpected,
  type Node,
  type Receipt,
  type TypedNode,
} from '@sealway/client'
import { requires, userOf } from '@sealway/client/plugins'
import { exactly } from './same.js'

interface Orders {
  quote: {
    body: { sku: string }
    reply: { price: number }
    errors: { OUT_OF_STOCK: { sku: string }; CLOSED: undefined }
  }
  note: { body: string }
  count: { reply: number }
  export: { body: { day: string }; items: { sku: string } }
  'order.created': { event: { id: string } }
  'order.paid': { event: { id: string; cents: number } }
  'order.paid.late': { event: { days: number } }
  tick: { event: undefined }
}
interface Billing {
  charge: { body: { order: string; amount: number }; reply: { id: string }; errors: { REFUSED: { why: string } } }
}

export async function typed() {
  const node = await connect<Orders>({ groups: ['orders'] })
  exactly<TypedNode<Orders>>()(node)
  exactly<TypedNode<Orders>>()(await connect<Orders>('http://127.0.0.1:4567', { groups: ['orders'] }))

  // Calls: body, reply and action.
  exactly<{ price: number }>()(await node.call('any:orders', 'quote', { sku: 'A1' }, { timeout: 2_000 }))
  exactly<number>()(await node.call('any:orders', 'count'))
  exactly<number>()(await node.call('any:orders', 'count', undefined, { timeout: 1 }))
  exactly<undefined>()(await node.call('any:orders', 'note', 'text'))
  exactly<void>()(await node.send('orders-1', 'note', 'text'))
  exactly<Receipt>()(await node.sendAcked('orders-1', 'note', 'text', { id: '1' }))
  exactly<{ from: string; body: { price: number } }[]>()(await node.gather('orders', 'quote', { sku: 'A1' }))
  const { replies } = await node.broadcast('orders', 'quote', { sku: 'A1' }, { want: 'replies' })
  exactly<ReadonlyMap<string, { price: number }>>()(replies)
  // @ts-expect-error a body of another form
  await node.call('any:orders', 'quote', { sku: 1 })
  // @ts-expect-error no body where there must be one
  await node.call('any:orders', 'quote')
  // @ts-expect-error a body where there is none
  await node.call('any:orders', 'count', { all: true })
  // @ts-expect-error an action that is not in the map
  await node.call('any:orders', 'qoute', { sku: 'A1' })
  // @ts-expect-error a reply of another form
  exactly<{ price: string }>()(await node.call('any:orders', 'quote', { sku: 'A1' }))
  // @ts-expect-error as in a call
  await node.send('orders-1', 'note', 1)
  // @ts-expect-error as in a call
  await node.sendAcked('orders-1', 'note')
  // @ts-expect-error an option that does not exist
  await node.call('any:orders', 'count', undefined, { timeuot: 1 })

  // Handlers: body, answer and expected errors.
  node.on('quote', async ({ body, meta }, ctx) => {
    exactly<{ sku: string }>()(body)
    exactly<{ readonly [name: string]: unknown }>()(meta)
    exactly<string>()(ctx.from)
    exactly<AbortSignal>()(ctx.signal)
    exactly<number | undefined>()(ctx.remaining)
    if (body.sku === '') throw ctx.fail('OUT_OF_STOCK', { sku: body.sku })
    if (body.sku === '-') throw ctx.fail('CLOSED')
    // @ts-expect-error a code that the action does not have
    ctx.fail('OUT_OF_STOKC', { sku: '' })
    // @ts-expect-error data of another form
    ctx.fail('OUT_OF_STOCK', { sku: 1 })
    // @ts-expect-error data left out
    ctx.fail('OUT_OF_STOCK')
    return { price: userOf(ctx) ? 1 : 2 }
  })
  node.on('note', ({ body }) => {
    exactly<string>()(body)
  })
  node.on('note', async () => {})
  node.once('count', { concurrency: 1 }, () => 3)
  node.replace('quote', requires('clerk'), ({ body }) => ({ price: body.sku.length }))
  node.on('quote', { concurrency: 2 }, requires('clerk'), ({ body }, ctx) => {
    if (body.sku === '-') throw ctx.fail('CLOSED')
    return { price: 1 }
  })
  node.on('*', ({ action, body }) => {
    exactly<unknown>()(body)
    return action
  })
  // @ts-expect-error an answer of another form
  node.on('quote', () => ({ price: 'much' }))
  // @ts-expect-error no answer
  node.on('quote', () => {})
  // @ts-expect-error an action that is not in the map
  node.on('qoute', () => ({ price: 1 }))
  // @ts-expect-error an option that does not exist
  node.on('count', { concurency: 1 }, () => 3)
  // @ts-expect-error no handler
  node.on('count')
  node.off('quote')
  // @ts-expect-error an action that is not in the map
  node.off('qoute')

  // Streams: items.
  for await (const item of node.stream('any:orders', 'export', { day: 'monday' })) exactly<{ sku: string }>()(item)
  node.on('export', async function* ({ body }) {
    exactly<{ day: string }>()(body)
    yield { sku: 'A1' }
  })
  node.replace('export', () => [{ sku: 'A1' }].values())
  // @ts-expect-error an action that is no stream
  node.stream('any:orders', 'quote', { sku: 'A1' })
  // @ts-expect-error a body of another form
  node.stream('any:orders', 'export', { day: 1 })
  // @ts-expect-error items of another form
  node.on('export', async function* () {
    yield { sku: 1 }
  })

  // Events: what they carry, by name and by pattern.
  exactly<BroadcastReport>()(await node.publish('order.created', { id: '1' }, { want: 'acks' }))
  await node.publish('tick')
  // @ts-expect-error a body of another form
  await node.publish('order.created', { id: 1 })
  // @ts-expect-error no body where there must be one
  await node.publish('order.created')
  // @ts-expect-error an event that is not in the map
  await node.publish('order.craeted', { id: '1' })
  // @ts-expect-error an action is no event
  await node.publish('note', 'text')
  // @ts-expect-error an event is no action
  await node.call('any:orders', 'order.created', { id: '1' })
  const off = node.subscribe('order.paid', ({ action, body }, ctx) => {
    exactly<'order.paid'>()(action)
    exactly<{ id: string; cents: number }>()(body)
    exactly<string>()(ctx.from)
  })
  exactly<() => void>()(off)
  node.subscribe('order.*', (command) => {
    exactly<'order.created' | 'order.paid'>()(command.action)
    if (command.action === 'order.paid') exactly<number>()(command.body.cents)
    // @ts-expect-error not every event of the pattern has it
    return command.body.cents
  })
  node.subscribe('order.>', ({ action }) => exactly<'order.created' | 'order.paid' | 'order.paid.late'>()(action))
  node.subscribe('*', ({ action, body }) => {
    exactly<'tick'>()(action)
    exactly<undefined>()(body)
  })
  const known: string = 'order.*'
  node.subscribe(known, ({ action }) => exactly<'order.created' | 'order.paid' | 'order.paid.late' | 'tick'>()(action))
  for await (const one of node.subscribe('*.*.late', { consumer: 'reminders' })) {
    exactly<'order.paid.late'>()(one.event)
    exactly<{ days: number }>()(one.body)
  }
  // @ts-expect-error a pattern that takes no event of the map
  node.subscribe('orders.*', () => {})
  // @ts-expect-error an option that does not exist
  node.subscribe('tick', () => {}, { consmer: 'x' })

  // Errors: narrowed by their code.
  try {
    await node.call('any:orders', 'quote', { sku: 'A1' })
  } catch (error) {
    exactly<unknown>()(error)
    if (node.isExpected(error, 'OUT_OF_STOCK')) {
      exactly<'APPLICATION_ERROR'>()(error.code)
      exactly<'OUT_OF_STOCK'>()(error.data.code)
      exactly<{ sku: string }>()(error.data.data)
      exactly<'not-delivered' | 'unknown'>()(error.outcome)
    }
    exactly<{ sku: string }>()(node.expectError(error, 'OUT_OF_STOCK'))
    exactly<undefined>()(node.expectError(error, 'CLOSED'))
    // @ts-expect-error a code that no action has
    node.isExpected(error, 'OUT_OF_STOKC')
    // @ts-expect-error a code that no action has
    node.expectError(error, 'OUT_OF_STOKC')
  }

  // What has no type goes by the same node without it.
  exactly<Node>()(node.untyped)
  await node.untyped.call('orders-1', 'stats.read')
  exactly<TypedNode<Orders>>()(node.use({ name: 'mine' }))
  exactly<string>()(node.name)
  await using _leaves = node
}

export async function several() {
  const node = await connect<Orders & Billing>({ groups: ['orders', 'billing'] })
  exactly<{ id: string }>()(await node.call('any:billing', 'charge', { order: 'o', amount: 3 }))
  exactly<number>()(await node.call('any:orders', 'count'))
  const error: unknown = undefined
  exactly<{ why: string }>()(node.expectError(error, 'REFUSED'))
  exactly<{ sku: string }>()(node.expectError(error, 'OUT_OF_STOCK'))
}

export async function withoutEvents() {
  const node = await connect<Billing>({ groups: ['billing'] })
  await node.publish('anything.happened', { n: 1 }, { in: 'billing' })
  const off = node.subscribe('anything.*', ({ action }) => exactly<string>()(action))
  exactly<() => void>()(off)
  for await (const { event, body } of node.subscribe('anything.>')) {
    exactly<string>()(event)
    exactly<unknown>()(body)
  }
}

export async function untyped() {
  const node = await connect({ groups: ['orders'] })
  exactly<Node>()(node)
  exactly<Node>()(await connect('http://127.0.0.1:4567', { groups: ['orders'] }))
  exactly<unknown>()(await node.call('any:orders', 'quote', { sku: 'A1' }))
  exactly<{ price: number }>()(await node.call<{ price: number }>('any:orders', 'quote', { sku: 'A1' }))
  node.on<{ sku: string }>('quote', ({ body }, ctx) => {
    exactly<{ sku: string }>()(body)
    throw ctx.fail('WHATEVER', { sku: body.sku })
  })
  node.on('quote', ({ body }) => {
    exactly<unknown>()(body)
    // @ts-expect-error what it is must be said first
    return body.sku
  })
  node.on<{ sku: string }>('quote', requires(), ({ body }) => body.sku)
  node.on('quote', { concurrency: 1 }, requires(), requires('clerk'), ({ body }) => body)
  const error: unknown = undefined
  if (isExpected<{ sku: string }>(error, 'OUT_OF_STOCK')) exactly<{ sku: string }>()(error.data.data)
  if (node.isExpected(error, 'OUT_OF_STOCK')) exactly<unknown>()(error.data.data)
  exactly<{ sku: string }>()(expectError<{ sku: string }>(error, 'OUT_OF_STOCK'))
}

interface Misspelt {
  quote: { boddy: { sku: string }; reply: number }
  count: { rely: number }
}
// @ts-expect-error a map with a field that means nothing
export const misspelt = () => connect<Misspelt>({ groups: ['orders'] })
