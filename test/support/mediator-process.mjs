// A mediator in a process of its own, with its registry in memory: for tests that look at its memory, or at whether it
// survives. Started by spawn-mediator.ts, which talks to it over the IPC channel.

import { createSecretKey } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { createMediator } from '../../server/dist/mediator.js'
import { createRegistry } from '../../server/dist/registry/create-registry.js'
import { openDatabase } from '../../server/dist/store/database.js'
import { migrate } from '../../server/dist/store/migrate.js'

const failures = []
for (const event of ['uncaughtException', 'unhandledRejection']) {
  process.on(event, (error) => failures.push(`${event}: ${error?.stack ?? error}`))
}
const at = (level) => (fields, message) => {
  if (level === 'error') failures.push(`${message}: ${fields.err?.stack ?? JSON.stringify(fields)}`)
}
const left = []
const log = {
  debug() {},
  info(fields, message) {
    if (message === 'node left') left.push({ node: fields.node, code: fields.code })
  },
  warn() {},
  error: at('error'),
}

const { jwtSecret, adminPassword, ...config } = JSON.parse(process.argv[2])
const db = await openDatabase('sqlite::memory:', log)
await migrate(db)
const mediator = await createMediator(
  {
    ...config,
    jwtSecret: createSecretKey(Buffer.from(jwtSecret)),
    adminPassword: createSecretKey(Buffer.from(adminPassword)),
  },
  { registry: createRegistry(db), log, processors: availableParallelism() },
)
const ports = await mediator.listen()

process.on('message', async ({ id, question }) => {
  process.send({ id, answer: await answer(question) })
})
process.on('disconnect', () => process.exit(0))
process.send({ id: 0, answer: ports })

async function answer(question) {
  switch (question) {
    case 'state':
      return {
        failures,
        left,
        links: mediator.relay.links(),
        linkCount: mediator.relay.linkCount,
        queuedBytes: mediator.relay.budget.usedBytes,
        counters: mediator.relay.counters.snapshot(),
        rssBytes: process.memoryUsage.rss(),
      }
    case 'memory': {
      // What is freed by one collection may hold what the next one frees.
      for (let i = 0; i < 6; i++) {
        await new Promise(setImmediate)
        globalThis.gc()
      }
      const { rss, heapUsed, arrayBuffers, external } = process.memoryUsage()
      return { rss, heapUsed, arrayBuffers, external }
    }
    default:
      throw new Error(`cannot answer ${question}`)
  }
}
