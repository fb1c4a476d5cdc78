import { execFileSync } from 'node:child_process'
import { createHash, type Hash, randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type Node, type SealwayError } from '@sealway/client'
import { mintedBy } from '../../client-lib/src/session/token'
import { countOf } from '../support/full-run'
import { build, freePort, type Program, repositoryRoot, startProgram } from '../support/program'
import { openStreams } from '../support/stream-end'
import { type TcpProxy, tcpProxy } from '../support/tcp-proxy'
import { eventually } from '../support/until'

const MiB = 1024 * 1024
/** What one stream of the long test carries. 2,048 passes as well, in four times the time, with the same memory. */
const longMiB = Number(process.env.SEALWAY_TEST_STREAM_MIB ?? countOf(512, 160))
const secret = randomBytes(32).toString('base64url')
const keys = `mk1_${randomBytes(32).toString('base64url')}`

let folder: string
let program: Program
let proxy: TcpProxy
const nodes: Node[] = []

beforeAll(async () => {
  build()
  folder = mkdtempSync(join(tmpdir(), 'sealway-streams-'))
  const port = await freePort()
  program = startProgram([join(repositoryRoot, 'server/dist/main.js'), 'start'], {
    cwd: folder,
    env: {
      PORT: String(port),
      ADMIN_PORT: '0',
      IPC_PATH: join(folder, 's'),
      DATABASE_URL: 'sqlite:./registry.sqlite',
      PROTECTED_BASIC_AND_JWT: secret,
      PROTECTED_ADMIN_PASSWORD: 'an-operator-of-the-test',
    },
  })
  await program.saw(/is running/)
  proxy = await tcpProxy('127.0.0.1', port)
})
afterEach(() => Promise.all(nodes.splice(0).map((node) => node.close())))
afterAll(async () => {
  await proxy.close()
  program.signal('SIGKILL')
  await program.ended
  rmSync(folder, { recursive: true, force: true })
})

async function joins(name: string): Promise<Node> {
  const node = await connect(`http://127.0.0.1:${proxy.port}`, {
    name,
    groups: ['g'],
    keys,
    token: mintedBy(secret, name, Date.now),
    limits: { reconnectMinMs: 10, reconnectMaxMs: 50 },
  })
  nodes.push(node)
  return node
}

/** Resident memory of another process, bytes. Containers often lack `ps`, and other systems lack /proc. */
function rssOf(pid: number): number {
  const statm = `/proc/${pid}/statm`
  if (existsSync(statm)) return Number(readFileSync(statm, 'utf8').split(' ')[1]) * 4_096
  return Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })) * 1_024
}

/** Resident memory of the mediator and of this process, bytes. */
const memory = () => ({
  mediator: rssOf(program.pid),
  nodes: process.memoryUsage().rss,
})

it(`carries ${longMiB} MiB while the memory of mediator and nodes stays flat`, async () => {
  const [alice, bob] = await Promise.all([joins('alice'), joins('bob')])
  const block = randomBytes(MiB)
  bob.on('download', async function* () {
    for (let i = 0; i < longMiB; i++) yield block
  })
  const sent = createHash('sha256')
  const got = createHash('sha256')
  let bytes = 0
  let samples = 0
  const before = memory()
  const most = { ...before }
  const started = performance.now()
  for await (const chunk of alice.stream<Buffer>('bob', 'download')) {
    got.update(chunk)
    bytes += chunk.length
    if (bytes < ++samples * 32 * MiB) {
      samples--
      continue
    }
    const now = memory()
    most.mediator = Math.max(most.mediator, now.mediator)
    most.nodes = Math.max(most.nodes, now.nodes)
  }
  for (let i = 0; i < longMiB; i++) sent.update(block)
  if (process.env.SEALWAY_TEST_STREAM_MIB) {
    const grown = `mediator ${mib(before.mediator)} -> ${mib(most.mediator)}, nodes ${mib(before.nodes)} -> ${mib(most.nodes)}`
    console.log(`${longMiB} MiB in ${((performance.now() - started) / 1_000).toFixed(1)} s; rss: ${grown}`)
  }
  expect(bytes).toBe(longMiB * MiB)
  expect(got.digest('hex')).toBe(sent.digest('hex'))
  // What garbage the collector lets lie; the body is many times that.
  expect(most.mediator - before.mediator).toBeLessThan(96 * MiB)
  expect(most.nodes - before.nodes).toBeLessThan(192 * MiB)
})

const mib = (bytes: number): string => `${(bytes / MiB).toFixed(0)} MiB`

const many = countOf(200, 40)

it('R22: streams of 10 MiB with cuts: each is complete and right, or STREAM_LOST', async () => {
  const [alice, bob] = await Promise.all([joins('alice'), joins('bob')])
  const blocks = Array.from({ length: many }, () => randomBytes(10 * MiB))
  const hashes = blocks.map((block) => createHash('sha256').update(block).digest('hex'))
  bob.on<{ number: number }>('down', async function* ({ body }) {
    for (let at = 0; at < 10 * MiB; at += 100_000) yield blocks[body.number]!.subarray(at, at + 100_000)
  })
  bob.on('up', async (_command, ctx) => (await hashOf(ctx.input as AsyncIterable<Buffer>)).hash.digest('hex'))

  let moved = 0
  const cutAt = [30, 80, 90, 150, 200].map((n) => n * MiB)
  const seen = (bytes: number) => {
    moved += bytes
    if (moved < (cutAt[0] ?? Number.POSITIVE_INFINITY)) return
    cutAt.shift()
    proxy.reset()
  }
  const download = async (number: number): Promise<string> => {
    const stream = alice.stream<Buffer>('bob', 'down', { number })
    const { hash, bytes } = await hashOf(stream, seen)
    expect(bytes).toBe(10 * MiB)
    return hash.digest('hex')
  }
  const upload = (number: number): Promise<unknown> => {
    const input = (async function* () {
      for (let at = 0; at < 10 * MiB; at += 100_000) {
        seen(100_000)
        yield blocks[number]!.subarray(at, at + 100_000)
      }
    })()
    return alice.stream('bob', 'up', undefined, { input }).result()
  }

  const outcomes = { complete: 0, lost: 0, offsets: [] as number[] }
  const run = async (number: number): Promise<void> => {
    for (;;) {
      try {
        const hash = await (number % 2 ? upload(number) : download(number))
        expect(hash).toBe(hashes[number])
        outcomes.complete++
        return
      } catch (error) {
        const { code, data, outcome } = error as SealwayError
        // It had not begun: asked again, as any call that says so.
        if (['LINK_LOST', 'PEER_GONE', 'OFFLINE', 'NOT_CONNECTED'].includes(code)) {
          expect(outcome === 'not-delivered' || code !== 'OFFLINE').toBe(true)
          await eventually(() => alice.connected && bob.connected, 'both are back')
          continue
        }
        expect(code).toBe('STREAM_LOST')
        outcomes.lost++
        outcomes.offsets.push((data as { offset: number }).offset)
        return
      }
    }
  }
  const before = memory()
  let next = 0
  await Promise.all(
    Array.from({ length: 5 }, async () => {
      while (next < blocks.length) await run(next++)
    }),
  )
  const after = memory()
  expect(outcomes.complete + outcomes.lost).toBe(many)
  expect(outcomes.complete).toBeGreaterThan(0)
  expect(outcomes.lost).toBeGreaterThan(3)
  expect(cutAt).toEqual([])
  expect(after.mediator - before.mediator).toBeLessThan(96 * MiB)
  await eventually(() => openStreams(alice) + openStreams(bob) === 0, 'nothing is left of them')
})

async function hashOf(source: AsyncIterable<Buffer>, seen: (bytes: number) => void = () => {}) {
  const hash: Hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of source) {
    hash.update(chunk)
    bytes += chunk.length
    seen(chunk.length)
  }
  return { hash, bytes }
}

it('carries a body of 40 MiB by call, and back', async () => {
  const [alice, bob] = await Promise.all([joins('alice'), joins('bob')])
  bob.on('echo', ({ body }) => body)
  const body = randomBytes(40 * MiB)
  const answer = await alice.call<Buffer>('bob', 'echo', body, { timeout: 120_000 })
  expect(answer.equals(body)).toBe(true)
})
