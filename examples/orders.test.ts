import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testNet } from '@sealway/client/testing'
import { orders } from './orders.js'

async function shop(seed?: number) {
  const net = testNet(seed === undefined ? {} : { seed })
  await net.stub('catalog', { price: { price: 7 } }) // stands in for a service that is not there
  const billing = await net.stub('billing', { charge: async () => void (await billing.sleep(100)) })
  orders(await net.connect('orders-1', { groups: ['orders'] }))
  return { net, customer: await net.connect('customer', { reaches: ['orders'] }) }
}

test('an order is charged', async () => {
  const { net, customer } = await shop()
  const order = await net.until(customer.call('any:orders', 'order', { sku: 'A1' })) // time goes by as far as it takes
  assert.deepEqual(order, { ordered: 'A1', price: 7 })
  assert.deepEqual(net.history.runs({ node: 'billing' })[0]?.body, { price: 7 })
  await net.close()
})

test('it is charged once, although the mediator restarts meanwhile', async () => {
  const { net, customer } = await shop()
  const order = customer.call('any:orders', 'order', { sku: 'A1' })
  await net.advance(50) // billing is at work
  net.restartMediator({ downMs: 200 })
  await assert.rejects(net.until(order), { code: 'LINK_LOST', outcome: 'unknown' })
  await net.advance(5_000)
  assert.equal(net.history.runs({ action: 'charge' }).length, 1)
  await net.close()
})

test('a billing that cannot be reached is an expected error, within its deadline', async () => {
  const { net, customer } = await shop()
  net.partition('orders-1', 'billing')
  const order = net.until(customer.call('any:orders', 'order', { sku: 'A1' }))
  await assert.rejects(order, { code: 'APPLICATION_ERROR', data: { code: 'NOT_CHARGED', data: { price: 7 } } })
  await net.close()
})

for (let seed = 1; seed <= 50; seed++) {
  test(`whatever gets lost, nobody is charged twice: seed ${seed}`, async () => {
    const { net, customer } = await shop(seed)
    net.faults({ drop: 0.1, duplicate: 0.2, reorder: 0.2, disconnect: 0.05, delay: [1, 40] })
    await net.until(customer.call('any:orders', 'order', { sku: 'A1' })).catch(() => {})
    await net.advance(5_000)
    assert.ok(net.history.runs({ action: 'charge' }).length <= 1, String(net.history))
    await net.close()
  })
}
