import { quote, SealwayError } from '@sealway/protocol'

/** Tests an event's name against a pattern; made once per subscription. */
export type Matcher = (event: string) => boolean

const tokenForm = /^[^\s.*>$][^\s.*>]*$/

/** An event is tokens with dots between: `orders.created`. @throws SealwayError `INVALID_ARGUMENT` */
export function checkEvent(event: unknown): asserts event is string {
  const fits = typeof event === 'string' && Buffer.byteLength(event) <= 255
  if (fits && event.split('.').every((token) => tokenForm.test(token))) return
  throw invalid(`event ${quote(event)} must be 1 to 255 bytes: tokens without * and >, with dots between`)
}

/**
 * `orders.created`: that event. `orders.*`: one token in its place. `orders.>`: one or more tokens at the end.
 * @throws SealwayError `INVALID_ARGUMENT`
 */
export function compilePattern(pattern: unknown): Matcher {
  const tokens = typeof pattern === 'string' && pattern.length <= 255 ? pattern.split('.') : []
  const open = tokens.at(-1) === '>'
  const fixed = open ? tokens.slice(0, -1) : tokens
  if (tokens.length === 0 || !fixed.every((token) => token === '*' || tokenForm.test(token))) {
    throw invalid(
      `pattern ${quote(pattern)} must be tokens with dots between; * stands for one, > at the end for the rest`,
    )
  }
  if (!open && !fixed.includes('*')) return (event) => event === pattern
  return (event) => {
    const given = event.split('.')
    if (open ? given.length <= fixed.length : given.length !== fixed.length) return false
    return fixed.every((token, i) => token === '*' || token === given[i])
  }
}

const invalid = (message: string) =>
  new SealwayError('INVALID_ARGUMENT', { message, outcome: 'not-delivered', hop: 'client' })
