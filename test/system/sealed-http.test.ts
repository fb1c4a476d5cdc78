import { randomBytes } from 'node:crypto'
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, readSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type Node, type SealwayError } from '@sealway/client'
import express from 'express'
import { WebSocketServer } from 'ws'
import { mintedBy } from '../../client-lib/src/session/token'
import { build, type Program, repositoryRoot, startProgram } from '../support/program'

const jwtSecret = randomBytes(32).toString('base64url')
const rawKey = randomBytes(32)
const canary = `canary-${randomBytes(12).toString('hex')}`
/** What a mediator does get to see: the meta of a node. */
const told = `told-${randomBytes(12).toString('hex')}`

let folder: string
let mediator: Program
let url: string
const nodes: Node[] = []

beforeAll(async () => {
  build()
  folder = mkdtempSync(join(tmpdir(), 'sealway-http-'))
  mediator = startProgram([join(repositoryRoot, 'server', 'dist', 'main.js'), 'start'], {
    cwd: folder,
    env: {
      ...{ PORT: '0', ADMIN_PORT: '0', LOG_LEVEL: 'debug', LOG_FORMAT: 'json', PROTECTED_BASIC_AND_JWT: jwtSecret },
      PROTECTED_ADMIN_PASSWORD: randomBytes(18).toString('base64url'),
    },
  })
  url = (await mediator.saw(/mediator +(http:\S+)/))[1]!
})

afterAll(async () => {
  for (const node of nodes) await node.close()
  mediator?.signal('SIGKILL')
  if (folder) rmSync(folder, { recursive: true, force: true })
})

async function joined(name: string, meta = {}): Promise<Node> {
  const token = mintedBy(jwtSecret, name, Date.now)
  const node = await connect({ url, name, groups: ['web'], keys: `mk1_${rawKey.toString('base64url')}`, token, meta })
  nodes.push(node)
  return node
}

describe('HTTP between nodes', () => {
  it('passes a real mediator whole, which has none of it in its memory, its log or its files', async () => {
    const reports = await joined('reports-1', { told })
    const asker = await joined('asker-1')
    await joined('silent-1')
    const app = express()
    const seen: string[] = []
    app.post('/echo/:word', express.raw({ type: () => true, limit: '8mb' }), (req, res) => {
      seen.push(`${req.params.word} ${req.query.q as string} ${req.get('x-canary')}`)
      res.set('x-canary', canary).send(req.body)
    })
    const server = createServer(app)
    new WebSocketServer({ server }).on('connection', (socket) => socket.on('message', (data) => socket.send(`${data}`)))
    reports.expose(server)

    const large = Buffer.from(canary.repeat(100_000))
    for (const body of [Buffer.from(canary), large]) {
      const response = await asker.fetch(`http://reports-1/echo/${canary}?q=${canary}`, {
        ...{ method: 'POST', body, headers: { 'x-canary': canary, authorization: `Bearer ${canary}` } },
      })
      expect([response.status, response.headers.get('x-canary')]).toEqual([200, canary])
      expect(Buffer.from(await response.arrayBuffer()).equals(body)).toBe(true)
    }
    expect(seen).toEqual(Array.from({ length: 2 }, () => `${canary} ${canary} ${canary}`))

    const answers = await asker.fetchAll(`group:web/${canary}`)
    expect(answers.map(({ name, response, error }) => [name, response?.status ?? error?.code])).toEqual([
      ['reports-1', 404],
      ['silent-1', 'NO_HTTP'],
    ])
    const missing = await asker.fetch(`http://nobody-1/${canary}`).catch((error: SealwayError) => error.code)
    expect(missing).toBe('UNKNOWN_NODE')

    const socket = await asker.webSocket(`ws://reports-1/${canary}`)
    const echoed = new Promise((resolve) => socket.addEventListener('message', ({ data }) => resolve(data)))
    socket.send(canary)
    expect(await echoed).toBe(canary)

    const places = () =>
      new Map<string, Iterable<Buffer>>([
        ['memory', memoryOf(mediator.pid)],
        ['output', [Buffer.from(mediator.output())]],
        ...readdirSync(folder)
          .filter((file) => file !== '.env.node')
          .map((file) => [file, [readFileSync(join(folder, file))]] as const),
      ])
    // Not an empty search: what the mediator was told is found where it must be.
    expect(found(places(), [Buffer.from(told)])).toEqual(expect.arrayContaining(['memory']))
    expect(found(places(), [Buffer.from('reports-1')])).toEqual(expect.arrayContaining(['memory', 'output']))
    expect(found(places(), formsOf(Buffer.from(canary)))).toEqual([])
    expect(found(places(), [rawKey, ...formsOf(Buffer.from(rawKey.toString('base64url')))])).toEqual([])
    socket.close()
  })
})

/** As it is, as JavaScript may hold it, and as hex; base64 without its ends, at each offset. */
function formsOf(secret: Buffer): Buffer[] {
  const base64 = [0, 1, 2].map((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), secret]).toString('base64')
    return Buffer.from(text.replace(/=+$/, '').slice(shift === 0 ? 0 : 4, -4))
  })
  return [secret, Buffer.from(secret.toString('latin1'), 'utf16le'), Buffer.from(secret.toString('hex')), ...base64]
}

function found(places: ReadonlyMap<string, Iterable<Buffer>>, wanted: readonly Buffer[]): string[] {
  return [...places].filter(([, parts]) => holds(parts, wanted)).map(([place]) => place)
}

function holds(parts: Iterable<Buffer>, wanted: readonly Buffer[]): boolean {
  for (const part of parts) if (wanted.some((one) => part.includes(one))) return true
  return false
}

/** What a process can write in its memory, region by region (Linux, proc(5)): its heap, its buffers, its stacks. */
function* memoryOf(pid: number): Generator<Buffer> {
  const memory = openSync(`/proc/${pid}/mem`, 'r')
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
      const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? []
      if (from === undefined || to === undefined) continue
      const start = BigInt(`0x${from}`)
      const bytes = Number(BigInt(`0x${to}`) - start)
      const region = Buffer.alloc(bytes)
      for (let at = 0; at < bytes; ) {
        let read = 0
        try {
          read = readSync(memory, region, at, Math.min(bytes - at, 1 << 20), start + BigInt(at))
        } catch {
          // Reserved and never used, or given back meanwhile.
          read = 1 << 20
        }
        at += read === 0 ? 1 << 20 : read
      }
      yield region
    }
  } finally {
    closeSync(memory)
  }
}
