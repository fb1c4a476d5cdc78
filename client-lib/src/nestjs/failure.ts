import { RpcException } from '@nestjs/microservices'
import type { SealwayError } from '@sealway/protocol'
import { ExpectedError } from '../messaging/delivery.js'
import { isExpected } from '../messaging/expected.js'

/** What Nest's own filter makes of anything but an RpcException; it has logged what that was. */
const crash = 'Internal server error'
/** Of an RpcException that names no code of its own. */
const noCode = 'RPC_EXCEPTION'

/** A handler elsewhere answered with an expected error: `throw new RpcException({ code, data })` or `ctx.fail(code, data)`. */
export class ExpectedRpcException extends RpcException {
  readonly code: string
  readonly data: unknown
  /** The error as the node of this process has it. */
  override readonly cause: SealwayError

  constructor(code: string, data: unknown, cause: SealwayError) {
    super({ code, data, message: textOf(data) ?? `expected error ${code}` })
    this.code = code
    this.data = data
    this.cause = cause
  }
}

/**
 * What a handler of Nest's ended with, as its filters left it, for the node: what an RpcException carried is an expected
 * error, anything else a crash.
 */
export function thrownToNode(thrown: unknown): unknown {
  if (thrown instanceof ExpectedRpcException) return new ExpectedError(thrown.code, thrown.data)
  const error = thrown instanceof RpcException ? thrown.getError() : thrown
  if (typeof error === 'string') return new ExpectedError(noCode, { message: error })
  if (error instanceof Error || typeof error !== 'object' || error === null) return error
  const { code, status, message } = error as { code?: unknown; status?: unknown; message?: unknown }
  if (status === 'error' && message === crash) return new Error(crash)
  if (typeof code === 'string' && Object.keys(error).every((name) => own.has(name))) {
    return new ExpectedError(code, (error as { data?: unknown }).data)
  }
  return new ExpectedError(typeof code === 'string' ? code : noCode, error)
}

/** What `ExpectedRpcException` and `context.fail` carry: passed on by the next service, it stays as it is. */
const own: ReadonlySet<string> = new Set(['code', 'data', 'message'])

/** What a verb rejected with, for an observer: expected errors as RpcException, all others as they are. */
export function thrownToObserver(error: unknown): unknown {
  // Read past the type guard: the code is the user's, not one of the table.
  const data = (error as { readonly data?: { readonly code?: unknown; readonly data?: unknown } } | undefined)?.data
  const code = data?.code
  return typeof code === 'string' && isExpected(error, code) ? new ExpectedRpcException(code, data?.data, error) : error
}

function textOf(data: unknown): string | undefined {
  const message = typeof data === 'object' && data !== null ? (data as { message?: unknown }).message : data
  return typeof message === 'string' ? message : undefined
}
