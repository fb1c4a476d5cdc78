import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, request, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { connect, type Node } from '@sealway/client'
import express from 'express'
import { tokenFor } from '../support/link'
import { type MediatorProcess, startMediatorProcess } from '../support/spawn-mediator'

/** Large bodies and a real HTTP client, through a mediator in a process of its own. */
const MiB = 1024 * 1024
const largeBytes = 64 * MiB
const maxGrowthBytes = 32 * MiB

let folder: string
let mediator: MediatorProcess
let node: Node
let bearer: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sealway-tunnel-'))
  mediator = await startMediatorProcess({ ipcPath: join(folder, 's') })
  bearer = tokenFor(mediator.jwtSecret, 'reader', { scopes: ['http:*'] }).token
  node = await connect(mediator.url, {
    ...{ name: 'app-1', groups: ['g'], keys: `mk1_${randomBytes(32).toString('base64url')}` },
    token: () => tokenFor(mediator.jwtSecret, 'app-1').token,
  })
  const app = express()
  app.get('/large', (_request, response) => {
    response.set('X-Sha', sha)
    Readable.from(pieces(largeBytes)).pipe(response)
  })
  app.put('/large', async (incoming, response) => {
    const hash = createHash('sha256')
    for await (const chunk of incoming) hash.update(chunk as Buffer)
    response.json({ sha: hash.digest('hex') })
  })
  writeFileSync(join(folder, 'file.txt'), '0123456789')
  app.use('/files', express.static(folder))
  app.get('/moved', (_request, response) => response.redirect(307, 'elsewhere'))
  await node.expose(app, { public: ['/files/*'] }).ready
})
afterAll(async () => {
  await node?.close()
  await mediator?.close()
  rmSync(folder, { recursive: true, force: true })
})

const block = Buffer.alloc(MiB, 'sealway ')
function* pieces(bytes: number) {
  for (let at = 0; at < bytes; at += block.length) yield block
}
const sha = (() => {
  const hash = createHash('sha256')
  for (const piece of pieces(largeBytes)) hash.update(piece)
  return hash.digest('hex')
})()

function ask(method: string, path: string, body?: Readable): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = { Authorization: `Bearer ${bearer}` }
    const sent = request(`${mediator.url}/one/g/app-1${path}`, { method, headers, agent: false }, resolve)
    sent.on('error', reject)
    if (body) pipeline(body, sent).catch(reject)
    else sent.end()
  })
}

async function hashOf(stream: AsyncIterable<Buffer>): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of stream) hash.update(chunk)
  return hash.digest('hex')
}

describe('64 MiB through the tunnel', () => {
  type Sample = () => Promise<void>

  /** The highest of what is measured on the way: every measure collects garbage first, so there are only so many. */
  async function growthWhile(work: (sample: Sample) => Promise<void>): Promise<number> {
    const before = (await mediator.memory()).rss
    let highest = before
    await work(async () => {
      highest = Math.max(highest, (await mediator.memory()).rss)
    })
    return highest - before
  }

  /** The same pieces, and something done after each eighth of them, while the rest waits. */
  async function* withPauses(source: Iterable<Buffer> | AsyncIterable<Buffer>, sample: Sample) {
    let [bytes, next] = [0, largeBytes / 8]
    for await (const piece of source) {
      yield piece
      bytes += piece.length
      if (bytes < next) continue
      next += largeBytes / 8
      await sample()
    }
  }

  const down = async (sample: Sample) => {
    const response = await ask('GET', '/large')
    expect(response.headers['x-sha']).toBe(sha)
    expect(await hashOf(withPauses(response, sample))).toBe(sha)
  }
  const up = async (sample: Sample) => {
    const response = await ask('PUT', '/large', Readable.from(withPauses(pieces(largeBytes), sample)))
    const chunks: Buffer[] = []
    for await (const chunk of response) chunks.push(chunk as Buffer)
    expect(JSON.parse(Buffer.concat(chunks).toString())).toEqual({ sha })
  }

  it.each([
    ['down', down],
    ['up', up],
  ])('%s: whole, and the memory of the mediator stays flat', async (_way, work) => {
    // Buffers and code that any transfer needs are no cost of a long one.
    await work(async () => {})
    expect(await growthWhile(work)).toBeLessThan(maxGrowthBytes)
  })
})

/** What curl writes out, and says on the side. */
function curl(...args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const all = ['-sS', '--max-time', '120', '-H', `Authorization: Bearer ${bearer}`, ...args]
    execFile('curl', all, { encoding: 'latin1', maxBuffer: 2 * largeBytes }, (error, stdout, stderr) =>
      error ? reject(new Error(stderr || error.message)) : resolve(stdout),
    )
  })
}

describe('curl', () => {
  const url = (path: string) => `${mediator.url}/one/g/app-1${path}`

  it('gets a part of a file, and nothing where it has not changed', async () => {
    const part = await curl('-i', '-H', 'Range: bytes=2-4', url('/files/file.txt'))
    expect(part).toMatch(/^HTTP\/1\.1 206 Partial Content\r\n/)
    expect(part).toMatch(/\r\nContent-Range: bytes 2-4\/10\r\n/)
    expect(part.endsWith('\r\n\r\n234')).toBe(true)
    const etag = /\r\nETag: (.*)\r\n/.exec(await curl('-I', url('/files/file.txt')))![1]!
    expect(await curl('-i', '-H', `If-None-Match: ${etag}`, url('/files/file.txt'))).toMatch(/^HTTP\/1\.1 304 /)
  })

  it('speaks HTTP/1.0', async () => {
    const answer = await curl('-i', '--http1.0', url('/files/file.txt'))
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(answer.endsWith('\r\n\r\n0123456789')).toBe(true)
  })

  it('uploads a large file after 100 Continue', async () => {
    const file = join(folder, 'large')
    writeFileSync(file, Buffer.concat([...pieces(largeBytes)]))
    const answer = await curl('-i', '-T', file, '-H', 'Expect: 100-continue', url('/large'))
    expect(answer).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/)
    expect(answer).toContain(sha)
    expect(readFileSync(file).length).toBe(largeBytes)
  })

  it('is handed a redirect as it came', async () => {
    expect(await curl('-i', url('/moved'))).toMatch(/\r\nLocation: elsewhere\r\n/)
  })

  it('asks all members at once', async () => {
    const { answers } = JSON.parse(await curl(`${mediator.url}/many/g/files/file.txt`)) as {
      answers: { node: string; status: number; body: string }[]
    }
    expect(answers).toMatchObject([{ node: 'app-1', status: 200, body: '0123456789' }])
  })
})

/** Pages of nodes and pages of operators do not share an origin. */
it('W2: a page of a node is handed no cookie of an operator', async () => {
  const server: Server = createServer((incoming, response) => response.end(JSON.stringify(incoming.headers)))
  const other = await connect(mediator.url, {
    ...{ name: 'app-2', groups: ['g'], keys: `mk1_${randomBytes(32).toString('base64url')}` },
    token: () => tokenFor(mediator.jwtSecret, 'app-2').token,
  })
  await other.expose(server).ready
  const headers = JSON.parse(
    await curl('-H', 'Cookie: a=1; sealway_session=secret', `${mediator.url}/one/g/app-2/page`),
  ) as { [name: string]: string }
  expect(headers.cookie).toBe('a=1')
  expect(JSON.stringify(headers)).not.toContain('secret')
  expect(headers.authorization).toBeUndefined()
  await other.close()
})
