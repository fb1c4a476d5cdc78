import { randomBytes } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { connect, type Node, type SealwayError } from '@sealway/client'
import { mintedBy } from '../../client-lib/src/session/token'
import { memoryOf } from '../support/process-memory'
import { build, type Program, repositoryRoot, runProgram, startProgram } from '../support/program'
import { type TcpProxy, tcpProxy } from '../support/tcp-proxy'

const jwtSecret = randomBytes(32).toString('base64url')
const adminPassword = randomBytes(18).toString('base64url')
const rawKey = randomBytes(32)
const payloadKey = `mk1_${rawKey.toString('base64url')}`
const canary = `canary-${randomBytes(12).toString('hex')}`
const metaCanary = `canary-${randomBytes(12).toString('hex')}`
const bytesCanary = randomBytes(24)

/** The server workspace installed alone, and the folder that its process runs in. */
let artefact: string
let data: string
let mediator: Program
let url: string
let adminUrl: string
/** Stands between nodes and mediator, as a network does. */
let network: TcpProxy
const captured: Buffer[] = []
const nodes: Node[] = []

beforeAll(async () => {
  build()
  artefact = mkdtempSync(join(tmpdir(), 'sealway-blind-'))
  data = join(artefact, 'data')
  mkdirSync(data)
  for (const path of ['package.json', 'package-lock.json', '.npmrc', 'protocol', 'scaffold', 'server']) {
    cpSync(join(repositoryRoot, path), join(artefact, path), {
      recursive: true,
      filter: (source) => !/^(node_modules|src)$/.test(basename(source)),
    })
  }
  const install = ['ci', '--omit=dev', '--workspace', 'server', '--include-workspace-root=false', '--prefer-offline']
  expect(runProgram('npm', [...install, '--loglevel=error'], { cwd: artefact })).toEqual({
    status: 0,
    output: expect.any(String),
  })
  await startMediator()
})

afterAll(async () => {
  for (const node of nodes) await node.close()
  await network?.close()
  mediator?.signal('SIGKILL')
  if (artefact) rmSync(artefact, { recursive: true, force: true })
})

describe('a mediator installed from the server workspace alone', () => {
  it('has no client library on its disk, and no code that decrypts', () => {
    expect(existsSync(join(artefact, 'client-lib'))).toBe(false)
    expect(readdirSync(join(artefact, 'node_modules', '@sealway'))).toEqual(['protocol'])
    const ours = ['server', 'protocol', 'scaffold'].flatMap((name) => filesBelow(join(artefact, name)))
    expect(ours.length).toBeGreaterThan(20)
    expect(ours.filter((file) => /createDecipher/.test(readFileSync(file, 'utf8')))).toEqual([])
  })

  it('C12: relays every verb, and neither plaintext nor key is in its memory, files, output, answers or traffic', async () => {
    const received = await talk()
    // Sent, called, and broadcast: what is searched for below did pass through.
    const text = { text: canary }
    expect(received).toEqual([
      [`note-${canary}`, text],
      [`echo-${canary}`, text],
      [`echo-${canary}`, bytesCanary],
      [`news-${canary}`, text],
    ])

    const answers = await everyAnswer()
    const written = () => filesBelow(data).filter((file) => basename(file) !== '.env.node')
    const evidence = () =>
      new Map<string, Buffer>([
        ['process output', Buffer.from(mediator.output())],
        ['captured traffic', Buffer.concat(captured)],
        ...answers,
        ...written().map((file) => [basename(file), readFileSync(file)] as const),
      ])

    // Not an empty search: the same places do hold what the mediator may know.
    const places = evidence()
    expect([...places.keys()]).toEqual(expect.arrayContaining(['process output', 'GET /readyz', 'sealway.sqlite']))
    expect([...places].filter(([, bytes]) => bytes.includes('alpha-1')).length).toBeGreaterThanOrEqual(3)
    expect(places.get('captured traffic')!.includes('alpha-1')).toBe(true)

    expect(hits(places)).toEqual([])
    expect(searchMemory(mediator.pid)).toEqual({ names: true, hits: [] })
    for (const node of nodes.splice(0)) await node.drain()
    mediator.signal('SIGTERM')
    expect((await mediator.ended).code).toBe(0)
    expect(hits(evidence())).toEqual([])
  })

  it('would have found them, whatever their form', () => {
    const around = (bytes: Buffer) => Buffer.concat([randomBytes(7), bytes, randomBytes(7)])
    const found = (bytes: Buffer) => hits(new Map([['here', bytes]]))
    for (const secret of [Buffer.from(canary), Buffer.from(metaCanary), bytesCanary, rawKey, Buffer.from(payloadKey)]) {
      expect(found(around(secret))).not.toEqual([])
      for (const shift of [0, 1, 2]) {
        const inside = Buffer.concat([randomBytes(shift), secret, randomBytes(5)])
        for (const form of ['base64', 'base64url', 'hex'] as const) {
          expect([form, shift, found(around(Buffer.from(inside.toString(form))))]).not.toEqual([form, shift, []])
        }
      }
    }
    expect(found(around(randomBytes(4_096)))).toEqual([])
  })
})

/** Every verb, and every way to fail that carries a body or an error of the user's. @returns what arrived */
async function talk(): Promise<[string, unknown][]> {
  const alpha = await join_('alpha-1', ['blind', 'far'], payloadKey)
  const beta = await join_('beta-1', ['blind'], payloadKey)
  await join_('stranger-1', ['far'], `mk1_${randomBytes(32).toString('base64url')}`)
  const received: [string, unknown][] = []
  for (const verb of ['note', 'echo', 'news']) {
    beta.on(`${verb}-${canary}`, ({ action, body }) => {
      received.push([action, body])
      return body
    })
  }
  beta.on('refuse', (_command, ctx) => {
    throw ctx.fail(canary, { text: canary })
  })
  beta.on('crash', () => {
    throw new Error(canary)
  })

  const body = { text: canary }
  await alpha.send('beta-1', `note-${canary}`, body, { meta: { note: metaCanary } })
  expect(await alpha.call('any:blind', `echo-${canary}`, body)).toEqual(body)
  expect(await alpha.call('beta-1', `echo-${canary}`, bytesCanary)).toEqual(bytesCanary)
  const report = await alpha.broadcast('blind', `news-${canary}`, body, { want: 'replies' })
  expect(report.replies.get('beta-1')).toEqual(body)

  const failure = (to: string, action: string) =>
    alpha.call(to, action, body).then(
      () => 'answered',
      (error: SealwayError) => error.code,
    )
  expect(await failure('beta-1', 'refuse')).toBe('APPLICATION_ERROR')
  expect(await failure('beta-1', 'crash')).toBe('EXCEPTION')
  expect(await failure('beta-1', `nobody-${canary}`)).toBe('NO_HANDLER')
  expect(await failure('stranger-1', `any-${canary}`)).toBe('UNKNOWN_KEY')
  expect(await failure('nobody-1', `any-${canary}`)).toBe('UNKNOWN_NODE')
  return received
}

async function join_(name: string, groups: readonly string[], keys: string): Promise<Node> {
  const node = await connect({ url, name, groups, keys, token: mintedBy(jwtSecret, name, Date.now) })
  nodes.push(node)
  return node
}

/** What the mediator says to whoever asks: every GET of both its ports, as its own OpenAPI documents list them. */
async function everyAnswer(): Promise<Map<string, Buffer>> {
  const answers = new Map<string, Buffer>()
  const basic = `Basic ${Buffer.from(`admin:${adminPassword}`).toString('base64')}`
  const bearer = `Bearer ${mintedBy(jwtSecret, 'alpha-1', Date.now)()}`
  for (const [base, document, authorization] of [
    [url, '/openapi.json', bearer],
    [adminUrl, '/api/openapi.json', basic],
  ] as const) {
    const get = async (path: string): Promise<string> => {
      const response = await fetch(base + path, { headers: { authorization } })
      const text = await response.text()
      answers.set(`GET ${path}`, Buffer.from(`${[...response.headers].join()}\n${text}`))
      return text
    }
    const { paths } = JSON.parse(await get(document)) as { paths: { [path: string]: { get?: object } } }
    for (const [path, methods] of Object.entries(paths)) {
      if (methods.get) await get(path.replace('{name}', 'alpha-1').replace('{group}', 'blind').replace('{id}', '1'))
    }
  }
  return answers
}

/** Forms in which a secret could have been written down. Base64 is searched without its ends, at all three offsets. */
function formsOf(secret: Buffer): Map<string, Buffer> {
  const forms = new Map<string, Buffer>([
    ['as it is', secret],
    ['hex', Buffer.from(secret.toString('hex'))],
    ['UTF-16', Buffer.from(secret.toString('latin1'), 'utf16le')],
  ])
  for (const shift of [0, 1, 2]) {
    const text = Buffer.concat([Buffer.alloc(shift), secret])
      .toString('base64')
      .replace(/=+$/, '')
    forms.set(`base64, ${shift}`, Buffer.from(text.slice(shift === 0 ? 0 : 4, -4)))
    forms.set(
      `base64url, ${shift}`,
      Buffer.from(
        text
          .slice(shift === 0 ? 0 : 4, -4)
          .replace(/\+/g, '-')
          .replace(/\//g, '_'),
      ),
    )
  }
  return forms
}

const secrets = [
  ['the plaintext', formsOf(Buffer.from(canary))],
  ['the meta', formsOf(Buffer.from(metaCanary))],
  ['the bytes', formsOf(bytesCanary)],
  ['the payload key', formsOf(rawKey)],
  ["the payload key's text", formsOf(Buffer.from(payloadKey))],
] as const

function hits(places: ReadonlyMap<string, Buffer>): string[] {
  return [...places].flatMap(([place, bytes]) =>
    secrets.flatMap(([what, forms]) =>
      [...forms].filter(([, form]) => bytes.includes(form)).map(([form]) => `${what} (${form}) is in ${place}`),
    ),
  )
}

/** Whether a process knows the nodes' names, which shows that the search reads its memory, and which secrets it knows. */
function searchMemory(pid: number): { names: boolean; hits: string[] } {
  let names = false
  const found = new Set<string>()
  for (const piece of memoryOf(pid)) {
    names ||= piece.includes('alpha-1')
    for (const hit of hits(new Map([['memory', piece]]))) found.add(hit)
  }
  return { names, hits: [...found] }
}

async function startMediator(): Promise<void> {
  mediator = startProgram([join(artefact, 'server', 'dist', 'main.js'), 'start'], {
    cwd: data,
    env: {
      PORT: '0',
      ADMIN_PORT: '0',
      LOG_LEVEL: 'debug',
      LOG_FORMAT: 'json',
      PROTECTED_BASIC_AND_JWT: jwtSecret,
      PROTECTED_ADMIN_PASSWORD: adminPassword,
    },
  })
  const port = Number(new URL((await mediator.saw(/mediator +(http:\S+)/))[1]!).port)
  network = await tcpProxy('127.0.0.1', port, (piece) => captured.push(piece))
  url = `http://127.0.0.1:${network.port}`
  adminUrl = (await mediator.saw(/operators +(http:\S+)/))[1]!
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}
