// Middlewares around a handler, and the three ways to answer: a value, an expected error, a crash.
import { connect, type Middleware, SealwayError } from '@sealway/client'

const seconds: Middleware = async ({ action }, ctx, next) => {
  const began = performance.now()
  try {
    return await next()
  } finally {
    if (performance.now() - began > 1_000) console.error(`${action} of ${ctx.from} was slow`)
  }
}
const onlyShops: Middleware = (_command, ctx, next) => {
  if (!ctx.from.startsWith('shop-')) throw ctx.fail('SHOPS_ONLY', { from: ctx.from })
  return next()
}

const bank = await connect({ name: 'bank-1', groups: ['bank'] })
bank.on<{ euros: number }>('charge', seconds, onlyShops, ({ body }, ctx) => {
  if (body.euros > 100) throw ctx.fail('TOO_MUCH', { most: 100 }) // the caller is meant to handle it
  if (body.euros < 0) throw new Error('a defect') // nobody is: its message goes back, its stack stays here
  return { charged: body.euros }
})

const shop = await connect({ name: 'shop-1', reaches: ['bank'] })
const guest = await connect({ name: 'guest-1', reaches: ['bank'] })
console.log(await shop.call('bank-1', 'charge', { euros: 5 })) // { charged: 5 }

for (const [node, euros] of [
  [guest, 5],
  [shop, 500],
  [shop, -1],
] as const) {
  try {
    await node.call('bank-1', 'charge', { euros })
  } catch (error) {
    if (node.isExpected(error, 'TOO_MUCH')) console.log('at most', (error.data.data as { most: number }).most)
    else if (error instanceof SealwayError) console.log(error.code, JSON.stringify(error.data ?? null))
  }
}
// APPLICATION_ERROR {"code":"SHOPS_ONLY","data":{"from":"guest-1"}}
// at most 100
// EXCEPTION null

await Promise.all([bank, shop, guest].map((node) => node.close()))
