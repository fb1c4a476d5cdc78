import { SealwayError } from '@sealway/protocol'

/** What a caller gets where the handler answered with `ctx.fail(code, data)`. */
export interface ExpectedFailure<Code extends string = string, Data = unknown> extends SealwayError {
  readonly code: 'APPLICATION_ERROR'
  readonly data: { readonly code: Code; readonly data: Data }
}

/** Whether a call was answered with this expected error; then `error.data.data` is what it carries. */
export function isExpected<Data = unknown>(error: unknown, code: string): error is ExpectedFailure<string, Data> {
  if (!(error instanceof SealwayError) || error.code !== 'APPLICATION_ERROR') return false
  const { data } = error
  return typeof data === 'object' && data !== null && (data as { code?: unknown }).code === code
}

/** What the expected error of this code carries. Any other error is thrown on. */
export function expectError<Data = unknown>(error: unknown, code: string): Data {
  if (isExpected<Data>(error, code)) return error.data.data
  throw error
}
