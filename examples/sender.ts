// An active service: every few seconds it sends, calls and broadcasts, and prints the answers. `make sender`.
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, SealwayError } from '@sealway/client'
import { loadSecrets } from './environment.js'
import { drainOnSignal, giveUp, logger, say } from './terminal.js'

await loadSecrets()
// Until the mediator is there, however long that takes.
const node = await connect({ name: process.argv[2] || 'sender-1', groups: ['demo'], timeout: Infinity, logger }).catch(
  giveUp,
)
drainOnSignal(node)

const stop = new AbortController()
void node.closed.then(() => stop.abort())
const everyMs = Number(process.env.EVERY_MS ?? 3_000)

for (let n = 1; !stop.signal.aborted; n++) {
  await attempt('send to client-1', async () => {
    await node.send('client-1', 'note', { text: `number ${n}` })
    return 'on its way'
  })
  await attempt('call client-1', async () => {
    const { sum } = await node.call<{ sum: number }>('client-1', 'add', { a: n, b: n }, { timeout: 2_000 })
    return `${n} + ${n} = ${sum}`
  })
  await attempt('call any:demo', async () => {
    const { by } = await node.call<{ by: string }>('any:demo', 'add', { a: n, b: 1 }, { timeout: 2_000 })
    return `answered by ${by}`
  })
  await attempt('broadcast to demo', async () => {
    const report = await node.broadcast('demo', 'note', { text: `to all, ${n}` }, { want: 'acks', timeout: 2_000 })
    const failed = report.failed.map(({ name, error }) => `${name} (${error.code})`)
    return `done by ${list(report.ok)}; failed ${list(failed)}; missing ${list(report.missing)}`
  })
  await sleep(everyMs, undefined, { signal: stop.signal }).catch(() => {})
}
say(`${node.name} is closed`)

/** Says what came of it. An error is no reason to stop: the next round may find everybody back. */
async function attempt(what: string, action: () => Promise<string>): Promise<void> {
  if (stop.signal.aborted) return
  try {
    say(`${what}: ${await action()}`)
  } catch (error) {
    if (!(error instanceof SealwayError)) throw error
    say(`${what}: ${error.code} (${error.outcome}): ${error.message}`)
  }
}

function list(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.join(', ')
}
