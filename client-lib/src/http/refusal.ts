import type { ServerResponse } from 'node:http'
import { type Code, httpStatusOf, meaningOf, retryOf } from '@sealway/protocol'

/** Answers with a code of the table, as the mediator does (RFC 9457). */
export function refuse(response: ServerResponse, code: Code, detail: string): void {
  const status = httpStatusOf(code)
  const problem = {
    type: `urn:sealway:code:${code}`,
    title: meaningOf(code),
    status,
    code,
    detail,
    retry: retryOf(code),
  }
  const body = Buffer.from(JSON.stringify(problem))
  response.statusCode = status
  response.setHeader('Content-Type', 'application/problem+json')
  response.setHeader('Content-Length', body.length)
  response.end(body)
}
