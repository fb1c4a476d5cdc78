import { quote, type RawHeaders, SealwayError } from '@sealway/protocol'
import { endToEnd } from '../hop-by-hop.js'
import type { Content, FetchBody } from './body.js'

export interface FetchOptions {
  readonly method?: string | undefined
  readonly headers?: RequestInit['headers'] | undefined
  readonly body?: FetchBody | null | undefined
  /** `follow` (default): to the same node only; what leads elsewhere is handed out as it came. */
  readonly redirect?: 'follow' | 'manual' | 'error' | undefined
  /** Gives up, also while the answer is being read. */
  readonly signal?: AbortSignal | null | undefined
  /** Accepted where a body is a stream; both directions stream anyway. */
  readonly duplex?: 'half' | undefined
  /**
   * How long to wait for the head of the answer, from the last byte of the request on, ms; default as a call's, 30 s. Its
   * body takes as long as it takes, and so does one that is sent, while it moves on.
   */
  readonly timeout?: number | undefined
  /** Breaks off with `TIMEOUT` when this end waits for more and hears nothing for so long, ms. Default: not at all. */
  readonly idleTimeout?: number | undefined
  /** Most bytes of the answer that may wait here to be read; 1 KiB to 16 MiB. Default: 256 KiB. */
  readonly credit?: number | undefined
}

/** What to ask, wherever it goes. */
export interface Wanted {
  readonly url: string
  readonly method: string
  readonly headers: Headers
  readonly body: FetchBody | null | undefined
  readonly redirect: 'follow' | 'manual' | 'error'
  readonly signal: AbortSignal | undefined
}

/** As `fetch` reads its arguments. @throws SealwayError `INVALID_ARGUMENT` */
export function readWanted(input: string | URL | Request, init: FetchOptions): Wanted {
  const request = input instanceof Request ? input : undefined
  if (request?.bodyUsed && init.body === undefined) throw invalid('the body of this Request was read already')
  const method = methodOf(init.method ?? request?.method ?? 'GET')
  const body = init.body ?? (request?.body as FetchBody | null | undefined)
  if (body !== null && body !== undefined && (method === 'GET' || method === 'HEAD')) {
    throw invalid(`${method} has no body`)
  }
  return {
    url: request ? request.url : String(input),
    method,
    headers: headersOf(init.headers ?? request?.headers),
    body,
    redirect: redirectOf(init.redirect ?? (request?.redirect as FetchOptions['redirect']) ?? 'follow'),
    signal: init.signal ?? request?.signal ?? undefined,
  }
}

const usualMethod = /^(?:delete|get|head|options|patch|post|put)$/i
const forbiddenMethod = /^(?:connect|trace|track)$/i

function methodOf(method: unknown): string {
  if (typeof method !== 'string' || forbiddenMethod.test(method)) throw invalid(`no method: ${quote(method)}`)
  return usualMethod.test(method) ? method.toUpperCase() : method
}

export function headersOf(headers: FetchOptions['headers']): Headers {
  try {
    return new Headers(headers)
  } catch (cause) {
    throw invalid(`headers: ${cause instanceof Error ? cause.message : 'they are none'}`, cause)
  }
}

function redirectOf(redirect: unknown): Wanted['redirect'] {
  if (redirect === 'follow' || redirect === 'manual' || redirect === 'error') return redirect
  throw invalid(`redirect is follow, manual or error, not ${quote(redirect)}`)
}

/** The headers as they are sent. What would describe the connection, or the body wrongly, is left out. */
export function sentHeaders(host: string, wanted: Wanted, content: Content | undefined): RawHeaders {
  const { headers, method } = wanted
  const sent: string[] = ['host', host]
  for (const [name, value] of headers) {
    if (name !== 'host' && name !== 'content-length') sent.push(name, value)
  }
  if (!headers.has('accept')) sent.push('accept', '*/*')
  if (content?.type !== undefined && !headers.has('content-type')) sent.push('content-type', content.type)
  const length = content ? content.length : /^(?:POST|PUT|PATCH)$/.test(method) ? 0 : undefined
  if (length !== undefined) sent.push('content-length', String(length))
  return endToEnd(sent)
}

export const invalid = (message: string, cause?: unknown) =>
  new SealwayError('INVALID_ARGUMENT', { message, outcome: 'not-delivered', hop: 'client', cause })
