// A passive service: it listens, and prints what arrives. `make client`, or `make client NAME=client-2` for one more.
import { connect } from '@sealway/client'
import { loadSecrets } from './environment.js'
import { drainOnSignal, giveUp, logger, say } from './terminal.js'

await loadSecrets()
// Until the mediator is there, however long that takes.
const node = await connect({ name: process.argv[2] || 'client-1', groups: ['demo'], timeout: Infinity, logger }).catch(
  giveUp,
)
drainOnSignal(node)

// A message that nobody waits for.
node.on<{ text: string }>('note', ({ body }, { from, to }) => {
  say(`note from ${from} to ${to}: ${body.text}`)
})

// A call: what the handler returns is the answer.
node.on<{ a: number; b: number }>('add', ({ body }, ctx) => {
  // An expected error, which the caller gets as such; anything else that is thrown is a crash.
  if (!Number.isSafeInteger(body.a + body.b)) throw ctx.fail('TOO_BIG', body)
  say(`call from ${ctx.from}: ${body.a} + ${body.b}`)
  return { sum: body.a + body.b, by: node.name }
})

say(`${node.name} listens in the group demo`)
await node.closed
say(`${node.name} is closed`)
