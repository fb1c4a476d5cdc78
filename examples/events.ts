// Publish and subscribe. Each subscriber gets an event; of those with one consumer name, one of them does.
import { connect } from '@sealway/client'

const nodes = await Promise.all(['audit-1', 'mail-1', 'mail-2'].map((name) => connect({ name, groups: ['orders'] })))
const [audit, ...mailers] = nodes
let seen = 0
let mails = 0
audit!.subscribe('orders.>', () => void seen++)
for (const mailer of mailers) mailer.subscribe('orders.created', () => void mails++, { consumer: 'mail' })

const shop = await connect({ name: 'shop-1', reaches: ['orders'] })
for (let id = 1; id <= 10; id++) {
  const report = await shop.publish('orders.created', { id }, { want: 'acks' })
  if (report.ok.length !== 2) throw new Error(`order ${id} was handled by ${report.ok.join(' ') || 'nobody'}`)
}
await shop.publish('orders.paid.late', { id: 1 }, { want: 'acks' }) // no mail for this one
console.log(seen, mails) // 11 10

await Promise.all([...nodes, shop].map((node) => node.close()))
