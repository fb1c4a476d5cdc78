import { type Code, isCode, type Outcome, type SealwayError } from '@sealway/protocol'
import { ReplyStatus } from './payload.js'

/** Who asked: says in errors what was asked, and of whom. */
export interface Asker {
  readonly what: string
  error(code: Code, message: string, outcome: Outcome, more?: { data?: unknown; hop?: 'receiver' }): SealwayError
}

/** What an answer says, if it is not a result. */
export function errorOf(asker: Asker, from: string, status: number, body: () => unknown): SealwayError | undefined {
  if (status === ReplyStatus.ok) return undefined
  let detail: { code?: unknown; message?: unknown; data?: unknown; outcome?: unknown } = {}
  try {
    detail = (body() ?? {}) as typeof detail
  } catch {
    // An error that cannot be read is still an error.
  }
  const message = typeof detail.message === 'string' ? detail.message : ''
  const hop = 'receiver'
  switch (status) {
    case ReplyStatus.failed: {
      const data = { code: detail.code, data: detail.data }
      const said = `${asker.what}: ${from} answered ${String(detail.code)}`
      return asker.error('APPLICATION_ERROR', said, 'unknown', { hop, data })
    }
    case ReplyStatus.refused: {
      const code = isCode(detail.code) ? detail.code : 'INTERNAL'
      // It may have been handled before, and the answer is not there any more.
      const outcome = detail.outcome === 'unknown' ? 'unknown' : 'not-delivered'
      return asker.error(code, `${asker.what}: ${from} refused: ${message}`, outcome, { hop })
    }
    default:
      return asker.error('EXCEPTION', `${asker.what}: the handler of ${from} crashed: ${message}`, 'unknown', { hop })
  }
}
