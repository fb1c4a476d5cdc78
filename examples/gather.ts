// Asks all members of a group, and goes on with the first answers that are enough; the others are told to stop.
import { connect, SealwayError } from '@sealway/client'

const shops = await Promise.all([1, 2, 3].map((n) => connect({ name: `price-${n}`, groups: ['price'] })))
for (const [i, shop] of shops.entries()) {
  shop.on<{ lot: number }>('bid', async ({ body }, ctx) => {
    if (i < 2) return body.lot * (i + 1)
    // Somebody who takes long: fires when enough of the others have answered.
    await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve, { once: true }))
    throw ctx.fail('NOT_NEEDED')
  })
}

const buyer = await connect({ name: 'buyer-1', reaches: ['price'] })
const bids = await buyer.gather<number>('price', 'bid', { lot: 10 }, { need: 'majority' })
const prices = bids.map(({ body }) => body).sort()
console.log(prices.join(' ')) // 10 20

try {
  await buyer.gather('price', 'unheard-of', {}, { need: 2, timeout: 1_000 })
} catch (error) {
  if (!(error instanceof SealwayError)) throw error
  const { unhandled } = error.data as { unhandled: readonly string[] }
  console.log(error.code, unhandled.length >= 2) // NOT_ENOUGH true
}

await Promise.all([...shops, buyer].map((node) => node.close()))
