import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import WebSocket, { WebSocketServer } from 'ws'
import { type Certificate, makeCertificate } from '../support/certificate'
import { tokenFor } from '../support/link'
import { build, type Program, repositoryRoot, startProgram } from '../support/program'

/** A mediator as an operator runs it, that was told of one authority more (docs/http.md, "Straight to an address"). */
const jwtSecret = randomBytes(32).toString('base64url')
const authority = makeCertificate()
const day = 86_400_000
let folder: string
let mediator: Program
let url: string
const servers: Server[] = []

beforeAll(async () => {
  build()
  folder = mkdtempSync(join(tmpdir(), 'sealway-tls-'))
  writeFileSync(join(folder, 'authority.pem'), authority.cert)
  mediator = startProgram([join(repositoryRoot, 'server', 'dist', 'main.js'), 'start'], {
    cwd: folder,
    env: {
      ...{ PORT: '0', ADMIN_PORT: '0', HTTP_DIRECT: 'loopback', PROTECTED_BASIC_AND_JWT: jwtSecret },
      PROTECTED_ADMIN_PASSWORD: randomBytes(18).toString('base64url'),
      NODE_EXTRA_CA_CERTS: join(folder, 'authority.pem'),
    },
  })
  url = (await mediator.saw(/mediator +(http:\S+)/))[1]!
})
afterAll(async () => {
  mediator?.signal('SIGKILL')
  for (const server of servers) {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  if (folder) rmSync(folder, { recursive: true, force: true })
})

const authorization = `Bearer ${tokenFor(jwtSecret, 'asker', { scopes: ['http:*'] }).token}`

/** An upstream with this certificate, registered under `host`. */
async function upstream(name: string, host: string, certificate: Certificate): Promise<{ seen: string[] }> {
  const seen: string[] = []
  const server = createServer(certificate, (request, response) => {
    seen.push(request.headers.host!)
    response.end('over TLS')
  })
  new WebSocketServer({ server }).on('connection', (socket) => {
    socket.on('message', (data) => socket.send(data.toString()))
  })
  server.on('tlsClientError', () => {})
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const own = tokenFor(jwtSecret, name).token
  const endpoints = [{ name: 'web', protocol: 'https', address: host, port }]
  const answer = await fetch(`${url}/v1/nodes`, {
    method: 'POST',
    headers: { authorization: `Bearer ${own}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name, groups: [name], endpoints }),
  })
  expect(answer.status).toBe(201)
  return { seen }
}

const named = (name: string, options = {}) => makeCertificate({ names: [name], by: authority, ...options })

describe('an upstream over TLS', () => {
  it('is asked where its certificate is good for its name, by requests, all of a group, and WebSockets', async () => {
    const { seen } = await upstream('good', 'good.localhost', named('good.localhost'))
    for (let i = 0; i < 2; i++) {
      const answer = await fetch(`${url}/one/good/good/`, { headers: { authorization } })
      expect([answer.status, await answer.text()]).toEqual([200, 'over TLS'])
    }
    const { answers } = (await (await fetch(`${url}/many/good/`, { headers: { authorization } })).json()) as {
      answers: unknown[]
    }
    expect(answers).toEqual([expect.objectContaining({ node: 'good', status: 200, body: 'over TLS' })])
    expect(new Set(seen)).toEqual(new Set([expect.stringMatching(/^good\.localhost:\d+$/)]))
    const socket = new WebSocket(`${url.replace('http', 'ws')}/one/good/good/`, { headers: { authorization } })
    const said = new Promise((resolve, reject) => {
      socket.on('message', (data) => resolve(data.toString()))
      socket.on('error', reject)
    })
    socket.on('open', () => socket.send('over TLS, too'))
    expect(await said).toBe('over TLS, too')
    socket.close()
  })

  it.each<[string, string, () => Certificate, string]>([
    ['signs itself', 'self', () => makeCertificate({ names: ['self.localhost'] }), 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    [
      'is signed by nobody who is known',
      'unknown',
      () => makeCertificate({ names: ['unknown.localhost'], by: makeCertificate({ names: ['somebody'] }) }),
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    ],
    [
      'is signed by another of the same name',
      'impostor',
      () => makeCertificate({ names: ['impostor.localhost'], by: makeCertificate() }),
      'CERT_SIGNATURE_FAILURE',
    ],
    ['is for another host', 'other', () => named('another.localhost'), 'ERR_TLS_CERT_ALTNAME_INVALID'],
    [
      'has expired',
      'old',
      () => named('old.localhost', { from: new Date(Date.now() - 2 * day), until: new Date(Date.now() - day) }),
      'CERT_HAS_EXPIRED',
    ],
    [
      'is not valid yet',
      'early',
      () => named('early.localhost', { from: new Date(Date.now() + day), until: new Date(Date.now() + 2 * day) }),
      'CERT_NOT_YET_VALID',
    ],
    [
      'is for a name, where an address was registered',
      '127.0.0.1',
      () => named('localhost'),
      'ERR_TLS_CERT_ALTNAME_INVALID',
    ],
  ])('whose certificate %s gets no request, by no way', async (_what, label, make, why) => {
    const name = label === '127.0.0.1' ? 'by-address' : label
    const { seen } = await upstream(name, label === '127.0.0.1' ? label : `${label}.localhost`, make())
    const one = await fetch(`${url}/one/${name}/${name}/`, { headers: { authorization } })
    const problem = (await one.json()) as { code: string; detail: string }
    expect([one.status, problem.code, problem.detail]).toEqual([502, 'PEER_GONE', expect.stringContaining(why)])
    expect(problem.detail).toContain('certificate')
    const many = await fetch(`${url}/many/${name}/`, { headers: { authorization } })
    const { answers } = (await many.json()) as { answers: unknown[] }
    expect(answers).toEqual([
      expect.objectContaining({ node: name, error: expect.objectContaining({ code: 'PEER_GONE' }) }),
    ])
    const socket = new WebSocket(`${url.replace('http', 'ws')}/one/${name}/${name}/`, { headers: { authorization } })
    const refused = await new Promise<number | undefined>((resolve, reject) => {
      socket.on('unexpected-response', (request, { statusCode }) => {
        resolve(statusCode)
        request.destroy()
      })
      socket.on('open', () => reject(new Error('it is open')))
      socket.on('error', () => {})
    })
    expect([refused, seen]).toEqual([502, []])
  })
})
