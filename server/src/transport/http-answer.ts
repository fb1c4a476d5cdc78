import type { ServerResponse } from 'node:http'
import { type Code, problemOf, problemType } from '@sealway/protocol'

/** Nothing on the way may keep what belongs to a link, or hand it to another. */
const safeHeaders = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' }

/** @param headers names and values @param body absent: none */
export function answer(
  response: ServerResponse,
  status: number,
  headers: { readonly [name: string]: string },
  body?: Buffer,
): void {
  if (response.headersSent || response.destroyed) return
  const length = body ? { 'content-length': String(body.length) } : {}
  response.writeHead(status, { ...safeHeaders, ...headers, ...length })
  response.end(body)
}

/** RFC 9457, as REST answers it. The connection goes with it: a body that nobody wants may still be on its way. */
export function refuse(
  response: ServerResponse,
  code: Code,
  detail: string,
  headers: { readonly [name: string]: string } = {},
): void {
  const problem = problemOf(code, detail)
  const named = { 'content-type': problemType, connection: 'close', ...headers }
  answer(response, problem.status, named, Buffer.from(JSON.stringify(problem)))
}

export function beginEvents(response: ServerResponse): void {
  response.writeHead(200, {
    ...safeHeaders,
    'content-type': 'text/event-stream',
    // nginx would hold the events back until it has a buffer full of them.
    'x-accel-buffering': 'no',
  })
  response.flushHeaders()
}
