import { type IncomingMessage, type RequestListener, Server, type ServerResponse } from 'node:http'
import { Server as SecureServer } from 'node:https'
import type { Duplex } from 'node:stream'
import { SealwayError } from '@sealway/protocol'

/** Takes over the connection of a request for an upgrade, as a listener of http.Server's `upgrade`. */
export type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => unknown

/** What Fastify is to us. */
export interface FastifyLike {
  ready(): PromiseLike<unknown>
  routing(request: IncomingMessage, response: ServerResponse): void
  readonly server: object
}

/** A handler of requests: an Express app, a function, an http.Server that need not listen, a Fastify instance. */
export type HttpApp = ((request: IncomingMessage, response: ServerResponse) => unknown) | Server | FastifyLike

type Answered = (request: IncomingMessage, response: ServerResponse) => unknown

/** The same of every kind of app. */
export interface Entry {
  /** Before the first request. */
  readonly ready: PromiseLike<unknown> | undefined
  readonly request: Answered
  /** Who takes over an upgrade; undefined: it is a request like any other (RFC 9110 s7.8). */
  upgrade(): UpgradeListener | undefined
  /** Who answers `Expect: 100-continue`, and who any other expectation; undefined: Node's default. */
  expectation(event: 'checkContinue' | 'checkExpectation'): Answered | undefined
}

/** @throws SealwayError `INVALID_ARGUMENT` */
export function entryOf(app: HttpApp, ownUpgrade: UpgradeListener | undefined): Entry {
  if (isServer(app)) {
    return {
      ready: undefined,
      request: (request, response) => callAll(app, 'request', [request, response]),
      upgrade: () => ownUpgrade ?? upgradeOf(app),
      expectation: (event) => (app.listenerCount(event) > 0 ? (...args) => callAll(app, event, args) : undefined),
    }
  }
  if (isFastify(app)) {
    const { server } = app
    return {
      ready: app.ready(),
      request: (request, response) => app.routing(request, response),
      upgrade: () => ownUpgrade ?? (isServer(server) ? upgradeOf(server) : undefined),
      expectation: () => undefined,
    }
  }
  if (typeof app !== 'function') {
    throw new SealwayError('INVALID_ARGUMENT', {
      message: 'what is exposed must be an Express app, a function (req, res), an http.Server, a Fastify app or a URL',
      outcome: 'not-delivered',
    })
  }
  return { ready: undefined, request: app as RequestListener, upgrade: () => ownUpgrade, expectation: () => undefined }
}

const upgradeOf = (server: Server): UpgradeListener | undefined =>
  server.listenerCount('upgrade') > 0 ? (...args) => callAll(server, 'upgrade', args) : undefined

/** One by one instead of `emit`: so a promise that a listener returns is seen, and its rejection ends one request only. */
function callAll(server: Server, event: string, args: unknown[]): unknown {
  const results = server.rawListeners(event).map((listener) => listener.apply(server, args) as unknown)
  return results.length === 1 ? results[0] : Promise.all(results)
}

const isServer = (app: unknown): app is Server => app instanceof Server || app instanceof SecureServer

const isFastify = (app: unknown): app is FastifyLike =>
  typeof app === 'object' && app !== null && 'routing' in app && 'ready' in app && typeof app.ready === 'function'
