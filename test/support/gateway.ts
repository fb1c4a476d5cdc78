import { createSecretKey, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { limits } from '@sealway/protocol'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import type { Express } from 'express'
import { operatorKey } from '../../server/src/auth/keys'
import { createRevocations } from '../../server/src/auth/revocations'
import { createSharedAuthenticator } from '../../server/src/auth/shared'
import { mintToken } from '../../server/src/auth/token'
import { type AdminDeps, createAdminApp } from '../../server/src/gateway/admin-app'
import { createOperators } from '../../server/src/gateway/operators/login'
import { createPublicApp } from '../../server/src/gateway/public-app'
import { silentLog } from '../../server/src/observe/log'
import { memoryRegistry } from './memory-registry'

const audience = 'sealway'

/** Both apps on loopback, with a clock that only the test moves, on a registry in memory. */
export async function startGateway() {
  const registry = await memoryRegistry()
  const time = { now: Date.now() }
  const clock = () => time.now
  const secret = createSecretKey(randomBytes(32))
  const password = randomBytes(18).toString('base64url')
  const operatorsKey = operatorKey(secret, createSecretKey(Buffer.from(password)))
  const disconnected: string[] = []
  const closedTokens: string[] = []
  const drained: string[] = []
  const policyChanges: number[] = []
  const state = { listening: true, draining: false }
  const revocations = createRevocations({ registry, log: silentLog, onRevoked: (id) => closedTokens.push(id) })
  const deps: AdminDeps = {
    registry,
    authenticator: createSharedAuthenticator({
      secret,
      operatorKey: operatorsKey,
      audience,
      clock,
      isRevoked: revocations.isRevoked,
      log: silentLog,
    }),
    tokens: {
      mint: (request) => mintToken({ ...request, secret: operatorsKey, by: 'operator', clock, audience }),
      maxLifeMs: 86_400_000,
      revoke: revocations.revoke,
    },
    disconnect: (name) => disconnected.push(name),
    policiesChanged: async () => void policyChanges.push(time.now),
    accept: (connection) => connection.destroy(),
    limits,
    status: () => ({ ...state, startedAt: 1, links: { tcp: 2, ws: 1 } }),
    clock,
    log: silentLog,
    version: '9.9.9',
    metrics: { contentType: 'text/plain; version=0.0.4; charset=utf-8', read: async () => 'up 1\n' },
    operators: createOperators({
      user: 'ada',
      password: createSecretKey(Buffer.from(password)),
      key: operatorsKey,
      isRevoked: revocations.isRevoked,
      clock,
      log: silentLog,
    }),
    pages: undefined,
    drainNode: (name) => drained.push(name) > 0,
    settings: () => [{ name: 'PORT', value: '1', origin: 'default', unit: 'port', meaning: 'm' }],
    warnings: () => ['w'],
  }
  const servers = await Promise.all([createPublicApp(deps), createAdminApp(deps)].map(listen))
  const [url, adminUrl] = servers.map((server) => server.url) as [string, string]
  const nodeToken = (subject: string, scopes: readonly string[] = []) =>
    mintToken({ secret, subject, scopes, lifeMs: 600_000, clock, audience }).token
  const operatorToken = (...scopes: string[]) => deps.tokens.mint({ subject: 'ada', scopes, lifeMs: 600_000 }).token
  return {
    ...{
      url,
      adminUrl,
      registry,
      deps,
      time,
      state,
      disconnected,
      drained,
      closedTokens,
      policyChanges,
      password,
      nodeToken,
      operatorToken,
    },
    basic: `Basic ${Buffer.from(`ada:${password}`).toString('base64')}`,
    async close() {
      await Promise.all(servers.map((server) => server.close()))
      await registry.close()
    },
  }
}

async function listen(app: Express) {
  const server = createServer(app)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

export interface Reply {
  readonly status: number
  readonly headers: Headers
  readonly body: unknown
}

/** The parts of an OpenAPI document that the tests walk. */
export interface Document {
  readonly openapi: string
  readonly info: { readonly title: string; readonly version: string }
  readonly paths: { readonly [path: string]: { readonly [method: string]: Operation } }
  readonly components: { readonly schemas: { readonly [name: string]: object }; readonly securitySchemes: object }
}
interface Operation {
  readonly operationId: string
  readonly security: readonly object[]
  readonly parameters?: readonly { name: string; in: string; required: boolean; schema: object }[]
  readonly requestBody?: { content: { [type: string]: { schema: object } } }
  readonly responses: { readonly [status: string]: { content?: { [type: string]: { schema: object } } } }
}

/** Compiling a schema takes far longer than a request, and every test has a caller of its own: once for all of them. */
const contracts = new Map<string, Contract>()

/** What an OpenAPI document says of answers. */
class Contract {
  readonly document: Document
  private readonly ajv = new Ajv2020({ strict: false })
  private readonly compiled = new Map<string, ValidateFunction>()

  constructor(text: string) {
    this.document = JSON.parse(text) as Document
    this.ajv.addSchema({ ...this.document, $id: 'doc' })
  }

  /** @throws where the answer is none of those that the document names */
  check(method: string, path: string, status: number, type: string | undefined, body: unknown): void {
    const template = this.documented(method, path)
    if (template === undefined) return
    const said = this.document.paths[template]![method]!.responses[status]
    if (!said) throw new Error(`${method} ${template} answered ${status}, which its document does not name`)
    if (body === undefined) return
    if (!said.content?.[type!]) throw new Error(`${method} ${template} ${status} answered ${type}, not as documented`)
    const fits = this.schema(['paths', template, method, 'responses', String(status), 'content', type!, 'schema'])
    if (!fits(body)) throw new Error(`${method} ${template} ${status}: ${this.ajv.errorsText(fits.errors)}`)
  }

  private documented(method: string, path: string): string | undefined {
    return Object.keys(this.document.paths)
      .filter((template) => method in this.document.paths[template]!)
      .sort((a, b) => a.split('{').length - b.split('{').length)
      .find((template) => new RegExp(`^${template.replace(/\{\w+\}/g, '[^/]+')}$`).test(path))
  }

  private schema(at: readonly string[]): ValidateFunction {
    const pointer = at.map((text) => encodeURIComponent(text.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')
    let fits = this.compiled.get(pointer)
    if (!fits) {
      fits = this.ajv.compile({ $ref: `doc#/${pointer}` })
      this.compiled.set(pointer, fits)
    }
    return fits
  }
}

/** A caller that holds every answer against what the document says of it. */
export async function createCaller(url: string, documentPath: string, authorization: string) {
  const answer = await fetch(url + documentPath, { headers: { authorization } })
  const described = await answer.text()
  const contract = contracts.get(described) ?? new Contract(described)
  contracts.set(described, contract)

  const call = async (method: string, path: string, body?: unknown, init: RequestInit = {}): Promise<Reply> => {
    const response = await fetch(url + path, {
      method: method.toUpperCase(),
      redirect: 'manual',
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      ...init,
      headers: {
        ...(authorization === '' ? {} : { authorization }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(init.headers as object),
      },
    })
    const text = await response.text()
    const type = response.headers.get('content-type')?.split(';')[0]
    const parsed: unknown = text === '' ? undefined : type?.endsWith('json') ? JSON.parse(text) : text
    contract.check(method.toLowerCase(), path.split('?')[0]!, response.status, type, parsed)
    return { status: response.status, headers: response.headers, body: parsed }
  }
  return { document: contract.document, call }
}
