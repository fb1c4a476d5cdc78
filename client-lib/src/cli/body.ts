import { readFileSync } from 'node:fs'
import { UsageError } from './usage.js'

/**
 * The body that was typed: JSON where it is JSON, else text; `-` reads it from standard input.
 * @param asText takes it as text, whatever it looks like
 * @throws UsageError where it begins like JSON and is none: a quote that the shell took away must not go out as text
 */
export function readBody(typed: string | undefined, asText: boolean): unknown {
  if (typed === undefined) return undefined
  const text = typed === '-' ? readFileSync(0, 'utf8') : typed
  if (asText) return text
  try {
    return JSON.parse(text)
  } catch (error) {
    if (!/^\s*[[{"]/.test(text)) return text
    throw new UsageError(`the body begins like JSON and is none: ${(error as Error).message}; --text sends it as text`)
  }
}
