import { problemType, type SealwayError } from '@sealway/protocol'
import express, { type Express, type NextFunction, type Request, type Response } from 'express'
import type { Identity } from '../auth/authenticator.js'
import { allows } from '../auth/scopes.js'
import type { Log } from '../observe/log.js'
import { answerOf, HttpError, sealwayErrorOf } from './problem.js'
import { bytesBody, jsonBody, readAtMost, readBytes } from './read-body.js'
import { type Answer, type Call, pathParams, type Route } from './route.js'
import { createValidators, type Validator } from './validate.js'

export interface MountOptions {
  readonly routes: readonly Route[]
  /** @throws SealwayError where the request is nobody's */
  readonly authenticate: (request: Request) => Identity | Promise<Identity>
  /** `WWW-Authenticate` of a 401 (RFC 9110 s11.6.1). */
  readonly challenge: string | ((request: Request) => string)
  /** Runs before the handler, on every route that changes something. @throws SealwayError */
  readonly guardWrite?: (request: Request) => void
  readonly log: Log
}

/** No page may be made of what this serves, nor may it be embedded, sniffed or kept. */
const safeHeaders = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
}

export function createApp(options: MountOptions, mountMore: (app: Express) => void = () => {}): Express {
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.enable('strict routing')
  app.enable('case sensitive routing')
  // `simple`: texts and lists of texts. The default would build objects of what a caller writes.
  app.set('query parser', 'simple')
  app.use((_request: Request, response: Response, next: NextFunction) => {
    response.set(safeHeaders)
    next()
  })
  mountMore(app)
  const validatorFor = createValidators()
  for (const route of options.routes) mountRoute(app, route, validatorFor(route), options)
  for (const [path, methods] of methodsByPath(options.routes)) refuseOthers(app, path, methods)
  app.use((request: Request) => {
    throw new HttpError('NOT_FOUND', `there is nothing at ${request.path.slice(0, 200)}`)
  })
  app.use(answerError(options))
  return app
}

const expressPath = (path: string): string => path.replace(/\{(\w+)\}/g, ':$1')

function mountRoute(app: Express, route: Route, validator: Validator, options: MountOptions): void {
  const params = pathParams(route.path)

  // Who asks comes before what is asked: the body of a stranger is not even read.
  const admit = async (request: Request, response: Response, next: NextFunction): Promise<void> => {
    if (route.access !== 'public') {
      const caller = await options.authenticate(request)
      requireAccess(route, caller)
      response.locals.caller = caller
    }
    if (route.method !== 'get') options.guardWrite?.(request)
    next()
  }
  const serve = async (request: Request, response: Response): Promise<void> => {
    const caller = response.locals.caller as Identity | undefined
    const call: Call = {
      params: new Map(params.map((name) => [name, String(request.params[name])])),
      query: validator.query(request.query),
      body: route.bytes
        ? bytesBody(request, route.bytes.maxBytes)
        : route.body
          ? validator.body(jsonBody(request))
          : undefined,
      header: (name) => {
        const value = request.headers[name]
        return typeof value === 'string' ? value : undefined
      },
      signal: signalOf(response),
      actor: caller ? actorOf(caller) : 'anybody',
      peer: {
        address: request.socket.remoteAddress ?? '',
        cookie: request.headers.cookie ?? '',
        secure: request.secure,
      },
      ...(caller ? { caller } : {}),
    }
    await answer(response, await route.handler(call))
  }
  app[route.method](expressPath(route.path), admit, ...bodyReaders(route), serve)
}

const bodyReaders = ({ body, bytes }: Route) => (bytes ? [readAtMost(bytes.maxBytes)] : body ? [readBytes] : [])

/** Fires when the connection ends before the answer has. */
function signalOf(response: Response): AbortSignal {
  const gone = new AbortController()
  response.once('close', () => {
    if (!response.writableFinished) gone.abort()
  })
  return gone.signal
}

/** @throws HttpError `FORBIDDEN` */
function requireAccess(route: Route, caller: Identity): void {
  if (route.access === 'public' || route.access === 'token') return
  if (allows(caller, { type: 'admin', write: route.access === 'admin:write' })) return
  throw new HttpError('FORBIDDEN', `this needs a token with the scope ${route.access}`)
}

const actorOf = (caller: Identity): string =>
  `${allows(caller, { type: 'admin', write: false }) ? 'operator' : 'node'}:${caller.subject}`

async function answer(response: Response, { status, body, headers = {}, bytes, text, events }: Answer): Promise<void> {
  response.status(status).set(headers)
  if (events) await sendEvents(response, events)
  else if (bytes) response.type('application/octet-stream').set('content-length', String(bytes.length)).end(bytes)
  else if (text !== undefined) response.type(headers['content-type'] ?? 'text/plain').end(text)
  else if (body === undefined) response.end()
  else response.json(body)
}

async function sendEvents(response: Response, events: AsyncIterable<string>): Promise<void> {
  // nginx would hold events back until it has a buffer full of them.
  response.set({ 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' }).flushHeaders()
  for await (const event of events) {
    if (response.destroyed) break
    if (!response.write(event)) await drained(response)
  }
  response.end()
}

/** It can be written to again, or has gone. */
const drained = (response: Response): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done)
      resolve()
    }
    response.on('drain', done).on('close', done)
  })

function methodsByPath(routes: readonly Route[]): Map<string, string[]> {
  const methods = new Map<string, string[]>()
  for (const { path, method } of routes) {
    methods.set(path, [...(methods.get(path) ?? []), ...(method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()])])
  }
  return methods
}

function refuseOthers(app: Express, path: string, methods: readonly string[]): void {
  const allow = [...methods, 'OPTIONS'].join(', ')
  app.all(expressPath(path), (request: Request, response: Response) => {
    if (request.method === 'OPTIONS') response.status(204).set('allow', allow).end()
    else throw new HttpError('METHOD_NOT_ALLOWED', `here are only ${allow}`, { headers: { allow } })
  })
}

function answerError({ challenge, log }: MountOptions) {
  // Express tells a handler of errors by its four parameters.
  return (thrown: unknown, request: Request, response: Response, _next: NextFunction): void => {
    const error = sealwayErrorOf(thrown)
    const problem = answerOf(error)
    const fields = { method: request.method, path: request.path.slice(0, 200), code: error.code }
    if (problem.status >= 500) log.error({ ...fields, error }, 'request failed')
    else log.debug({ ...fields, detail: problem.detail }, 'request refused')
    if (response.headersSent) {
      response.destroy()
      return
    }
    response
      .status(problem.status)
      .set(headersFor(error, problem.status, typeof challenge === 'string' ? challenge : challenge(request)))
      .type(problemType)
    response.send(JSON.stringify(problem))
  }
}

function headersFor(error: SealwayError, status: number, challenge: string): { [name: string]: string } {
  return {
    ...(status === 401 ? { 'www-authenticate': challenge } : {}),
    ...(status === 503 || status === 507 ? { 'retry-after': '5' } : {}),
    ...(error instanceof HttpError ? error.headers : {}),
  }
}
