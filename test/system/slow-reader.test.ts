import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type Node, type SealwayError } from '@sealway/client'
import { join as joinLink, tokenFor } from '../support/link'
import { patienceMs } from '../support/patience'
import { type MediatorProcess, startMediatorProcess } from '../support/spawn-mediator'
import { eventually } from '../support/until'

const offeredBytes = 200 * 1024 * 1024
const bodyBytes = 64 * 1024
const maxGrowthBytes = 32 * 1024 * 1024

let folder: string
let mediator: MediatorProcess
const nodes: Node[] = []

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sealway-slow-'))
  mediator = await startMediatorProcess({ ipcPath: join(folder, 's.sock') })
})
afterAll(async () => {
  for (const node of nodes) await node.close()
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

/** Sends as much to a reader as it takes, all at once. @returns how many were queued, and the codes of the others */
async function offer(sender: Node, to: string, bytes: number, timeout: number) {
  const body = randomBytes(bodyBytes)
  const sends = Array.from({ length: bytes / bodyBytes }, () => sender.send(to, 'bulk', body, { timeout }))
  const results = await Promise.allSettled(sends)
  const codes = results.flatMap((result) =>
    result.status === 'rejected' ? [(result.reason as SealwayError).code] : [],
  )
  return { queued: results.length - codes.length, codes }
}

/** One call after the other, until told to stop or the first that goes wrong. */
async function echoes(caller: Node, signal: AbortSignal) {
  for (let calls = 0; ; calls++) {
    if (signal.aborted) return { calls, failure: undefined }
    const answer = await caller.call('two', 'echo', calls).catch((error: unknown) => error)
    if (answer !== calls) return { calls, failure: answer }
  }
}

it('R9: a reader that stops costs the mediator little, is closed as slow after 10 s, and delays nobody else', async () => {
  const [sender, one, two] = [await node('sender'), await node('one'), await node('two')]
  two.on('echo', ({ body }) => body)
  two.on('bulk', () => {})
  // Buffers and code that any traffic needs are no cost of the slow reader.
  const warm = await offer(sender, 'two', offeredBytes / 4, patienceMs)
  expect(warm.codes).toEqual([])
  const base = await mediator.memory()

  const reader = await joinLink(mediator.url, mediator.jwtSecret, { name: 'reader' })
  reader.connection.pause()
  const stop = new AbortController()
  const others = echoes(one, stop.signal)
  let highest = 0
  const gone = eventually(async () => {
    const { rssBytes, left } = await mediator.state()
    highest = Math.max(highest, rssBytes)
    return left.find(({ node }) => node === 'reader')
  }, 'the reader is closed')
  const startedAt = performance.now()
  const { queued, codes } = await offer(sender, 'reader', offeredBytes, 3_000)
  expect(new Set(codes)).toEqual(new Set(['BUSY']))
  expect(queued * bodyBytes).toBeLessThan(maxGrowthBytes)
  expect(await gone).toEqual({ node: 'reader', code: 'SLOW' })
  const closedMs = performance.now() - startedAt
  // Not before its time. That it was not for a heartbeat is what the code says.
  expect(closedMs).toBeGreaterThan(9_500)
  await expect(sender.call('reader', 'x')).rejects.toMatchObject({ code: 'OFFLINE' })
  stop.abort()
  expect(await others).toEqual({ calls: expect.any(Number), failure: undefined })
  expect(highest - base.rss).toBeLessThan(maxGrowthBytes)
  const { failures, queuedBytes } = await mediator.state()
  expect([failures, queuedBytes]).toEqual([[], 0])
})
