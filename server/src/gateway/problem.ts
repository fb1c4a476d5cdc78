import { type Code, httpStatusOf, meaningOf, type Problem, problemOf, SealwayError } from '@sealway/protocol'

/** An error of the HTTP layer whose status the code table does not give, or that carries headers. */
export class HttpError extends SealwayError {
  readonly status: number
  readonly headers: { readonly [name: string]: string }

  constructor(
    code: Code,
    message: string,
    { status, headers = {} }: { status?: number; headers?: { readonly [name: string]: string } } = {},
  ) {
    super(code, { message, outcome: 'not-delivered' })
    this.status = status ?? httpStatusOf(code)
    this.headers = headers
  }
}

/** What the caller sees. Of our own faults (5xx) the code's meaning only: the details are for the log. */
export function answerOf(error: SealwayError): Problem {
  const status = error instanceof HttpError ? error.status : httpStatusOf(error.code)
  return problemOf(error.code, status >= 500 ? meaningOf(error.code) : error.message, status)
}

/** Whatever was thrown, as one of ours. What Express and its body reader throw carries a status and a type. */
export function sealwayErrorOf(thrown: unknown): SealwayError {
  if (thrown instanceof SealwayError) return thrown
  const { status, type } = (thrown ?? {}) as { status?: unknown; type?: unknown }
  if (type === 'entity.too.large') return new HttpError('TOO_LARGE', 'the body is over the limit')
  if (type === 'encoding.unsupported') {
    return new HttpError('MALFORMED', 'a compressed body is not taken', { status: 415 })
  }
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return new HttpError('MALFORMED', 'the request is not valid', { status })
  }
  return new SealwayError('INTERNAL', { cause: thrown })
}
