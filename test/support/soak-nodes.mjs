// Nodes under steady traffic in a process of their own, as they are built: prints what became of messages and memory.
// Usage: node --expose-gc soak-nodes.mjs '{"url": ..., "jwtSecret": ..., "seconds": ..., "names": ..., "callers": ...}'
import { generateKeySync } from 'node:crypto'
import { getEventListeners } from 'node:events'
import { readdirSync } from 'node:fs'
import { setTimeout as after } from 'node:timers/promises'
import { connect } from '../../client-lib/dist/esm/index.js'

const { url, jwtSecret, seconds, names, callers } = JSON.parse(process.argv[2])
process.env.PROTECTED_BASIC_AND_JWT = jwtSecret
const keys = `mk1_${generateKeySync('aes', { length: 256 }).export().toString('base64url')}`
const rejections = []
process.on('unhandledRejection', (reason) => rejections.push(String(reason)))
process.on('warning', (warning) => rejections.push(String(warning)))

const join = (name) => connect({ name, groups: ['soak'], url, keys })
const nodes = await Promise.all(['n-1', 'n-2', 'n-3', 'n-4'].map(join))
const shared = new AbortController()
const { signal } = shared
const sent = { fires: 0, acked: 0, calls: 0, items: 0, events: 0 }
const got = { fires: 0, acked: 0, calls: 0, items: 0, events: 0 }
const dropped = []
for (const node of nodes) {
  node.on('fire', () => void got.fires++)
  node.on('acked', () => void got.acked++)
  node.on('echo', ({ body }) => body)
  node.on('nested', ({ body }) => node.call('n-1', 'echo', body))
  node.on('items', async function* ({ body }) {
    for (let i = 0; i < body; i++) yield { i }
  })
  node.subscribe('soak.happened', () => void got.events++)
  node.events.on('dropped', ({ to, code }) => to.startsWith('n-') && dropped.push(`${to} ${code}`))
  node.events.on('gap', ({ from }) => dropped.push(`gap ${from}`))
}

/** One round of everything: about 30 messages. */
async function round(i) {
  const from = nodes[i % 4]
  const to = `n-${((i + 1) % 4) + 1}`
  for (let k = 0; k < 20; k++, sent.fires++) await from.send(to, 'fire', { i, k, text: 'a line of text' })
  sent.acked++
  await from.sendAcked(to, 'acked', { i }, { signal })
  for (const [action, options] of [
    ['echo', { signal }],
    ['echo', { signal, idempotent: true }],
    ['nested', { signal }],
  ]) {
    sent.calls++
    if ((await from.call(to, action, i, options)) === i) got.calls++
  }
  sent.items += 5
  for await (const _item of from.stream(to, 'items', 5, { signal })) got.items++
  sent.events += 4
  await from.publish('soak.happened', i, { signal })
}

let next = 0
async function traffic(ms) {
  const end = performance.now() + ms
  while (performance.now() < end) {
    await Promise.all(Array.from({ length: 4 }, () => round(next++)))
    // Half of the time at most.
    await after(4)
  }
}

async function settled() {
  for (let i = 0; i < 100 && got.fires + got.events < sent.fires + sent.events; i++) await after(20)
  await after(200)
  gc()
  await after(20)
  gc()
  const kinds = {}
  for (const kind of process.getActiveResourcesInfo()) kinds[kind] = (kinds[kind] ?? 0) + 1
  const { heapUsed, rss } = process.memoryUsage()
  return {
    heap: heapUsed,
    rss,
    descriptors: readdirSync('/proc/self/fd').length,
    timers: kinds.Timeout ?? 0,
    listeners: getEventListeners(signal, 'abort').length,
  }
}

async function churn(count) {
  for (let i = 0; i < count.names; i++) {
    await nodes[0].send(`nobody-${i}`, 'fire', 'x').catch(() => {})
    if (i % 50 === 49) await after(30)
  }
  for (let i = 0; i < count.callers; i += 10) {
    const some = await Promise.all(Array.from({ length: 10 }, (_, k) => join(`c-${i + k}`)))
    await Promise.all(some.map((node, k) => node.call(`n-${(k % 4) + 1}`, 'echo', i)))
    await Promise.all(some.map((node) => node.close()))
  }
}

// What is made once is there before the first look: code, pools, tables.
await traffic(Math.max(1_500, Math.min(60_000, seconds * 100)))
await churn({ names: 50, callers: 10 })
const base = await settled()
const samples = []
const parts = Math.max(4, Math.min(40, Math.floor(seconds / 15)))
for (let i = 0; i < parts; i++) {
  await traffic((seconds * 1_000) / parts)
  const { heap, rss } = await settled()
  samples.push({ at: performance.now(), heap, rss })
}
const afterTraffic = await settled()
await churn({ names, callers })
// Routes to names that are not there are given up after 10 to 20 s, answers that are kept soon after their deadline.
if (names > 256) await after(45_000)
const afterChurn = await settled()
console.log(JSON.stringify({ base, samples, afterTraffic, afterChurn, sent, got, dropped, rejections }))
await Promise.all(nodes.map((node) => node.close()))
