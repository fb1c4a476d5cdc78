import { protocolVersion } from '@sealway/protocol'
import type { Registry } from '../registry/registry.js'
import type { MediatorStatus } from './deps.js'
import { ok, type Route } from './route.js'
import { ref } from './schemas.js'

/** Anybody may ask for readiness, so the database is asked at most once a second. */
const askEveryMs = 1_000
/** A database that takes longer is down, as far as readiness goes. */
const pingTimeoutMs = 2_000

export interface Readiness {
  readonly ready: boolean
  readonly draining: boolean
  readonly listening: boolean
  readonly database: 'up' | 'down'
  readonly links: number
}

/** @returns a probe that shares one ping of the database among all who ask within a second */
export function createReadiness(deps: {
  readonly registry: Pick<Registry, 'ping'>
  readonly status: () => MediatorStatus
  readonly clock: () => number
}): () => Promise<Readiness> {
  let asked: { readonly at: number; readonly up: Promise<boolean> } | undefined
  const databaseUp = (): Promise<boolean> => {
    const now = deps.clock()
    if (!asked || now - asked.at >= askEveryMs || now < asked.at) asked = { at: now, up: answers(deps.registry) }
    return asked.up
  }
  return async () => {
    const up = await databaseUp()
    const { listening, draining, links } = deps.status()
    return {
      ready: listening && !draining && up,
      draining,
      listening,
      database: up ? 'up' : 'down',
      links: Object.values(links).reduce((sum, count) => sum + count, 0),
    }
  }
}

function answers(registry: Pick<Registry, 'ping'>): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), pingTimeoutMs).unref()
    registry
      .ping()
      .then(
        () => resolve(true),
        () => resolve(false),
      )
      .finally(() => clearTimeout(timer))
  })
}

export function healthRoutes(readiness: () => Promise<Readiness>, version: string): Route[] {
  return [
    {
      id: 'health',
      method: 'get',
      path: '/healthz',
      access: 'public',
      summary: 'Whether the process is alive. Restart it if this does not answer.',
      answers: { 200: ref('Health') },
      handler: () => ok({ alive: true }),
    },
    {
      id: 'readiness',
      method: 'get',
      path: '/readyz',
      access: 'public',
      summary: 'Whether to send traffic here: links are taken and the database answers. 503 otherwise.',
      answers: { 200: ref('Readiness'), 503: ref('Readiness') },
      async handler() {
        const body = await readiness()
        return { status: body.ready ? 200 : 503, body }
      },
    },
    {
      id: 'version',
      method: 'get',
      path: '/version',
      access: 'public',
      summary: 'Versions of the software and of the protocol.',
      answers: { 200: ref('Version') },
      handler: () => ok({ name: 'sealway', version, protocol: [protocolVersion] }),
    },
  ]
}
