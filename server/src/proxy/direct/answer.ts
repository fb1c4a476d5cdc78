import type { ClientRequest, IncomingMessage, InformationEvent } from 'node:http'
import { type Code, limits } from '@sealway/protocol'
import { inform } from '../inform.js'
import { isBodiless, responseHeaders } from '../response-headers.js'
import type { Visit } from '../visit.js'
import { pairsOf } from './headers.js'

/** Answers below 200 to one request: more are a flood (RELIABILITY H6). */
const maxInformed = 16

/** A failed request that was never read: safe to say again. */
const notConnected = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'EADDRNOTAVAIL', 'ETIMEDOUT', 'EHOSTDOWN'])

/** Hands an upstream's answer to the client: the guards that every answer of a node passes. */
export function relayAnswer(visit: Visit, node: string, answer: IncomingMessage, closes: boolean): void {
  const { response } = visit.streams
  if (!relayHead(visit, node, answer, closes)) return
  // A head without a body yet (server-sent events) must not wait for one; one with its body goes in one write.
  setImmediate(() => {
    if (!response.writableEnded && !response.destroyed) response.flushHeaders()
  })
  answer.pipe(response, { end: false })
  answer.on('end', () => {
    if (!answer.complete) return
    const pairs = pairsOf(answer.rawTrailers)
    if (pairs.length > 0) response.addTrailers(pairs)
    visit.answered()
    response.end()
  })
}

/**
 * Looks at the head of an answer and writes it; what breaks off afterwards is told.
 * @returns false: it is no answer, and the visit was told
 */
export function relayHead(visit: Visit, node: string, answer: IncomingMessage, closes: boolean): boolean {
  const bad = (detail: string): false => {
    answer.destroy()
    visit.failed('BAD_ANSWER', `${node} answered with ${detail}`)
    return false
  }
  // Before the head: an answer that breaks off is told by the end of the connection, not by that of the body.
  answer.on('close', () => {
    if (!answer.complete) visit.failed('BAD_ANSWER', `${node} broke its answer off`)
  })
  answer.on('error', () => {})
  const { statusCode: status = 0, statusMessage: reason = '', rawHeaders } = answer
  const bodiless = isBodiless(visit.request.method, status)
  const read = responseHeaders({ status, reason, headers: rawHeaders }, bodiless)
  if (typeof read === 'string') return bad(read)
  if (rawHeaders.length > 2 * limits.maxHeaders) return bad('too many headers')
  const { headers } = read
  headers.push('Server-Timing', visit.timing())
  if (closes) headers.push('Connection', 'close')
  try {
    visit.response.writeHead(status, reason, headers)
  } catch (error) {
    return bad((error as Error).message)
  }
  return true
}

/** Who is told that an upstream failed. */
export interface Failing {
  failed(code: Code, detail: string): void
}

/** Who waits for an answer; of one below 200 only whoever can hand it on is told. */
export interface Waiting extends Failing {
  inform?(head: InformationEvent): void
}

/**
 * A visit, as one attempt at it sees it. One failure is told in several ways, and only the first counts: by the next
 * another member may be asked already.
 */
export const waitingFor = (visit: Visit, attempt: NonNullable<Visit['current']>): Waiting => ({
  failed(code, detail) {
    if (visit.current === attempt) visit.failed(code, detail)
  },
  inform({ statusCode, statusMessage, rawHeaders }) {
    if (visit.current === attempt) inform(visit, { status: statusCode, reason: statusMessage, headers: rawHeaders })
  },
})

/** Bounds what comes before an answer, and how long it may take to come. */
export function watch(
  upstream: ClientRequest,
  visit: Waiting,
  node: string,
  { connectTimeoutMs, answerTimeoutMs, idleTimeoutMs }: WatchLimits,
): void {
  const late = (what: string) => (): void => {
    visit.failed('TIMEOUT', `${node} ${what}`)
    upstream.destroy()
  }
  const timer = setTimeout(late('could not be connected to in time'), connectTimeoutMs).unref()
  const connected = (): void => clearTimeout(timer)
  upstream.on('socket', (socket) => {
    if (!socket.connecting) connected()
    else socket.once('connect', connected)
  })
  upstream.on('close', connected)
  let informed = 0
  upstream.on('information', (head) => {
    if (++informed <= maxInformed) {
      // That it may send its body the client has been told here.
      if (head.statusCode !== 100) visit.inform?.(head)
      return
    }
    visit.failed('BAD_ANSWER', `${node} answered with more than ${maxInformed} heads before its answer`)
    upstream.destroy()
  })
  upstream.setTimeout(answerTimeoutMs, late('did not answer in time'))
  upstream.once('response', () => upstream.setTimeout(idleTimeoutMs))
}

export interface WatchLimits {
  readonly connectTimeoutMs: number
  readonly answerTimeoutMs: number
  readonly idleTimeoutMs: number
}

/** What Node says of a certificate that it does not take (X509_STORE_CTX_get_error(3), and of its name). */
const ofCertificate = /CERT|^UNABLE_TO_|^(?:CRL|HOSTNAME|INVALID_CA|PATH_LENGTH|INVALID_PURPOSE)/

/** What a broken connection means. */
export function failedBy(error: NodeJS.ErrnoException, visit: Failing, node: string): void {
  const { code = '' } = error
  if (code.startsWith('HPE_')) visit.failed('BAD_ANSWER', `${node} answered with what is not HTTP (${code})`)
  else if (notConnected.has(code)) visit.failed('OFFLINE', `${node} cannot be connected to (${code})`)
  else if (ofCertificate.test(code)) visit.failed('PEER_GONE', `the certificate of ${node} is not trusted (${code})`)
  else visit.failed('PEER_GONE', `the connection to ${node} broke (${code})`)
}

/** The connection ended, which Node does not call an error in every case. */
export const hungUp = (): NodeJS.ErrnoException => Object.assign(new Error('it hung up'), { code: 'ECONNRESET' })

/** RFC 9110 s9.2.1, and so without effect where it was read after all. */
const safe: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])

/** A kept connection that its other end was just closing: it has read nothing, and a new one will do. */
export const wasStale = (
  { guarded, response, informed, request }: Visit,
  upstream: ClientRequest | undefined,
): boolean =>
  upstream?.reusedSocket === true &&
  guarded.bodyBytes === 0 &&
  !response.headersSent &&
  !informed &&
  safe.has(request.method!)
