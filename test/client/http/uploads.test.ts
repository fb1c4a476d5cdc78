import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import express, { type Express } from 'express'
import type { FetchBody } from '../../../client-lib/src/http/sealed/body.js'
import { limitBody } from '../../../client-lib/src/http/uploads.js'
import type { Node } from '../../../client-lib/src/node.js'
import { Net } from '../../support/net'
import { openStreams } from '../../support/sealed-http'
import { until } from '../../support/until'

let net: Net
let client: Node
let app: Express
let port: Server
let origin: string
/** What a handler behind the limit saw of each body: its length, or how it ended otherwise. */
let seen: (number | string)[]
beforeEach(async () => {
  net = new Net()
  const server = await net.join('server')
  client = await net.join('client')
  seen = []
  app = express()
  server.expose(app)
  port = createServer(app).listen(0, '127.0.0.1')
  await new Promise((resolve) => port.once('listening', resolve))
  origin = `http://127.0.0.1:${(port.address() as AddressInfo).port}`
})
afterEach(async () => {
  port.closeAllConnections()
  await new Promise((resolve) => port.close(resolve))
  await net.close()
})

function take(): void {
  app.post('/', (req, res) => {
    const chunks: Buffer[] = []
    req.on('data', (chunk: Buffer) => chunks.push(chunk))
    req.on('error', () => seen.push('broken off'))
    req.on('end', () => {
      const body = Buffer.concat(chunks)
      seen.push(body.length)
      res.type(req.get('content-type') ?? 'none').send(body)
    })
  })
}

type Post = (body: FetchBody, headers?: { [name: string]: string }) => Promise<Response>
const ways: [string, Post][] = [
  ['sealed', (body, headers = {}) => client.fetch('http://server/', { method: 'POST', body, headers })],
  [
    'at a port',
    (body, headers = {}) =>
      fetch(`${origin}/`, { method: 'POST', body: body as BodyInit, headers, duplex: 'half' } as RequestInit),
  ],
]
const chunks = (...sizes: number[]) => new Blob(sizes.map((size) => new Uint8Array(size))).stream()
/** It does not say how much it is. */
async function* unknownLength(pieces: number, bytes: number) {
  for (let i = 0; i < pieces; i++) yield Buffer.alloc(bytes)
}

describe.each(ways)('limitBody, %s', (_way, post) => {
  it('lets a body through that is just small enough', async () => {
    app.use(limitBody({ maxBytes: 100_000 }))
    take()
    expect((await (await post(Buffer.alloc(100_000))).arrayBuffer()).byteLength).toBe(100_000)
    expect((await (await post(unknownLength(10, 10_000))).arrayBuffer()).byteLength).toBe(100_000)
    expect(seen).toEqual([100_000, 100_000])
  })

  it('refuses one that says that it is too large, before anybody reads it', async () => {
    app.use(limitBody({ maxBytes: 100_000 }))
    take()
    const response = await post(Buffer.alloc(100_001))
    expect([response.status, await response.json()]).toEqual([413, expect.objectContaining({ code: 'TOO_LARGE' })])
    expect(seen).toEqual([])
  })

  it('refuses one that does not say so as soon as it is, and it never looks complete', async () => {
    app.use(limitBody({ maxBytes: 100_000 }))
    take()
    const response = await post(unknownLength(30, 10_000))
    expect([response.status, await response.json()]).toEqual([413, expect.objectContaining({ code: 'TOO_LARGE' })])
    await until(() => seen.length > 0, 'the handler knows')
    expect(seen).toEqual(['broken off'])
    await until(() => !openStreams(client), 'no stream is left')
  })

  it('takes bodies of its types only', async () => {
    app.use(limitBody({ types: ['image/*', 'application/pdf'] }))
    take()
    app.get('/', (_req, res) => void res.send('no body'))
    const statusOf = async (type: string) => (await post('x', { 'content-type': type })).status
    expect(await statusOf('image/png')).toBe(200)
    expect(await statusOf('Image/SVG+xml; charset=utf-8')).toBe(200)
    expect(await statusOf('application/pdf')).toBe(200)
    for (const type of ['text/plain', 'application/pdfx', 'image', 'image/', 'x-image/png', 'text/html; image/png']) {
      expect([type, await statusOf(type)]).toEqual([type, 415])
    }
    const response = await post(Buffer.from('x'))
    expect([response.status, await response.json()]).toEqual([
      415,
      expect.objectContaining({ code: 'UNSUPPORTED_MEDIA_TYPE' }),
    ])
    expect(seen).toEqual([1, 1, 1])
  })

  it('has nothing against requests without a body', async () => {
    app.use(limitBody({ maxBytes: 0, types: ['image/*'] }))
    take()
    app.all('/', (_req, res) => void res.send('no body'))
    expect(await (await post('')).text()).toBe('')
    expect((await post('x', { 'content-type': 'image/png' })).status).toBe(413)
  })

  it('passes multipart through untouched', async () => {
    app.use(limitBody({ maxBytes: 1_000_000, types: ['multipart/form-data'] }))
    take()
    const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, i) => i))
    const form = new FormData()
    form.append('text', 'é\r\n--x')
    form.append('file', new Blob([bytes], { type: 'image/png' }), 'ü.png')
    const raw = Buffer.from(await new Response(form).arrayBuffer())
    // The same bytes, with the boundary that they have.
    const boundary = raw.subarray(2, raw.indexOf('\r\n')).toString()
    const response = await post(raw, { 'content-type': `multipart/form-data; boundary=${boundary}` })
    const back = Buffer.from(await response.clone().arrayBuffer())
    expect(back.equals(raw)).toBe(true)
    const file = (await response.formData()).get('file') as File
    expect([file.name, Buffer.from(await file.arrayBuffer()).equals(bytes)]).toEqual(['ü.png', true])
  })

  it('works before a parser of bodies', async () => {
    app.use(limitBody({ maxBytes: 50_000 }), express.text({ limit: '1mb' }), (req, res) => {
      res.send(String((req.body as string).length))
    })
    const headers = { 'content-type': 'text/plain' }
    expect(await (await post('x'.repeat(50_000), headers)).text()).toBe('50000')
    expect((await post(chunks(60_000), headers)).status).toBe(413)
  })
})

it('ends a client that never stops sending', async () => {
  app.use(limitBody({ maxBytes: 1_000 }))
  take()
  const socket = connect((port.address() as AddressInfo).port, '127.0.0.1')
  let answer = ''
  socket.on('data', (chunk: Buffer) => {
    answer += chunk.toString()
  })
  socket.on('error', () => {})
  socket.write('POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n')
  const closed = new Promise((resolve) => socket.once('close', resolve))
  const piece = `3e8\r\n${'x'.repeat(1_000)}\r\n`
  const more = setInterval(() => socket.write(piece), 20)
  await closed
  clearInterval(more)
  expect(answer).toMatch(/^HTTP\/1.1 413 /)
  expect(seen).toEqual(['broken off'])
})

it.each([{ maxBytes: -1 }, { maxBytes: Number.NaN }, { types: ['image'] }, { types: ['/png'] }])(
  'limitBody refuses %j',
  (limits) => {
    expect(() => limitBody(limits)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  },
)
