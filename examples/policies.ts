// What happens to a call that fails, and how long it may take, is said once, for a target. More in docs/policies.md.
import { connect, type SealwayError } from '@sealway/client'

const stock = await connect({ name: 'stock-1', groups: ['stock'] })
let crashes = 0
stock.on('crash', () => {
  crashes++
  throw new Error('always')
})
stock.on('slow', () => new Promise(() => {}))

const shop = await connect({
  name: 'shop-1',
  reaches: ['stock'],
  policies: [
    { target: '*', timeout: 5_000 },
    { target: 'stock-1', retries: { max: 5, firstMs: 50 } },
    { target: 'stock-1', action: 'slow', timeout: 100 },
    { target: 'stock-1', action: 'crash', breaker: { failures: 2 } },
  ],
})

const { timeoutMs, retries } = shop.policyFor('stock-1', 'slow') ?? {}
console.log(timeoutMs, retries?.max) // 100 5

const codes: string[] = []
const failed = ({ code }: SealwayError) => codes.push(code)
await shop.call('stock-1', 'slow').catch(failed) // may have been done, so it is not repeated
for (let i = 0; i < 3; i++) await shop.call('stock-1', 'crash').catch(failed)
console.log(codes.join(' '), crashes) // TIMEOUT EXCEPTION EXCEPTION CIRCUIT_OPEN 2

shop.updatePolicies([{ target: 'stock-1', timeout: 50 }]) // while it runs
console.log(shop.policyFor('stock-1', 'slow')?.timeoutMs) // 50

await Promise.all([stock.close(), shop.close()])
