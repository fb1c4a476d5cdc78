import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  type Connection,
  HttpLinkHeader,
  httpPollMs,
  linkIdForm,
  linkPath,
  parseOffset,
  upgradeProtocol,
} from '@sealway/protocol'
import { answer, refuse } from './http-answer.js'
import { HttpConnection } from './http-connection.js'

const methods = 'POST, GET, DELETE'

export interface HttpLinksOptions {
  /** A link that no request was for in so long is over, ms. */
  readonly idleMs: number
  /** Monotonic, ms. */
  readonly now: () => number
  /** How long a poll waits, ms; shorter in tests. */
  readonly pollMs?: number
}

export interface HttpLinks {
  /** Links that are open. */
  readonly size: number
  /** @returns false where the request is for somebody else */
  handle(request: IncomingMessage, response: ServerResponse): boolean
  /** Called from time to time: ends the links that nobody asks for any more. */
  tick(): void
  /** Ends all links. */
  close(): void
}

/** Links over plain requests to `/link`: POST opens one and brings bytes, GET takes them, DELETE ends it. */
export function acceptHttpLinks(options: HttpLinksOptions, onConnection: (connection: Connection) => void): HttpLinks {
  const { idleMs, now, pollMs = httpPollMs } = options
  const links = new Map<string, HttpConnection>()

  const open = (request: IncomingMessage, response: ServerResponse): void => {
    // In no log and no message: whoever knows it can speak for the node.
    const id = randomBytes(32).toString('base64url')
    const connection = new HttpConnection({
      remoteAddress: request.socket.remoteAddress ?? 'ipc',
      over: () => links.delete(id),
      now,
      pollMs,
    })
    links.set(id, connection)
    onConnection(connection)
    if (connection.isOver) {
      const farewell = connection.farewell()
      connection.destroy()
      answer(response, 503, { 'content-type': 'application/octet-stream', 'retry-after': '5' }, farewell)
      return
    }
    const body = Buffer.from(JSON.stringify({ link: id }))
    answer(response, 201, { 'content-type': 'application/json' }, body)
  }

  const serve = (connection: HttpConnection, request: IncomingMessage, response: ServerResponse): void => {
    const read = count(request, HttpLinkHeader.read) ?? count(request, 'last-event-id')
    if (request.method === 'DELETE') {
      connection.leave(response)
      return
    }
    const from = read ?? (request.method === 'GET' ? 0 : undefined)
    if (Number.isNaN(from) || (from !== undefined && !connection.acknowledge(from))) {
      refuse(response, 'MALFORMED', 'this many bytes were not read, or more were before')
      return
    }
    if (request.method === 'GET') {
      connection.give(response, from!, wantsEvents(request))
      return
    }
    const offset = count(request, HttpLinkHeader.offset)
    if (offset === undefined || Number.isNaN(offset)) {
      refuse(response, 'MALFORMED', `${HttpLinkHeader.offset} must say where these bytes begin`)
      return
    }
    connection.receive(request, response, offset)
  }

  return {
    get size() {
      return links.size
    },
    handle(request, response) {
      if (request.url?.split('?', 1)[0] !== linkPath) return false
      const { method } = request
      const id = request.headers[HttpLinkHeader.link]
      if (method !== 'POST' && method !== 'GET' && method !== 'DELETE') {
        refuse(response, 'METHOD_NOT_ALLOWED', `here are only ${methods}`, { allow: methods })
      } else if (id === undefined) {
        if (method === 'POST') open(request, response)
        else refuse(response, 'UNSUPPORTED_VERSION', begin, { upgrade: upgradeProtocol, connection: 'close, upgrade' })
      } else {
        const connection = typeof id === 'string' && linkIdForm.test(id) ? links.get(id) : undefined
        if (connection) serve(connection, request, response)
        else refuse(response, 'NOT_FOUND', 'there is no such link, or none any more')
      }
      return true
    },
    tick() {
      const at = now()
      for (const link of [...links.values()]) {
        if (link.idleMs(at) >= idleMs) link.fail(new Error(`no request came for ${idleMs} ms`))
      }
    },
    close() {
      for (const link of [...links.values()]) link.destroy()
    },
  }
}

const begin = `a link begins with GET ${linkPath} and Upgrade: ${upgradeProtocol}, or with POST ${linkPath}`

/** A count in a header; undefined: there is none; NaN: it is something else. */
function count(request: IncomingMessage, name: string): number | undefined {
  const text = request.headers[name]
  if (text === undefined) return undefined
  return (typeof text === 'string' ? parseOffset(text) : undefined) ?? Number.NaN
}

const wantsEvents = ({ headers }: IncomingMessage): boolean => headers.accept?.includes('text/event-stream') ?? false
