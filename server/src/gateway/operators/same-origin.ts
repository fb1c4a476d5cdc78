import type { IncomingHttpHeaders } from 'node:http'
import { HttpError } from '../problem.js'

/** A header that no form and no image can send, and no other origin without a preflight, which is refused. */
export const requestHeader = 'x-sealway-request'

/**
 * Refuses a write that another site made an operator's browser send: browsers add the cookie, and a Basic password
 * that was typed once, by themselves (RELIABILITY, W1). A program that is no browser has neither.
 * @throws HttpError `FORBIDDEN`, naming what is missing
 */
export function requireSameOrigin(method: string, headers: IncomingHttpHeaders): void {
  if (!isBrowser(headers)) return
  const reason = missing(method, headers)
  if (reason !== undefined) throw new HttpError('FORBIDDEN', `refused as a request from another site: ${reason}`)
}

/** Not any `Sec-Fetch-*`: the fetch of Node sends `Sec-Fetch-Mode`. Where a browser leaves out the Site, it sends an Origin. */
const isBrowser = ({ cookie, origin, referer, 'sec-fetch-site': site }: IncomingHttpHeaders): boolean =>
  cookie !== undefined || origin !== undefined || referer !== undefined || site !== undefined

function missing(method: string, headers: IncomingHttpHeaders): string | undefined {
  if (headers[requestHeader] !== '1') return `the header ${requestHeader}: 1 is missing`
  if (headers['sec-fetch-site'] !== 'same-origin') return 'the header Sec-Fetch-Site is not same-origin'
  if (!isOriginOf(headers.origin, headers.host)) return 'the header Origin is not this one'
  const type = headers['content-type']?.split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/json' && (method !== 'DELETE' || type !== undefined)) return 'the body is not JSON'
  return undefined
}

/** The scheme is not compared: TLS may end before us. */
export function isOriginOf(origin: string | undefined, host: string | undefined): boolean {
  if (origin === undefined || host === undefined || !URL.canParse(origin)) return false
  return new URL(origin).host === host.toLowerCase()
}
