import { type Code, httpStatusOf, meaningOf, type Retry, retryOf } from './errors.js'

/** How an HTTP answer says an error (RFC 9457): with our stable code, and whether a retry makes sense. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly code: Code
  readonly detail: string
  readonly retry: Retry
}

export const problemType = 'application/problem+json'

/** @param status where it is not the one of the code table */
export const problemOf = (code: Code, detail: string, status: number = httpStatusOf(code)): Problem => ({
  type: `urn:sealway:code:${code}`,
  title: meaningOf(code),
  status,
  code,
  detail,
  retry: retryOf(code),
})
