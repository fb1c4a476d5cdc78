import { SealwayError } from '@sealway/protocol'
import { timeoutOf } from '../../messaging/deadline.js'
import { withinCaller } from '../../messaging/inherited.js'
import { type HttpTarget, parseTarget, pathOf } from './address.js'
import { type Answer, type AskParts, ask } from './ask.js'
import { bodyFrames, contentOf, isReplayable } from './body.js'
import { inlineBytes } from './frames.js'
import { type FetchOptions, invalid, readWanted, sentHeaders, type Wanted } from './request.js'
import { responseOf } from './response.js'

/** What {@link fetchFrom} asks for: a text like `http://orders-1/health` or `any:orders/health`, or as `fetch` takes it. */
export type FetchInput = string | URL | Request

export interface FetchParts extends AskParts {
  /** ms since 1970. */
  readonly clock: () => number
  readonly maxTimeoutMs: number
  /** How long to wait where the caller does not say, ms. */
  readonly usualTimeoutMs: (to: string) => number
}

/** As `fetch` of the Fetch Standard. */
const maxRedirects = 20

/** `node.fetch`. */
export async function fetchFrom(parts: FetchParts, input: FetchInput, init: FetchOptions = {}): Promise<Response> {
  const wanted = readWanted(input, init)
  const target = parseTarget(wanted.url)
  if (target.to.startsWith('group:')) {
    throw invalid(`fetch has one answer; ${target.to} has many: use fetchAll, or any:${target.host}`)
  }
  return follow(parts, target, wanted, init, timeoutFor(parts, target.to, init))
}

/** ms. @throws SealwayError `INVALID_ARGUMENT`, `TIMEOUT` */
export function timeoutFor(parts: FetchParts, to: string, { timeout }: FetchOptions): number {
  const options = timeout === undefined ? undefined : { timeout }
  return withinCaller(timeoutOf(options, parts.usualTimeoutMs(to), parts.maxTimeoutMs), parts.clock)
}

/** Asks there, and again where the same node says so. */
export async function follow(
  parts: FetchParts,
  first: HttpTarget,
  asked: Wanted,
  init: FetchOptions,
  timeoutMs: number,
): Promise<Response> {
  const { timers } = parts
  let until = timers.monotonic() + timeoutMs
  let target = first
  let wanted = asked
  for (let redirects = 0; ; redirects++) {
    const leftMs = redirects === 0 ? timeoutMs : Math.max(1, until - timers.monotonic())
    const answer = await send(parts, target, wanted, init, leftMs)
    // A stream took as long as it took.
    if (!isReplayable(wanted.body)) until = timers.monotonic() + timeoutMs
    if (answer.head!.status === 101) throw refused(answer, 'it switches protocols, which was not asked for')
    const location = redirectOf(answer)
    const next = location === undefined || wanted.redirect === 'manual' ? undefined : place(location, target, answer)
    if (location !== undefined && wanted.redirect === 'error') throw refused(answer, 'it redirects')
    if (!next) return responseOf(answer, wanted.method, `http://${answer.node}${target.path}`, redirects > 0)
    if (redirects === maxRedirects) throw refused(answer, `it redirects more than ${maxRedirects} times`)
    wanted = redirected(wanted, answer)
    answer.cancel()
    target = next
  }
}

async function send(
  parts: FetchParts,
  { to, host, path }: HttpTarget,
  wanted: Wanted,
  init: FetchOptions,
  timeoutMs: number,
): Promise<Answer> {
  const content = await contentOf(wanted.body)
  const inline = content?.bytes !== undefined && content.bytes.length <= inlineBytes
  try {
    return await ask(parts, {
      to,
      head: { method: wanted.method, target: path, headers: sentHeaders(host, wanted, content) },
      body: inline ? content.bytes : undefined,
      rest: content === undefined || inline ? undefined : bodyFrames(content),
      timeoutMs,
      idleTimeout: init.idleTimeout,
      credit: init.credit,
      signal: wanted.signal,
    })
  } catch (error) {
    // Said by what writes heads: nothing has left.
    const { code, hop, message } = error as SealwayError
    if (code === 'MALFORMED' && hop === undefined) throw invalid(message, error)
    if (code === 'TOO_LARGE' && hop === undefined) {
      throw new SealwayError('HEADERS_TOO_LARGE', { message, outcome: 'not-delivered', hop: 'client', cause: error })
    }
    throw error
  }
}

const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

function redirectOf({ head }: Answer): string | undefined {
  const { status, headers } = head!
  if (!redirects.has(status)) return undefined
  for (let i = 0; i < headers.length; i += 2) if (headers[i]!.toLowerCase() === 'location') return headers[i + 1]
  return undefined
}

/** Where a redirect leads, if that is the node that said so: it has no say over what others are asked. */
function place(location: string, from: HttpTarget, answer: Answer): HttpTarget | undefined {
  const to = answer.node
  try {
    if (!/^(?:[a-z][a-z0-9+.-]*:|\/\/)/i.test(location)) {
      const { pathname, search } = new URL(location, `http://node${from.path}`)
      return { to, host: from.host, path: pathname + search }
    }
    const target = parseTarget(location.startsWith('//') ? `http:${location}` : location)
    const same = target.to === to || target.to === from.to || target.to === from.host
    return same ? { to, host: from.host, path: pathOf(target.path) } : undefined
  } catch {
    return undefined
  }
}

/** What is asked next (Fetch Standard, "HTTP-redirect fetch"). @throws SealwayError `BAD_ANSWER`: a stream cannot be sent again */
function redirected(wanted: Wanted, answer: Answer): Wanted {
  const { status } = answer.head!
  const { method, body } = wanted
  const becomesGet = status === 303 ? method !== 'GET' && method !== 'HEAD' : status < 303 && method === 'POST'
  if (!becomesGet) {
    if (!isReplayable(body)) throw refused(answer, 'it redirects, and the body, a stream, cannot be sent again')
    return wanted
  }
  const headers = new Headers(wanted.headers)
  for (const name of ['content-encoding', 'content-language', 'content-location', 'content-type']) headers.delete(name)
  return { ...wanted, method: 'GET', headers, body: undefined }
}

function refused(answer: Answer, why: string): SealwayError {
  answer.cancel()
  return new SealwayError('BAD_ANSWER', {
    message: `what ${answer.node} answered is not followed: ${why}`,
    outcome: 'unknown',
    hop: 'receiver',
    target: answer.node,
    data: { status: answer.head!.status, location: redirectOf(answer) },
  })
}
