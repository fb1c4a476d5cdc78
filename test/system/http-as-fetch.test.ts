import { createHash } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { FetchOptions, Node } from '@sealway/client'
import express from 'express'
import fastify, { type FastifyInstance } from 'fastify'
import { fetchApp } from '../support/fetch-app'
import { Formation } from '../support/formation'

/** What a user of fetch expects: the same app, asked by the platform's fetch over a port and by node.fetch by name. */

let formation: Formation
let asker: Node
const ports = new Map<string, string>()
const servers: Server[] = []
let fast: FastifyInstance

beforeAll(async () => {
  formation = await Formation.start({ config: { httpPublicRate: 1_000_000 } })
  asker = await formation.join('asker', 'tcp')
  const app = express()
  app.use(fetchApp)
  fast = fastify()
  fast.removeAllContentTypeParsers()
  fast.addContentTypeParser('*', (_request, _payload, done) => done(null))
  fast.all('/*', (request, reply) => {
    reply.hijack()
    fetchApp(request.raw, reply.raw)
  })
  for (const [name, exposed] of [
    ['plain', createServer(fetchApp)],
    ['express', app],
    ['fastify', fast],
  ] as const) {
    const node = await formation.join(name, 'tcp')
    await node.expose(exposed, { public: ['/*'] }).ready
    if (name === 'fastify') {
      ports.set(name, await fast.listen({ port: 0, host: '127.0.0.1' }))
      continue
    }
    const server = name === 'express' ? createServer(app) : (exposed as Server)
    servers.push(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    ports.set(name, `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  }
})

afterAll(async () => {
  await formation?.close()
  await fast?.close()
  for (const server of servers) {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
})

type Ask = (path: string, init?: FetchOptions) => Promise<Response>
const overPort =
  (name: string): Ask =>
  (path, init) =>
    fetch(ports.get(name) + path, init as RequestInit)
const byName =
  (name: string): Ask =>
  (path, init) =>
    asker.fetch(`http://${name}${path}`, init)

/** What of a Response anybody can see, but for what belongs to the connection. */
async function seen(answer: Response) {
  const headers = [...answer.headers].filter(
    ([name]) => !/^(?:date|connection|keep-alive|transfer-encoding|content-length|server-timing)$/.test(name),
  )
  const { status, statusText, ok, redirected, type, bodyUsed } = answer
  const hasBody = answer.body !== null
  const { pathname, search } = new URL(answer.url)
  const text = await answer.text().catch((error: Error) => `rejects: ${error.name !== ''}`)
  const url = pathname.replace(/^\/one\/g\/[a-z]+/, '') + search
  return { status, statusText, ok, redirected, type, bodyUsed, hasBody, url, headers, text }
}

/** What leads to a path that begins at the root of the mediator is its own matter, and not the node's. */
const throughMediator =
  (name: string): Ask =>
  (path, init) =>
    fetch(`${formation.started.url}/one/g/${name}${path}`, init as RequestInit)

const bytes = (text: string) => new TextEncoder().encode(text)
const streamOf = (...parts: string[]) =>
  new ReadableStream({
    pull(controller) {
      const part = parts.shift()
      if (part === undefined) controller.close()
      else controller.enqueue(bytes(part))
    },
  })
const formOf = () => {
  const form = new FormData()
  form.append('name', 'J\u00fcrgen "quoted"\r\n')
  form.append('file', new Blob(['file bytes'], { type: 'image/png' }), 'a"b.png')
  return form
}
const searchOf = () =>
  new URLSearchParams([
    ['a', '1 2'],
    ['b', '\u00fc&'],
  ])

type Case = readonly [string, string, (() => FetchOptions)?]
const cases: readonly Case[] = [
  ['GET', '/echo?x=1&y=%20#fragment'],
  ['a path with what must be encoded', '/\u00fc b/../c?\u00fc=<"\'>'],
  ['HEAD', '/echo', () => ({ method: 'HEAD' })],
  ['POST without a body', '/echo', () => ({ method: 'POST' })],
  ['DELETE with a body', '/echo', () => ({ method: 'DELETE', body: 'x' })],
  ['an empty text', '/echo', () => ({ method: 'POST', body: '' })],
  ['a text', '/echo', () => ({ method: 'POST', body: 't\u00e4xt' })],
  ['bytes', '/echo', () => ({ method: 'POST', body: bytes('bytes') })],
  ['an ArrayBuffer', '/echo', () => ({ method: 'POST', body: bytes('buffer').buffer as ArrayBuffer })],
  ['a part of a buffer', '/echo', () => ({ method: 'POST', body: new DataView(bytes('a view').buffer, 2, 4) })],
  ['URLSearchParams', '/echo', () => ({ method: 'POST', body: searchOf() })],
  ['a Blob with a type', '/echo', () => ({ method: 'POST', body: new Blob(['blob'], { type: 'text/css' }) })],
  ['a Blob without one', '/echo', () => ({ method: 'POST', body: new Blob(['blob']) })],
  ['FormData', '/echo', () => ({ method: 'POST', body: formOf() })],
  ['a stream', '/echo', () => ({ method: 'POST', body: streamOf('one ', 'two') as never, duplex: 'half' })],
  [
    'headers as pairs',
    '/echo',
    () => ({
      headers: [
        ['X-A', '1'],
        ['x-a', '2'],
      ],
    }),
  ],
  ['headers as Headers', '/echo', () => ({ headers: new Headers({ Accept: 'text/css', 'User-Agent': 'me' }) })],
  [
    'a type of its own',
    '/echo',
    () => ({ method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } }),
  ],
  ['cookies', '/cookies', () => ({ headers: { cookie: 'c=3; d=4' } })],
  ['trailers', '/trailers'],
  ['gzip', '/gzip'],
  ['gzip of HEAD', '/gzip', () => ({ method: 'HEAD' })],
  ['gzip that is none', '/bad-gzip'],
  ['another charset', '/latin1'],
  ['a byte order mark', '/bom'],
  ['headers that come twice', '/multi'],
  ['an answer that breaks off', '/short'],
  ...[200, 201, 202, 204, 205, 206, 299, 300, 304, 400, 404, 418, 500, 503, 599].map(
    (status): Case => [`status ${status}`, `/status?n=${status}`],
  ),
  ...[301, 302, 303, 307, 308].flatMap((status): Case[] => [
    [`${status} of GET`, `/hop?n=${status}`],
    [`${status} of HEAD`, `/hop?n=${status}`, () => ({ method: 'HEAD' })],
    [`${status} of PUT`, `/hop?n=${status}`, () => ({ method: 'PUT', body: 'again', headers: { 'x-kept': '1' } })],
    [`${status} of POST`, `/hop?n=${status}`, () => ({ method: 'POST', body: searchOf() })],
    [`${status}, as it came`, `/hop?n=${status}`, () => ({ redirect: 'manual' })],
    [`${status}, unwanted`, `/hop?n=${status}`, () => ({ redirect: 'error' })],
  ]),
  ['a redirect with a fragment', '/hop?n=302&to=/echo%23there'],
  ['a redirect in circles', '/loop'],
  ['a relative redirect', '/hop?n=302&to=status?n=201'],
  [
    'a stream that would be sent again',
    '/hop?n=307',
    () => ({ method: 'POST', body: streamOf('x') as never, duplex: 'half' }),
  ],
  ['a stream that is not', '/hop?n=303', () => ({ method: 'POST', body: streamOf('x') as never, duplex: 'half' })],
  ['GET with a body', '/echo', () => ({ body: 'x' })],
  ['no method', '/echo', () => ({ method: 'a b' })],
  ['CONNECT', '/echo', () => ({ method: 'CONNECT' })],
  ['no header', '/echo', () => ({ headers: { 'a b': '1' } })],
]

describe.each(['plain', 'express', 'fastify'])('an app of %s, asked as over a port', (name) => {
  const seenBy = (ask: Ask, path: string, init: () => FetchOptions) =>
    ask(path, init()).then(seen, (error: Error) => ({ rejects: error.name !== '' }))

  it.each(cases.map(([what, path, init = () => ({})]) => [what, path, init] as const))('%s', async (_, path, init) => {
    const expected = await seenBy(overPort(name), path, init)
    expect(await seenBy(byName(name), path, init)).toEqual(expected)
    const redirected = /^\/(?:hop|loop)/.test(path) && (init() as FetchOptions).redirect !== 'manual'
    // Where an answer breaks off before it has left the mediator, there is none at all.
    if (redirected || path === '/short') return
    expect(await seenBy(throughMediator(name), path, init)).toEqual(expected)
  })

  it('a form with files, which a parser takes apart', async () => {
    const file = Buffer.alloc(300_000, 'a\r\n--boundary\r\n')
    const sha = createHash('sha256').update(file).digest('hex')
    for (const ask of [overPort(name), byName(name), throughMediator(name)]) {
      const form = new FormData()
      form.append('name', 'J\u00fcrgen\r\n"quoted"')
      form.append('name', 'twice')
      form.append('file', new Blob([file], { type: 'image/png' }), 'pict"ure.png')
      const answer = await ask('/form', { method: 'POST', body: form })
      expect(await answer.json()).toEqual([
        ['name', 'J\u00fcrgen\r\n"quoted"'],
        ['name', 'twice'],
        ['file', 'pict"ure.png', 'image/png', 300_000, sha],
      ])
    }
  })

  it('a form as the answer, and what else can be read of one', async () => {
    for (const ask of [overPort(name), byName(name), throughMediator(name)]) {
      const boundary = 'x-y'
      const body = `--${boundary}\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--${boundary}--\r\n`
      const type = `multipart/form-data; boundary=${boundary}`
      const echo = () => ask('/back', { method: 'POST', body, headers: { 'content-type': type } })
      expect([...(await (await echo()).formData())]).toEqual([['a', '1']])
      const blob = await (await echo()).blob()
      expect([blob.type.replace('; ', ';'), blob.size]).toEqual([type.replace('; ', ';'), body.length])
      const first = await echo()
      const second = first.clone()
      expect([second.url, second.type, second.redirected]).toEqual([first.url, 'basic', false])
      expect([await second.text(), await first.text()]).toEqual([body, body])
      expect(first.bodyUsed).toBe(true)
      await expect(first.text()).rejects.toBeDefined()
    }
  })
})
