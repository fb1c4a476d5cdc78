// Handled once, and proved: the receiver's library seals a receipt when its handler is done.
import { connect } from '@sealway/client'

const billing = await connect({ name: 'billing-1', groups: ['billing'] })
const charged: number[] = []
billing.on<{ euros: number }>('charge', ({ body }) => void charged.push(body.euros))

const shop = await connect({ name: 'shop-1', reaches: ['billing'] })
const receipt = await shop.sendAcked('billing-1', 'charge', { euros: 5 }, { id: 'order:42' })
console.log(receipt.by) // billing-1

// Was it done? Nobody has to know: under the same id it is not done again.
await shop.sendAcked('billing-1', 'charge', { euros: 5 }, { id: 'order:42' })
console.log(charged.length) // 1

await Promise.all([billing.close(), shop.close()])
