import type { IncomingMessage } from 'node:http'
import { type Code, limits } from '@sealway/protocol'
import type { ClientRequest } from './client.js'

/** Why a request goes no further. */
export interface Refusal {
  readonly code: Code
  readonly detail: string
}

/** What was read of a request's headers on the way, so that nobody reads them twice. */
export interface Guarded {
  /** Of its body: 0 none, -1 not known before its end. */
  readonly bodyBytes: number
  /** It waits for 100 before it sends its body. */
  readonly expects: boolean
  readonly host: string
  readonly authorization: string | undefined
  readonly proxyAuthorization: string | undefined
  /** Header names that `Connection` lists, lower case. */
  readonly listed: readonly string[] | undefined
}

/** RELIABILITY F4; an IPv6 literal is of RFC 3986 s3.2.2. */
const hostForm = /^(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::\d+)?$/i
/** Methods whose body other proxies lose, so that its bytes become a request of their own (RELIABILITY F2). */
const noChunks = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT'])
const lengthForm = /^\d{1,15}$/

/**
 * What Node's parser lets through and no request of a well-behaved client has (RELIABILITY F2, F4): refused before
 * anything is handed on, so that both ends read the same request.
 */
export function guard(request: ClientRequest): Guarded | Refusal {
  const { rawHeaders } = request
  const { httpVersion } = request
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return badVersion
  if (rawHeaders.length > 2 * limits.maxHeaders) return tooMany
  let host: string | undefined
  let length: string | undefined
  let coding: string | undefined
  let authorization: string | undefined
  let proxyAuthorization: string | undefined
  let expect: string | undefined
  let listed: string[] | undefined
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const value = rawHeaders[i + 1]!
    switch (rawHeaders[i]!.toLowerCase()) {
      case 'host':
        if (host !== undefined) return twice('Host')
        host = value
        break
      case 'content-length':
        if (length !== undefined) return twice('Content-Length')
        length = value
        break
      case 'transfer-encoding':
        if (coding !== undefined) return twice('Transfer-Encoding')
        coding = value
        break
      case 'authorization':
        if (authorization !== undefined) return twice('Authorization')
        authorization = value
        break
      case 'proxy-authorization':
        if (proxyAuthorization !== undefined) return twice('Proxy-Authorization')
        proxyAuthorization = value
        break
      case 'expect':
        if (expect !== undefined) return twice('Expect')
        expect = value
        break
      case 'connection':
        listed = namesOf(value, listed)
        break
    }
  }
  if (host === undefined) return noHost
  if (!hostForm.test(host)) return badHost
  if (request.url!.charCodeAt(0) !== 0x2f) return badTarget
  let bodyBytes = 0
  if (coding !== undefined) {
    if (length !== undefined) return bothLengths
    if (httpVersion !== '1.1') return chunkedBefore11
    if (coding.toLowerCase() !== 'chunked') return badCoding
    if (noChunks.has(request.method!)) return lengthRequired
    bodyBytes = -1
  } else if (length !== undefined) {
    if (!lengthForm.test(length)) return badLength
    bodyBytes = Number(length)
  }
  const expects = expect !== undefined && expect.toLowerCase() === '100-continue' && httpVersion === '1.1'
  return { bodyBytes, expects, host, authorization, proxyAuthorization, listed }
}

/** The same for what is not for a node, and goes no further than our own REST. HTTP/1.0 may leave the host out. */
export function guardOwn({ headers, httpVersion, url }: IncomingMessage): Refusal | undefined {
  if (headers.host === undefined && httpVersion === '1.1') return noHost
  return url!.startsWith('/') ? undefined : badTarget
}

function namesOf(value: string, before: string[] | undefined): string[] | undefined {
  const lower = value.toLowerCase()
  // What nearly every request has names nothing that is not removed anyway.
  if (lower === 'keep-alive' || lower === 'close' || lower === 'upgrade') return before
  const names = before ?? []
  for (const name of lower.split(',')) names.push(name.trim())
  return names
}

const malformed = (detail: string): Refusal => ({ code: 'MALFORMED', detail })
const twice = (name: string): Refusal => malformed(`there is more than one ${name}`)
const badVersion = malformed('only HTTP/1.0 and HTTP/1.1 are spoken here')
const noHost = malformed('there is no Host: HTTP/1.1 needs one')
const badHost = malformed('the Host is no host name or address, with or without a port')
const badTarget = malformed('the target does not begin with /: write the path alone, and the host in Host')
const bothLengths = malformed('there are both a Content-Length and a Transfer-Encoding')
const chunkedBefore11 = malformed('a Transfer-Encoding needs HTTP/1.1')
const badCoding = malformed('the only Transfer-Encoding is chunked')
const badLength = malformed('the Content-Length is no number')
const lengthRequired: Refusal = {
  code: 'LENGTH_REQUIRED',
  detail: 'a body of this method needs a Content-Length, and no Transfer-Encoding',
}
export const tooMany: Refusal = {
  code: 'HEADERS_TOO_LARGE',
  detail: `a request has at most ${limits.maxHeaders} headers, and ${limits.maxHeadBytes} bytes of them`,
}
