import { hopByHop, type RawHeaders, type ResponseHead } from '@sealway/protocol'

/** What of an answer's head decides its framing. */
export interface AnswerHeaders {
  readonly headers: string[]
  /** `Content-Length`; undefined: none was said. */
  readonly length: number | undefined
}

const lengthForm = /^\d{1,15}$/
/** RFC 9112 s6.3: these have no body, whatever their headers say, and nor has an answer to HEAD. */
export const hasNoContent = (status: number): boolean => status === 204 || status === 304
export const isBodiless = (method: string | undefined, status: number): boolean =>
  method === 'HEAD' || hasNoContent(status)

/** A node must not be able to log a browser in as another operator: cookies know no ports. */
const operatorCookie = /^\s*sealway_session\s*=/i

/**
 * The headers of an answer that a client is handed.
 * @param bodiless it has no body, whatever its headers say
 * @returns what is wrong with them, where they would not be HTTP
 */
export function responseHeaders(head: ResponseHead, bodiless = false): AnswerHeaders | string {
  const listed = listedBy(head.headers)
  const headers: string[] = []
  let length: number | undefined
  let trailerAt = -1
  for (let i = 0; i < head.headers.length; i += 2) {
    const name = head.headers[i]!
    const value = head.headers[i + 1]!
    const lower = name.toLowerCase()
    if (hopByHop.has(lower) || listed?.includes(lower)) continue
    if (lower === 'content-length') {
      if (length !== undefined || !lengthForm.test(value)) return 'a Content-Length that is no single number'
      // RFC 9110 s8.6: these have none; with one, a client would wait for bytes.
      if (head.status === 204 || head.status === 101) continue
      length = Number(value)
    } else if (lower === 'trailer') {
      trailerAt = headers.length
    } else if (lower === 'set-cookie' && operatorCookie.test(value)) {
      continue
    }
    headers.push(name, value)
  }
  // Trailers travel in chunks only (RFC 9112 s7.1.2).
  if (trailerAt >= 0 && (length !== undefined || bodiless)) headers.splice(trailerAt, 2)
  return { headers, length }
}

/** Header names that `Connection` lists, lower case. */
export function listedBy(headers: RawHeaders): string[] | undefined {
  let listed: string[] | undefined
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!
    if (name.length !== 10 || name.toLowerCase() !== 'connection') continue
    listed ??= []
    for (const one of headers[i + 1]!.toLowerCase().split(',')) {
      const token = one.trim()
      if (token !== 'content-length') listed.push(token)
    }
  }
  return listed
}

/** Fields that would change how a message is read, where they come after it (RFC 9110 s6.5.1). */
const notInTrailers: ReadonlySet<string> = new Set([
  ...hopByHop,
  ...['content-length', 'host', 'trailer', 'content-encoding', 'content-type', 'content-range', 'cache-control'],
  ...['authorization', 'cookie', 'set-cookie', 'expect', 'max-forwards', 'te', 'forwarded', 'location'],
])

/** What may follow a body, in either direction. */
export function trailerFields(trailers: RawHeaders): string[] {
  const kept: string[] = []
  for (let i = 0; i < trailers.length; i += 2) {
    const lower = trailers[i]!.toLowerCase()
    if (!notInTrailers.has(lower) && !lower.startsWith('x-forwarded-')) kept.push(trailers[i]!, trailers[i + 1]!)
  }
  return kept
}
