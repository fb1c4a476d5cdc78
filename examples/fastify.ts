// A Fastify app that is reached by its node's name, and that asks others; it listens on no port.
import { connect } from '@sealway/client'
import { sealway } from '@sealway/client/fastify'
import fastify from 'fastify'

const app = fastify()
await app.register(sealway, { name: 'api-1', groups: ['prices'], expose: { public: ['GET /health'] } })

app.get('/health', async () => ({ ok: true }))
app.get<{ Params: { sku: string } }>('/price/:sku', async (request) => {
  const price = await app.sealway.call('any:prices', 'price', request.params, { timeout: 1_000 })
  return { price, for: request.sealway?.from } // who asks, where it is another node
})
app.sealway.on('version', () => '1.0.0')
await app.ready() // connected, and exposed

const prices = await connect({ name: 'prices-1', groups: ['prices'] })
prices.on<{ sku: string }>('price', ({ body }) => body.sku.length)

const response = await prices.fetch('http://api-1/price/A123')
console.log(await response.json()) // { price: 4, for: 'prices-1' }
console.log(await prices.call('api-1', 'version')) // 1.0.0

await app.close() // finishes what runs, then leaves
await prices.close()
