// Streams both ways. Whoever reads pulls: a sender that is faster waits, however long the stream is.
import { connect } from '@sealway/client'

const store = await connect({ name: 'store-1', groups: ['store'] })
// From the handler: a generator, a Node stream, a web stream.
store.on<{ days: number }>('export', async function* ({ body }) {
  for (let day = 1; day <= body.days; day++) yield { day }
})
// To the handler: it reads `ctx.input`, and what it returns comes at the end.
store.on('import', async (_command, { input }) => {
  let sum = 0
  for await (const { n } of input as AsyncIterable<{ n: number }>) sum += n
  return { sum }
})
// Both ways at once.
store.on('double', async function* (_command, { input }) {
  for await (const n of input as AsyncIterable<number>) yield n * 2
})

const user = await connect({ name: 'user-1', reaches: ['store'] })

let days = 0
for await (const _ of user.stream<{ day: number }>('any:store', 'export', { days: 1_000 })) days++
console.log(days) // 1000

for await (const { day } of user.stream<{ day: number }>('store-1', 'export', { days: 1_000_000_000 })) {
  if (day === 3) break // ends it at the other end, too
}

const input = Array.from({ length: 100 }, (_, i) => ({ n: i + 1 }))
console.log(await user.stream('store-1', 'import', undefined, { input }).result()) // { sum: 5050 }

const both = user.stream<number>('store-1', 'double')
const writer = both.input
await writer.write(21)
console.log((await both.next()).value) // 42
await writer.end()
console.log((await both.next()).done) // true

await Promise.all([store.close(), user.close()])
