import { type Code, type Problem, problemOf, problemType } from '@sealway/protocol'
import { bearerChallenge } from '../gateway/bearer.js'
import type { ClientResponse } from './client.js'

/** When a client that was told 503 may come back, s. */
const retryAfterSeconds = '5'
/** When one that was told 429 may: within a second there is room for more, s. */
const nextTrySeconds = '1'

/**
 * Answers with a problem (RFC 9457) of the code table.
 * @param close this connection is not to be used again
 */
export function refuse(response: ClientResponse, code: Code, detail: string, close: boolean): void {
  const problem = problemOf(code, detail)
  const body = Buffer.from(JSON.stringify(problem))
  response.writeHead(problem.status, [...problemHeaders(problem, body.length), ...(close ? connectionClose : [])])
  response.end(body)
}

/** The same as bytes, for where there is no response: what could not be read as a request. */
export function rawRefusal(code: Code, detail: string, reason: string): string {
  const problem = problemOf(code, detail)
  const body = JSON.stringify(problem)
  const headers = [...problemHeaders(problem, Buffer.byteLength(body)), ...connectionClose]
  let text = `HTTP/1.1 ${problem.status} ${reason}\r\n`
  for (let i = 0; i < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`
  return `${text}\r\n${body}`
}

function problemHeaders({ status }: Problem, bytes: number): string[] {
  const headers = ['Content-Type', problemType, 'Content-Length', String(bytes), 'Cache-Control', 'no-store']
  headers.push('X-Content-Type-Options', 'nosniff')
  if (status === 401) headers.push('WWW-Authenticate', bearerChallenge)
  if (status === 503) headers.push('Retry-After', retryAfterSeconds)
  if (status === 429) headers.push('Retry-After', nextTrySeconds)
  return headers
}

const connectionClose = ['Connection', 'close']
