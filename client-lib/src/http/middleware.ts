import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Exposed, PublicRoutes, parseExposed, SealwayError } from '@sealway/protocol'
import { toJson } from '../messaging/json.js'
import { refuse } from './refusal.js'
import { askerOf } from './request.js'

export interface MiddlewareOptions {
  /** Routes that anybody may ask, sealed or not: `[METHOD ]/path`, `*` at the end for all that begins so. Default: none. */
  readonly public?: readonly string[]
}

/** For `app.use` of Express, and whatever else takes functions of this form. */
export type HttpMiddleware = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void

declare module 'node:http' {
  interface ServerResponse {
    /** Answers with JSON, where the request came sealed; else refuses with 403. There is one behind `node.middleware()`. */
    sealed(body: unknown): void
  }
}

/**
 * Lets requests through that another node has sealed, and all others to public routes only. What an ordinary port or a
 * mediator brings is not sealed, whatever its headers say: who made the request object counts.
 * @throws SealwayError `INVALID_ARGUMENT`
 */
export function sealedOnly(options: MiddlewareOptions = {}): HttpMiddleware {
  const exposed = readPublic(options.public ?? [])
  const routes = new PublicRoutes()
  return (request, response, next) => {
    const sealed = askerOf(request)?.sealed === true
    response.sealed = (body) => {
      if (sealed) answer(response, body)
      else refuse(response, 'FORBIDDEN', 'the answer is for other nodes, which ask sealed')
    }
    if (sealed || routes.allows(exposed, request.method ?? '', pathOf(request))) next()
    else refuse(response, 'FORBIDDEN', 'this is answered to other nodes, which ask sealed')
  }
}

/** @throws SealwayError `INVALID_ARGUMENT`, naming the route */
function readPublic(routes: readonly string[]): Exposed {
  try {
    return parseExposed({ public: routes })
  } catch (cause) {
    const message = (cause as Error).message.replace('http.public', 'public')
    throw new SealwayError('INVALID_ARGUMENT', { message, outcome: 'not-delivered', hop: 'client', cause })
  }
}

/** As it came: Express takes the path of a router off `url`. */
const pathOf = (request: IncomingMessage & { readonly originalUrl?: string }): string =>
  request.originalUrl ?? request.url ?? ''

function answer(response: ServerResponse, value: unknown): void {
  const body = Buffer.from(toJson(value ?? null, 'answer'))
  response.setHeader('Content-Type', 'application/json; charset=utf-8')
  response.setHeader('Content-Length', body.length)
  response.end(body)
}
