import type { Express } from 'express'
import { auditRoutes } from './audit.js'
import { bearerChallenge, bearerIdentity } from './bearer.js'
import { createBridgeLinks } from './bridge/links.js'
import { bridgeRoutes } from './bridge/routes.js'
import type { GatewayDeps } from './deps.js'
import { createReadiness, healthRoutes } from './health.js'
import { createApp } from './mount.js'
import { nodeRoutes } from './nodes.js'
import { openApi } from './openapi.js'
import { policyRoutes } from './policies.js'
import { ok, type Route } from './route.js'
import { tokenRoutes } from './tokens.js'

/** The routes of the nodes' port. */
export function publicRoutes(deps: GatewayDeps): Route[] {
  const routes: Route[] = [
    ...nodeRoutes(deps),
    ...policyRoutes(deps),
    ...tokenRoutes(deps),
    ...auditRoutes(deps),
    ...bridgeRoutes(createBridgeLinks({ ...deps, idleMs: deps.limits.deadAfterMs }), deps.limits),
    ...healthRoutes(createReadiness(deps), deps.version),
    {
      id: 'openApi',
      method: 'get',
      path: '/openapi.json',
      access: 'public',
      summary: 'This document.',
      answers: { 200: { type: 'object' } },
      handler: () => ok(document),
    },
  ]
  const document = openApi(routes, {
    title: 'Sealway mediator',
    version: deps.version,
    security: { token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
  })
  return routes
}

/** REST for nodes and operators, by bearer token. An Express app: it does not listen by itself. */
export const createPublicApp = (deps: GatewayDeps): Express =>
  createApp({
    routes: publicRoutes(deps),
    authenticate: (request) => bearerIdentity(request, deps.authenticator),
    challenge: bearerChallenge,
    log: deps.log,
  })
