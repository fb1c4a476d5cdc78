/** Names of fields whose values are never logged, wherever they lie. */
const secretField = /token|secret|password|authorization|cookie|credential|privatekey|^key$|^k$/i
/** Values that are secrets by their form: payload keys, JWTs, and the credentials of an Authorization header. */
const secretValue =
  /mk1_[\w-]{43}|eyJ[\w-]{10,}\.[\w-]+\.[\w-]*|\b(?:Bearer|Basic) [\w+/=.~-]{8,}|:\/\/[^\s/@]*:[^\s/@]*@/g

/** Deeper is cut: what is logged is small, and may hold a cycle. */
const maxDepth = 5
const maxText = 4_096

/** A copy that is safe to log: secrets masked, errors as plain objects, bounded in depth and length. */
export function scrub(value: unknown, withStack: boolean, depth = 0): unknown {
  if (typeof value === 'string') return scrubText(value)
  if (typeof value === 'bigint') return String(value)
  if (typeof value !== 'object' || value === null) return value
  if (depth >= maxDepth) return '...'
  if (value instanceof Error) return scrubError(value, withStack, depth)
  if (ArrayBuffer.isView(value)) return `${value.byteLength} bytes`
  if (Array.isArray(value)) return value.slice(0, 100).map((item) => scrub(item, withStack, depth + 1))
  if (value instanceof Map) return scrub(Object.fromEntries(value), withStack, depth)
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [name, scrubField(name, field, withStack, depth)]),
  )
}

export const scrubText = (text: string): string =>
  (text.length > maxText ? `${text.slice(0, maxText)}...` : text).replace(secretValue, '***')

function scrubField(name: string, value: unknown, withStack: boolean, depth: number): unknown {
  // An id names a token without being one; counts and times of tokens are no secrets either.
  if (secretField.test(name) && typeof value !== 'number' && typeof value !== 'boolean' && !/id$/i.test(name)) {
    return value === undefined || value === null ? value : '***'
  }
  return scrub(value, withStack, depth + 1)
}

function scrubError(error: Error, withStack: boolean, depth: number): unknown {
  const { code } = error as { code?: unknown }
  return {
    type: error.name,
    ...(typeof code === 'string' ? { code } : {}),
    message: scrubText(error.message),
    ...(withStack && error.stack ? { stack: scrubText(error.stack) } : {}),
    ...(error.cause === undefined ? {} : { cause: scrub(error.cause, withStack, depth + 1) }),
  }
}
