import type { IncomingMessage, ServerResponse } from 'node:http'
import { SealwayError } from '@sealway/protocol'
import type { HttpMiddleware } from './middleware.js'
import { refuse } from './refusal.js'

export interface BodyLimits {
  /** Most bytes of a body, as it is sent. */
  readonly maxBytes?: number
  /** Media types that are taken: `image/*`, `application/pdf`, `multipart/form-data`. Default: all. */
  readonly types?: readonly string[]
}

/** How long the rest of a body that was refused is read and dropped: who sends it may read the answer only after it, ms. */
const lingerMs = 2_000

/**
 * Refuses bodies that are too large (413 `TOO_LARGE`, also while they come in and did not say how large they are) or of
 * another type (415 `UNSUPPORTED_MEDIA_TYPE`). All others pass byte for byte, to whatever reads them; nothing is kept.
 * @throws SealwayError `INVALID_ARGUMENT`
 */
export function limitBody({ maxBytes = Number.POSITIVE_INFINITY, types }: BodyLimits): HttpMiddleware {
  if (!(maxBytes >= 0)) throw invalid(`maxBytes must be a number of bytes, not ${String(maxBytes)}`)
  const takes = types && typesOf(types)
  return (request, response, next) => {
    const { 'content-length': length, 'transfer-encoding': coding, 'content-type': type } = request.headers
    if (coding === undefined && (length === undefined || Number(length) === 0)) return next()
    if (takes && !takes(type ?? '')) {
      const detail = `a body here is of ${types.join(', ')}; this one is of ${type === undefined ? 'no type' : 'another'}`
      return refuseBody(request, response, new SealwayError('UNSUPPORTED_MEDIA_TYPE', { message: detail }))
    }
    const tooLarge = () => new SealwayError('TOO_LARGE', { message: `a body here has at most ${maxBytes} bytes` })
    // What was read ahead counts.
    if (Number(length ?? 0) > maxBytes || request.readableLength > maxBytes) {
      return refuseBody(request, response, tooLarge())
    }
    if (Number.isFinite(maxBytes)) count(request, maxBytes, () => refuseBody(request, response, tooLarge()))
    next()
  }
}

/** Looks at each chunk as it is put into the request, whoever takes it out and however. */
function count(request: IncomingMessage, maxBytes: number, exceeded: () => void): void {
  let bytes = request.readableLength
  const push = request.push
  request.push = (chunk: unknown, encoding?: BufferEncoding) => {
    if (chunk instanceof Uint8Array) bytes += chunk.length
    if (bytes <= maxBytes) return push.call(request, chunk, encoding)
    request.push = push
    exceeded()
    return request.push(chunk, encoding)
  }
}

/** Answers, drops what is still to come, and breaks the request off for whoever reads it: it never looks complete. */
function refuseBody(request: IncomingMessage, response: ServerResponse, error: SealwayError): void {
  if (!response.headersSent) refuse(response, error.code, error.message)
  const over = (): void => {
    clearTimeout(timer)
    request.destroy(error)
  }
  const timer = setTimeout(over, lingerMs).unref()
  request.push = (chunk: unknown) => {
    if (chunk === null) over()
    return true
  }
  request.once('close', () => clearTimeout(timer))
  // Nobody may be reading yet.
  request.resume()
}

function typesOf(types: readonly string[]): (type: string) => boolean {
  const wanted = types.map((type) => {
    const [main, sub] = type.toLowerCase().split('/')
    if (!main || !sub) throw invalid(`${JSON.stringify(type)} is no media type: image/*, application/pdf`)
    return { main, sub }
  })
  return (type) => {
    const [main, sub] = type.split(';', 1)[0]!.trim().toLowerCase().split('/')
    return wanted.some(
      (one) => (one.main === '*' || one.main === main) && (one.sub === '*' || one.sub === sub) && !!sub,
    )
  }
}

const invalid = (message: string) =>
  new SealwayError('INVALID_ARGUMENT', { message, outcome: 'not-delivered', hop: 'client' })
