import { ReadableStream } from 'node:stream/web'
import type { RawHeaders } from '@sealway/protocol'
import { headerOf } from '../hop-by-hop.js'
import type { Answer } from './ask.js'
import { decoded } from './coding.js'

/** These have no body, whatever is sent (Fetch Standard, "null body status"). */
const bodiless: ReadonlySet<number> = new Set([204, 205, 304])

/** A body that nobody reads and nobody knows any more must not keep its stream open. */
const forgotten = new FinalizationRegistry<Answer>((answer) => answer.cancel())

/** A `Response` whose body is pulled from the other node as it is read. */
export function responseOf(answer: Answer, method: string, url: string, redirected: boolean): Response {
  const { status, reason, headers } = answer.head!
  const empty = method === 'HEAD' || bodiless.has(status)
  if (empty) answer.cancel()
  const coding = headerOf(headers, 'content-encoding')
  const body = empty ? null : coding === undefined ? (answer.whole ?? bodyOf(answer)) : decoded(bodyOf(answer), coding)
  const response = new Response(body as ConstructorParameters<typeof Response>[0], {
    status,
    statusText: reason,
    headers: headersOf(headers),
  })
  return fetched(response, url, redirected)
}

/** A Response that was not fetched by Node knows nothing of where it came from, and its clones no more. */
function fetched(response: Response, url: string, redirected: boolean): Response {
  return Object.defineProperties(response, {
    url: { value: url },
    redirected: { value: redirected },
    type: { value: 'basic' },
    clone: { value: () => fetched(Response.prototype.clone.call(response), url, redirected) },
  })
}

function bodyOf(answer: Answer): ReadableStream<Uint8Array> {
  const body = new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        const piece = await answer.next()
        if (piece) controller.enqueue(piece)
        else controller.close()
      },
      cancel: () => answer.cancel(),
    },
    { highWaterMark: 0 },
  )
  forgotten.register(body, answer)
  return body
}

/** Several of one name stay several, as `Set-Cookie` must. */
function headersOf(raw: RawHeaders): Headers {
  const headers = new Headers()
  for (let i = 0; i < raw.length; i += 2) headers.append(raw[i]!, raw[i + 1]!)
  return headers
}
