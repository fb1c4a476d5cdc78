import { parseName, quote } from '@sealway/protocol'
import type { Express, Request, Response } from 'express'
import { auditRoutes } from './audit.js'
import { bearerIdentity } from './bearer.js'
import type { GatewayDeps } from './deps.js'
import { createReadiness } from './health.js'
import { type MetricsText, metricsPath, metricsRoutes } from './metrics.js'
import { createApp } from './mount.js'
import { nodeRoutes } from './nodes.js'
import { openApi } from './openapi.js'
import { basicChallenge, type Operators } from './operators/login.js'
import { requestHeader, requireSameOrigin } from './operators/same-origin.js'
import { forgetCookie } from './operators/sessions.js'
import type { Pages } from './pages.js'
import { policyRoutes } from './policies.js'
import { HttpError } from './problem.js'
import { type JsonSchema, ok, type Route } from './route.js'
import { tokenRoutes } from './tokens.js'

/** One setting as operators see it: secrets are masked before they come here. */
export interface ShownSetting {
  readonly name: string
  readonly value: string
  readonly origin: string
  readonly unit: string
  readonly meaning: string
}

export interface AdminDeps extends GatewayDeps {
  readonly operators: Operators
  /** The built dashboard; undefined: there is none. */
  readonly pages: Pages | undefined
  /** Asks a node to finish and leave, and to come back after so long. @returns false where it is not connected */
  readonly drainNode: (name: string, awayMs: number) => boolean
  readonly metrics: MetricsText
  readonly settings: () => readonly ShownSetting[]
  /** What an operator should know: shared mode, an open host. */
  readonly warnings: () => readonly string[]
}

const object: JsonSchema = { type: 'object' }
const credentials: JsonSchema = {
  type: 'object',
  properties: { user: { type: 'string', maxLength: 64 }, password: { type: 'string', maxLength: 1_024 } },
  required: ['user', 'password'],
  additionalProperties: false,
}

const linkSchema: JsonSchema = {
  type: 'object',
  properties: { code: { type: 'string', maxLength: 64 } },
  required: ['code'],
  additionalProperties: false,
}
/** The longest absence that a node accepts. */
const maxAwayMs = 300_000
const defaultAwayMs = 10_000
const awaySchema: JsonSchema = {
  type: 'object',
  properties: {
    awayMs: { type: 'integer', minimum: 0, maximum: maxAwayMs, description: 'ms until it comes back; 10 s' },
  },
  additionalProperties: false,
}

/** The routes of the operators' port: the same handlers under /api, and what is for operators only. */
export function adminRoutes(deps: AdminDeps): Route[] {
  const shared = [...nodeRoutes(deps), ...policyRoutes(deps), ...tokenRoutes(deps), ...auditRoutes(deps)]
  const routes: Route[] = [
    ...shared.map((route) => ({ ...route, path: route.path.replace(/^\/v1\//, '/api/') })),
    ...statusRoutes(deps),
    ...drainRoutes(deps),
    ...metricsRoutes(deps),
    ...loginRoutes(deps),
    {
      id: 'adminOpenApi',
      method: 'get',
      path: '/api/openapi.json',
      access: 'admin:read',
      summary: 'This document.',
      answers: { 200: object },
      handler: () => ok(document),
    },
  ]
  const document = openApi(routes, {
    title: 'Sealway operators',
    version: deps.version,
    refusals: ['TOO_MANY_REQUESTS'],
    security: {
      basic: { type: 'http', scheme: 'basic' },
      session: {
        type: 'apiKey',
        in: 'cookie',
        name: 'sealway_session',
        description: `writes need ${requestHeader}: 1`,
      },
    },
  })
  return routes
}

function statusRoutes(deps: AdminDeps): Route[] {
  const readiness = createReadiness(deps)
  return [
    {
      id: 'status',
      method: 'get',
      path: '/api/status',
      access: 'admin:read',
      summary: 'How the mediator is.',
      answers: { 200: object },
      async handler() {
        const { links, startedAt } = deps.status()
        const { links: _total, ...ready } = await readiness()
        return ok({ ...ready, links, startedAt, now: deps.clock(), version: deps.version, warnings: deps.warnings() })
      },
    },
    {
      id: 'settings',
      method: 'get',
      path: '/api/config',
      access: 'admin:read',
      summary: 'Settings in effect, with where each came from. Secrets are masked.',
      answers: { 200: object },
      handler: () => ok({ settings: deps.settings() }),
    },
  ]
}

function drainRoutes({ registry, drainNode }: AdminDeps): Route[] {
  return [
    {
      id: 'drainNode',
      method: 'post',
      path: '/api/nodes/{name}/drain',
      access: 'admin:write',
      summary: 'Ask a node to take no new work, finish, leave, and come back after a while.',
      body: awaySchema,
      answers: { 202: null },
      errors: ['UNKNOWN_NODE', 'INVALID_NAME', 'OFFLINE'],
      async handler({ params, body, actor }) {
        const name = parseName(params.get('name'))
        const { awayMs = defaultAwayMs } = body as { awayMs?: number }
        if (!(await registry.node(name))) throw new HttpError('UNKNOWN_NODE', `no node ${quote(name)} is registered`)
        if (!drainNode(name, awayMs)) throw new HttpError('OFFLINE', `${quote(name)} is not connected here`)
        await registry.audit({ actor, action: 'drain', subject: name, detail: { awayMs } })
        return { status: 202 }
      },
    },
  ]
}

function loginRoutes({ registry, log, operators, tokens }: AdminDeps): Route[] {
  /** An operator gets in while the database is down: that is when one is needed. */
  const record = (user: string, address: string, detail: object = {}): Promise<void> =>
    registry
      .audit({ actor: `operator:${user}`, action: 'login', subject: address, detail })
      .catch((error: unknown) => log.warn({ error }, 'a login was not written to the audit trail'))
  return [
    {
      id: 'login',
      method: 'post',
      path: '/api/login',
      access: 'public',
      summary: 'Open a session: the answer sets a cookie for 8 hours.',
      body: credentials,
      answers: { 204: null },
      errors: ['UNAUTHORIZED', 'FORBIDDEN', 'TOO_MANY_REQUESTS'],
      async handler({ body, peer }) {
        const { user, password } = body as { user: string; password: string }
        await operators.login(user, password, peer.address)
        await record(user, peer.address)
        return { status: 204, headers: { 'set-cookie': operators.sessions.open(peer.secure) } }
      },
    },
    {
      id: 'loginByLink',
      method: 'post',
      path: '/api/login/link',
      access: 'public',
      summary: 'Open a session with the code of a one-time link, as `sealway start` prints it.',
      body: linkSchema,
      answers: { 204: null },
      errors: ['UNAUTHORIZED', 'FORBIDDEN'],
      async handler({ body, peer }) {
        if (!operators.links.take((body as { code: string }).code)) {
          throw new HttpError('UNAUTHORIZED', 'this link was used already, or is older than 15 minutes')
        }
        await record(operators.user, peer.address, { by: 'link' })
        return { status: 204, headers: { 'set-cookie': operators.sessions.open(peer.secure) } }
      },
    },
    {
      id: 'logout',
      method: 'post',
      path: '/api/logout',
      access: 'admin:read',
      summary: 'End the session of the cookie.',
      answers: { 204: null },
      async handler({ peer, actor }) {
        const session = operators.sessions.close(peer.cookie)
        // Written down as well, so that it holds after a restart. Here it holds whether that can be done or not.
        if (session) {
          await tokens
            .revoke(session.id, session.expiresAt, actor)
            .catch((error: unknown) => log.warn({ error }, 'a log-out was not written down: a restart forgets it'))
        }
        return { status: 204, headers: { 'set-cookie': forgetCookie(peer.secure) } }
      },
    },
  ]
}

/** RFC 9110 s11.6.1 wants a challenge in each 401; browsers know none of this name, and stay silent. */
const pageChallenge = 'SealwaySession realm="Sealway operators"'

const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Sealway operators</title>
<h1>Sealway</h1>
<p>This is the operators' port. Its dashboard was not built (npm run build); what it shows is here:
<ul>
<li><a href="/api/status">status</a>
<li><a href="/api/nodes">nodes</a>
<li><a href="/api/groups">groups</a>
<li><a href="/api/policies">policies</a>
<li><a href="/api/audit">audit trail</a>
<li><a href="/api/config">settings</a>
<li><a href="/api/openapi.json">all routes, as OpenAPI</a>
</ul>
<p>Payloads are sealed: this mediator holds no key that opens them.
</html>
`

/** The operators' port, by Basic or session cookie. An Express app: it does not listen by itself. */
export function createAdminApp(deps: AdminDeps): Express {
  const { operators, pages } = deps
  const options = {
    routes: adminRoutes(deps),
    // Prometheus brings a token more often than a password. Only there: pages have sessions.
    authenticate: (request: Request) =>
      request.path === metricsPath && /^Bearer /i.test(request.headers.authorization ?? '')
        ? bearerIdentity(request, deps.authenticator)
        : operators.authenticate(request),
    // Our own page asks by itself; told of Basic, the browser would put its own window before it.
    challenge: (request: Request) => (request.headers[requestHeader] === '1' ? pageChallenge : basicChallenge),
    guardWrite: (request: Request) => requireSameOrigin(request.method, request.headers),
    log: deps.log,
  }
  return createApp(options, (app) => {
    if (pages) return pages.mount(app)
    app.get('/', async (request: Request, response: Response) => {
      await operators.authenticate(request)
      response.type('html').send(page)
    })
  })
}
