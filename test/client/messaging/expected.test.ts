import { connect, expectError, isExpected, SealwayError, type TypedNode } from '@sealway/client'
import { Net } from '../../support/net.js'
import { rejection } from '../../support/until.js'

interface Orders {
  quote: { body: { sku: string }; reply: { price: number }; errors: { OUT_OF_STOCK: { sku: string } } }
}

let net: Net
beforeEach(() => {
  net = new Net()
})
afterEach(() => net.close())

it('an expected error is told from all others by its code, and hands out its data', async () => {
  const [alice, bob] = (await Promise.all([net.join('alice'), net.join('bob')])) as unknown as TypedNode<Orders>[]
  bob!.on('quote', ({ body }, ctx) => {
    throw ctx.fail('OUT_OF_STOCK', { sku: body.sku })
  })
  const error = await rejection(alice!.call('bob', 'quote', { sku: 'A1' }))
  expect(isExpected(error, 'OUT_OF_STOCK')).toBe(true)
  expect(isExpected(error, 'CLOSED')).toBe(false)
  expect([alice!.isExpected(error, 'OUT_OF_STOCK'), alice!.expectError(error, 'OUT_OF_STOCK')]).toEqual([
    true,
    { sku: 'A1' },
  ])
  expect(expectError(error, 'OUT_OF_STOCK')).toEqual({ sku: 'A1' })
  expect(alice!.untyped).toBe(alice)
})

it.each<[string, unknown]>([
  ['another code of the library', new SealwayError('TIMEOUT')],
  ['an expected error without data', new SealwayError('APPLICATION_ERROR')],
  ['an expected error whose data is no object', new SealwayError('APPLICATION_ERROR', { data: 'OUT_OF_STOCK' })],
  ['another expected error', new SealwayError('APPLICATION_ERROR', { data: { code: 'CLOSED' } })],
  ['an error of somebody else', Object.assign(new Error('x'), { data: { code: 'OUT_OF_STOCK' } })],
  ['text', 'OUT_OF_STOCK'],
  ['undefined', undefined],
])('%s is not expected, and is thrown on as it is', (_what, error) => {
  expect(isExpected(error, 'OUT_OF_STOCK')).toBe(false)
  let thrown: unknown = 'nothing'
  try {
    expectError(error, 'OUT_OF_STOCK')
  } catch (caught) {
    thrown = caught
  }
  expect(thrown).toBe(error)
})

it('connect says what it needs, with a map of actions or without', async () => {
  expect(await rejection(connect(undefined as never))).toMatchObject({ code: 'INVALID_ARGUMENT' })
  expect(await rejection(connect<Orders>('http://127.0.0.1:1', undefined as never))).toMatchObject({
    code: 'INVALID_ARGUMENT',
  })
})
