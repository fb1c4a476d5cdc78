import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type Node, type SealwayError } from '@sealway/client'
import { mintedBy } from '../../client-lib/src/session/token'
import { fullRun } from '../support/full-run'
import { build, type Program, repositoryRoot, startProgram } from '../support/program'
import { eventually } from '../support/until'

const keys = `mk1_${randomBytes(32).toString('base64url')}`
const secret = randomBytes(32).toString('base64url')
/** RELIABILITY R17: 500 calls whose handlers take 10 ms to 20 s; the gate has shorter ones. */
const calls = 500
const longestMs = fullRun ? 20_000 : 1_500

let folder: string
let mediator: Program
const nodes: Node[] = []

beforeAll(async () => {
  build()
  folder = mkdtempSync(join(tmpdir(), 'sealway-drain-'))
  mediator = startProgram([join(repositoryRoot, 'server/dist/main.js'), 'start'], {
    cwd: folder,
    env: {
      PORT: '0',
      ADMIN_PORT: '0',
      PROTECTED_BASIC_AND_JWT: secret,
      PROTECTED_ADMIN_PASSWORD: randomBytes(16).toString('hex'),
    },
  })
})

afterAll(async () => {
  for (const node of nodes) await node.close()
  mediator?.signal('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

it('R17: SIGTERM with 500 calls in flight answers each or says DRAINING, and the mediator exits with 0 within 30 s', async () => {
  const url = (await mediator.saw(/mediator +(http:\S+)/))[1]!
  const join_ = async (name: string) => {
    const node = await connect(url, { name, groups: ['g1'], keys, token: mintedBy(secret, name, Date.now) })
    nodes.push(node)
    return node
  }
  const [caller, callee] = [await join_('caller'), await join_('callee')]
  let begun = 0
  callee.on('work', async ({ body }) => {
    begun++
    await new Promise((resolve) => setTimeout(resolve, 10 + ((longestMs - 10) * (body as number)) / calls))
    return body
  })
  const work = (n: number): Promise<unknown> =>
    caller.call('callee', 'work', n).catch((error: SealwayError) => error.code)

  const early = Array.from({ length: calls - 100 }, (_, n) => work(n))
  await eventually(() => begun === early.length, 'the handlers run')
  // The last ones are sent in the tick of the signal: the mediator reads them before it, or after.
  const late = Array.from({ length: 100 }, (_, n) => work(early.length + n))
  const signalled = performance.now()
  mediator.signal('SIGTERM')

  expect(await Promise.all(early)).toEqual(early.map((_, n) => n))
  for (const [n, outcome] of (await Promise.all(late)).entries()) {
    expect([early.length + n, 'DRAINING']).toContain(outcome)
  }
  expect((await mediator.ended).code).toBe(0)
  expect(performance.now() - signalled).toBeLessThan(30_000)
})
