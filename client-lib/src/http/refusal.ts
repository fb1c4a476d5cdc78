import type { ServerResponse } from 'node:http'
import { type Code, problemOf, problemType } from '@sealway/protocol'

/** Answers with a code of the table, as the mediator does (RFC 9457). */
export function refuse(response: ServerResponse, code: Code, detail: string): void {
  const problem = problemOf(code, detail)
  const body = Buffer.from(JSON.stringify(problem))
  response.statusCode = problem.status
  response.setHeader('Content-Type', problemType)
  response.setHeader('Content-Length', body.length)
  response.end(body)
}
