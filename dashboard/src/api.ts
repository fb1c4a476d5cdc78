/** What went wrong, as the mediator says it: `code` is a row of docs/errors.md. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message)
  }
}

/** Longer than any answer of ours takes. */
const timeoutMs = 15_000

/** The operators' routes. Whoever is no more logged in is told by `onExpired`, and not by each page. */
export class Api {
  onExpired: () => void = () => {}

  /** @throws ApiError */
  get<Answer>(path: string): Promise<Answer> {
    return this.ask('GET', path) as Promise<Answer>
  }

  /** @throws ApiError */
  post<Answer>(path: string, body: unknown): Promise<Answer> {
    return this.ask('POST', path, body) as Promise<Answer>
  }

  /** @throws ApiError */
  async delete(path: string): Promise<void> {
    await this.ask('DELETE', path)
  }

  private async ask(method: string, path: string, body?: unknown): Promise<unknown> {
    let response: Response
    try {
      response = await fetch(path, {
        method,
        // No form and no other site can send it; and the mediator then asks for no password in a window of the browser.
        headers: { 'x-sealway-request': '1', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        redirect: 'error',
        signal: AbortSignal.timeout(timeoutMs),
      })
    } catch {
      throw new ApiError(0, 'NOT_CONNECTED', 'The mediator cannot be reached. Is it running?')
    }
    if (response.ok) return response.status === 200 || response.status === 201 ? await response.json() : undefined
    const error = await readError(response)
    if (error.status === 401 && !path.startsWith('/api/login')) this.onExpired()
    throw error
  }
}

async function readError(response: Response): Promise<ApiError> {
  const problem = (await response.json().catch(() => ({}))) as { code?: unknown; detail?: unknown }
  const detail = typeof problem.detail === 'string' ? problem.detail : `the mediator answered ${response.status}`
  return new ApiError(response.status, typeof problem.code === 'string' ? problem.code : 'INTERNAL', sentence(detail))
}

const sentence = (text: string): string =>
  `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`

export const messageOf = (error: unknown): string =>
  error instanceof ApiError || error instanceof Error ? error.message : String(error)
