import { SealwayError } from './errors.js'
import { encodeFrame, FrameType, headerBytes, readU32, writeHeader, writeU32 } from './frame.js'
import { readLatin1, writeLatin1 } from './latin1.js'
import { limits } from './limits.js'
import { refusedUpgrade } from './upgrade.js'

/**
 * HTTP by name (SPEC.md, "Exchanges"): one request that the mediator hands to a node over its link, and its answer. The
 * number in the route field is the exchange's, chosen by the mediator.
 */

/** Flag of request, response and data frames: the body ends here. Others are refused. */
export const ExchangeFlag = { end: 1 } as const

/** Names and values in turn, as on the wire: repeated names stay apart and keep their order. */
export type RawHeaders = readonly string[]

export interface RequestHead {
  /** A token of RFC 9110, upper case as sent: `GET`. */
  readonly method: string
  /** Path and query, from `/` on, not decoded. */
  readonly target: string
  readonly headers: RawHeaders
}

export interface ResponseHead {
  /** 100 to 599; below 200 another response follows, but for 101. */
  readonly status: number
  /** May be empty. */
  readonly reason: string
  readonly headers: RawHeaders
}

/** What a node says of the HTTP it serves, in its hello and in an `expose` query. */
export interface Exposed {
  /** Routes that anybody may ask without a token: `[METHOD ]/path`, with `*` at the end for all that begins so. */
  readonly public: readonly string[]
  /** Protocols that a request may switch to, in lower case; `websocket` unless given. */
  readonly upgrades?: readonly string[]
}

/** Headers that concern one connection and not the message (RFC 9110 s7.6.1), in lower case: they are not handed on. */
export const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
  // Of the retired upgrade to HTTP/2 (RFC 9113 s3.1).
  'http2-settings',
])

/** RFC 9110 s5.6.2. */
export const tokenForm = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
/** RFC 9110 s5.5: no control characters but the tab, and so no way to begin another line. */
export const fieldValueForm = /^[\t -~\u0080-\u00ff]*$/
/** What Node's client lets through as a path: nothing that ends the request line, and nothing that is not ASCII. */
const targetForm = /^\/[\u0021-\u007e]*$/

/** Body of a request or response frame: `u32 headBytes, head, body`. The head is latin1 (RFC 9110 s5.5). */
function encodeHeadFrame(
  type: typeof FrameType.request | typeof FrameType.response,
  exchange: number,
  head: string,
  body: Uint8Array | undefined,
  end: boolean,
  allocate: Allocate,
): Uint8Array {
  const headBytes = head.length
  if (headBytes > limits.maxHeadBytes) {
    throw new SealwayError('TOO_LARGE', {
      message: `a head has at most ${limits.maxHeadBytes} bytes, not ${headBytes}`,
    })
  }
  const bodyBytes = body?.length ?? 0
  const bytes = allocate(headerBytes + 4 + headBytes + bodyBytes)
  writeHeader(bytes, 0, type, end ? ExchangeFlag.end : 0, exchange, 4 + headBytes + bodyBytes)
  writeU32(bytes, headerBytes, headBytes)
  writeLatin1(bytes, headerBytes + 4, head)
  if (body) bytes.set(body, headerBytes + 4 + headBytes)
  return bytes
}

/** Where a frame goes: `Buffer.allocUnsafe`, which costs a tenth, or a new array. Every byte of it is written. */
type Allocate = (bytes: number) => Uint8Array
const newArray: Allocate = (bytes) => new Uint8Array(bytes)

/** @throws SealwayError `MALFORMED` or `TOO_LARGE`: it would not be HTTP */
export function encodeRequest(exchange: number, head: RequestHead, body?: Uint8Array, end = true): Uint8Array {
  checkHeaders(head.headers)
  return encodeReadRequest(exchange, head, body, end, newArray)
}

/**
 * The same for a head whose headers were read by a parser of HTTP, so that nobody need look at them twice.
 * @throws SealwayError `MALFORMED` or `TOO_LARGE`
 */
export function encodeReadRequest(
  exchange: number,
  head: RequestHead,
  body: Uint8Array | undefined,
  end: boolean,
  allocate: Allocate,
): Uint8Array {
  if (!tokenForm.test(head.method)) throw malformed('the method is not a token')
  if (!targetForm.test(head.target)) throw malformed('the target is not a path')
  const text = `${head.method} ${head.target}${linesOf(head.headers)}`
  return encodeHeadFrame(FrameType.request, exchange, text, body, end, allocate)
}

/** @throws SealwayError `MALFORMED` or `TOO_LARGE`: it would not be HTTP */
export function encodeResponse(
  exchange: number,
  head: ResponseHead,
  body?: Uint8Array,
  end = true,
  allocate = newArray,
): Uint8Array {
  checkHeaders(head.headers)
  const text = `${checkedStatus(head.status)} ${checkedValue(head.reason, 'the reason')}${linesOf(head.headers)}`
  return encodeHeadFrame(FrameType.response, exchange, text, body, end, allocate)
}

export const encodeData = (exchange: number, body: Uint8Array, end: boolean): Uint8Array =>
  encodeFrame(FrameType.data, exchange, body, end ? ExchangeFlag.end : 0)

/** The header of a data frame alone, for a body that is written beside it without being copied. */
export function dataHeader(exchange: number, bodyBytes: number, end: boolean): Uint8Array {
  const bytes = new Uint8Array(headerBytes)
  writeHeader(bytes, 0, FrameType.data, end ? ExchangeFlag.end : 0, exchange, bodyBytes)
  return bytes
}

/** Ends a body. @throws SealwayError `MALFORMED` or `TOO_LARGE` */
export function encodeTrailers(exchange: number, trailers: RawHeaders): Uint8Array {
  checkHeaders(trailers)
  const text = linesOf(trailers)
  if (text.length > limits.maxHeadBytes) throw new SealwayError('TOO_LARGE', { message: 'the trailers are too long' })
  const body = new Uint8Array(text.length)
  writeLatin1(body, 0, text)
  return encodeFrame(FrameType.trailers, exchange, body)
}

export function encodeGrant(exchange: number, bytes: number): Uint8Array {
  const body = new Uint8Array(4)
  writeU32(body, 0, bytes)
  return encodeFrame(FrameType.grant, exchange, body)
}

/** @param code number of a row of the code table */
export const encodeReset = (exchange: number, code: number): Uint8Array =>
  encodeFrame(FrameType.reset, exchange, Uint8Array.of(code >>> 8, code))

/** @throws SealwayError `MALFORMED` or `TOO_LARGE` */
export function decodeRequest(frameBody: Uint8Array): { head: RequestHead; body: Uint8Array } {
  const { lines, body } = splitHead(frameBody)
  const [start] = lines
  const space = start!.indexOf(' ')
  const method = start!.slice(0, Math.max(space, 0))
  const target = start!.slice(space + 1)
  if (!tokenForm.test(method)) throw malformed('the method is not a token')
  if (!targetForm.test(target)) throw malformed('the target is not a path')
  return { head: { method, target, headers: headersOf(lines) }, body }
}

/** @throws SealwayError `MALFORMED` or `TOO_LARGE` */
export function decodeResponse(frameBody: Uint8Array): { head: ResponseHead; body: Uint8Array } {
  const { lines, body } = splitHead(frameBody)
  const start = lines[0]!
  const status = checkedStatus(start[3] === ' ' ? Number(start.slice(0, 3)) : 0)
  return { head: { status, reason: checkedValue(start.slice(4), 'the reason'), headers: headersOf(lines) }, body }
}

/** @throws SealwayError `MALFORMED` or `TOO_LARGE` */
export function decodeTrailers(frameBody: Uint8Array): RawHeaders {
  if (frameBody.length > limits.maxHeadBytes) throw new SealwayError('TOO_LARGE', { message: 'trailers too long' })
  return headersOf(readLatin1(frameBody, 0, frameBody.length).split('\r\n'))
}

/** @throws SealwayError `MALFORMED` */
export function decodeGrant(body: Uint8Array): number {
  if (body.length !== 4) throw malformed('a grant has 4 bytes')
  return readU32(body, 0)
}

/** Number of a code. @throws SealwayError `MALFORMED` */
export function decodeReset(body: Uint8Array): number {
  if (body.length !== 2) throw malformed('a reset has 2 bytes')
  return (body[0]! << 8) | body[1]!
}

/** @throws SealwayError `MALFORMED`, naming the entry */
export function parseExposed(value: unknown): Exposed {
  const routes = (value as { public?: unknown } | null)?.public
  if (!Array.isArray(routes) || routes.length > limits.maxPublicRoutes) {
    throw malformed(`http.public must be a list of at most ${limits.maxPublicRoutes} routes`)
  }
  for (const route of routes) {
    if (typeof route !== 'string' || route.length > 256 || !publicForm.test(route)) {
      throw malformed(`http.public: ${JSON.stringify(route)} is not like "GET /health" or "/assets/*"`)
    }
  }
  const { upgrades } = value as { upgrades?: unknown }
  return { public: routes as string[], ...(upgrades === undefined ? {} : { upgrades: parseUpgrades(upgrades) }) }
}

function parseUpgrades(value: unknown): string[] {
  if (!Array.isArray(value) || value.length > maxUpgrades) {
    throw malformed(`http.upgrades must be a list of at most ${maxUpgrades} protocols`)
  }
  for (const protocol of value) {
    if (typeof protocol !== 'string' || protocol.length > 64 || !upgradeForm.test(protocol)) {
      throw malformed(`http.upgrades: ${JSON.stringify(protocol)} is no protocol in lower case, like "websocket"`)
    }
    if (protocol === refusedUpgrade) throw malformed('http.upgrades: a switch to h2c is never forwarded')
  }
  return value as string[]
}

const maxUpgrades = 16
const upgradeForm = /^[a-z0-9][a-z0-9.+_-]*(?:\/[a-z0-9.+_-]+)?$/

const publicForm = /^(?:[A-Z]+ )?\/[\u0021-\u007e]*$/

function linesOf(headers: RawHeaders): string {
  if (headers.length > 2 * limits.maxHeaders) throw new SealwayError('TOO_LARGE', { message: tooMany })
  let text = ''
  for (let i = 0; i < headers.length; i += 2) text += `\r\n${headers[i]!}: ${headers[i + 1]!}`
  return text
}

function checkHeaders(headers: RawHeaders): void {
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!
    if (!tokenForm.test(name)) throw malformed('a header name is not a token')
    checkedValue(headers[i + 1]!, name)
  }
}

function splitHead(frameBody: Uint8Array): { lines: string[]; body: Uint8Array } {
  if (frameBody.length < 4) throw malformed('a head is missing')
  const headBytes = readU32(frameBody, 0)
  if (headBytes > limits.maxHeadBytes) {
    throw new SealwayError('TOO_LARGE', {
      message: `a head has at most ${limits.maxHeadBytes} bytes, not ${headBytes}`,
    })
  }
  if (4 + headBytes > frameBody.length) throw malformed('a head runs past the end of its frame')
  const lines = readLatin1(frameBody, 4, 4 + headBytes).split('\r\n')
  return { lines, body: frameBody.subarray(4 + headBytes) }
}

/** Of all lines but the first, which is the start line's. */
function headersOf(lines: readonly string[]): string[] {
  if (lines.length - 1 > limits.maxHeaders) throw new SealwayError('TOO_LARGE', { message: tooMany })
  const headers: string[] = []
  for (let i = 1; i < lines.length; i++) {
    const line = lines[i]!
    const colon = line.indexOf(': ')
    const name = line.slice(0, Math.max(colon, 0))
    if (!tokenForm.test(name)) throw malformed('a header name is not a token')
    headers.push(name, checkedValue(line.slice(colon + 2), name))
  }
  return headers
}

function checkedValue(value: string, what: string): string {
  if (!fieldValueForm.test(value)) throw malformed(`${what} has characters that no header may have`)
  return value
}

function checkedStatus(status: number): number {
  if (!Number.isInteger(status) || status < 100 || status > 599) throw malformed('the status is not 100 to 599')
  return status
}

const tooMany = `more than ${limits.maxHeaders} headers`
const malformed = (message: string) => new SealwayError('MALFORMED', { message })
