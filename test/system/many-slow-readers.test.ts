import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type Node } from '@sealway/client'
import { limits } from '@sealway/protocol'
import { join as joinLink, type RawLink, tokenFor } from '../support/link'
import { type MediatorProcess, startMediatorProcess } from '../support/spawn-mediator'
import { eventually } from '../support/until'

const readers = 1_000
const maxGrowthBytes = 1.2 * limits.budgetBytes
const warmUpBytes = 64 * 1024 * 1024
const bodyBytes = 24 * 1024
/** How many calls of others must come back while the budget is used up. */
const callsOfOthers = 200
/** At most 200 links may be without a hello; the others wait for their turn. */
const atOnce = 100

let folder: string
let mediator: MediatorProcess
const nodes: Node[] = []
const links: RawLink[] = []

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sealway-many-'))
  // Here they may be as slow as they like: a machine that is slow itself must not lose them before the budget is full.
  const patient = { slowReaderMs: 600_000, pingEveryMs: 600_000, deadAfterMs: 1_200_000 }
  mediator = await startMediatorProcess({ ipcPath: join(folder, 's.sock'), limits: patient })
})
afterEach(async () => {
  for (const { connection } of links.splice(0)) connection.destroy()
  for (const node of nodes.splice(0)) await node.close()
  await mediator?.close()
  rmSync(folder, { recursive: true, force: true })
})

const keys = `mk1_${randomBytes(32).toString('base64url')}`
async function node(name: string): Promise<Node> {
  const token = () => tokenFor(mediator.jwtSecret, name).token
  const made = await connect(mediator.url, { name, groups: ['g1'], keys, token })
  nodes.push(made)
  return made
}

/** Nodes on Unix sockets, where the system itself keeps only some 200 KiB for a link. */
async function stoppedReaders(): Promise<string[]> {
  const names = Array.from({ length: readers }, (_, index) => `reader-${index}`)
  for (let at = 0; at < names.length; at += atOnce) {
    const batch = names.slice(at, at + atOnce)
    const url = `unix:${mediator.ipcPath}`
    const joined = await Promise.all(batch.map((name) => joinLink(url, mediator.jwtSecret, { name })))
    for (const { connection } of joined) connection.pause()
    links.push(...joined)
  }
  return names
}

interface Echoes {
  calls: number
  failure: unknown
}

/** One call after the other, until told to stop or the first that goes wrong. */
async function echo(caller: Node, signal: AbortSignal, echoes: Echoes): Promise<void> {
  while (!signal.aborted && echoes.failure === undefined) {
    const answer = await caller.call('two', 'echo', echoes.calls).catch((error: unknown) => error)
    if (answer === echoes.calls) echoes.calls++
    else echoes.failure = answer
  }
}

type Offer = (sender: Node, names: readonly string[], goesOn: () => boolean) => Promise<void>

/** Ways to fill the queues of readers that stopped. Each goes on until the mediator has refused something. */
const offers: { readonly [what: string]: Offer } = {
  // What lies in the queues are pieces of large chunks, the rest of which was for somebody who reads.
  async 'a message to each in turn, between others to one that reads'(sender, names, goesOn) {
    const [body, other] = [randomBytes(20 * 1024), randomBytes(bodyBytes)]
    while (goesOn()) {
      for (const name of names) {
        // What does not fit any more is what this is about.
        void sender.send(name, 'bulk', body).catch(() => {})
        await sender.send('two', 'bulk', other)
      }
    }
  },
  async 'a message to all of them'(sender, _, goesOn) {
    const body = randomBytes(12 * 1024)
    while (goesOn()) {
      await sender.send('group:g1', 'bulk', body)
      await new Promise(setImmediate)
    }
  },
}

it.each(Object.entries(offers))(
  'R10: a thousand readers that stop cost the budget, and others go on: %s',
  async (_, offer) => {
    const [sender, one, two] = [await node('sender'), await node('one'), await node('two')]
    two.on('echo', ({ body }) => body)
    two.on('bulk', () => {})
    const names = await stoppedReaders()
    // Buffers and code that any traffic needs are no cost of the slow readers.
    const body = randomBytes(bodyBytes)
    for (let sent = 0; sent < warmUpBytes; sent += bodyBytes) await sender.send('two', 'bulk', body)
    await sender.call('two', 'echo')
    const base = await mediator.memory()

    const stop = new AbortController()
    const echoes: Echoes = { calls: 0, failure: undefined }
    const others = echo(one, stop.signal, echoes)
    let highest = base.rss
    let refused = false
    const watched = eventually(async () => {
      const { rssBytes, counters } = await mediator.state()
      highest = Math.max(highest, rssBytes)
      // Broadcasts are shed before that, where a tick comes in between.
      refused = (counters.BUSY?.frames ?? 0) + (counters.OVERLOADED?.frames ?? 0) > 0
      return refused
    }, 'the budget is used up')
    await Promise.all([watched, offer(sender, names, () => !refused)])
    const before = echoes.calls
    await eventually(async () => {
      highest = Math.max(highest, (await mediator.state()).rssBytes)
      return echoes.calls >= before + callsOfOthers || echoes.failure
    }, 'calls of others go on')
    stop.abort()
    await others
    expect(echoes).toEqual({ calls: expect.any(Number), failure: undefined })
    expect(highest - base.rss).toBeLessThan(maxGrowthBytes)
    expect((await mediator.state()).failures).toEqual([])
  },
)
