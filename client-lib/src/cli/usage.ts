/** A command that was typed wrongly. */
export class UsageError extends Error {}

/** @throws UsageError where it is not a whole number above 0 */
export function count(flag: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback
  if (!/^[1-9]\d{0,8}$/.test(text))
    throw new UsageError(`--${flag} takes a whole number above 0, not ${JSON.stringify(text)}`)
  return Number(text)
}

/** @throws UsageError where it is none of these */
export function oneOf<T extends string>(flag: string, text: string | undefined, values: readonly T[]): T {
  if (text === undefined) return values[0]!
  const found = values.find((value) => value === text)
  if (found === undefined) throw new UsageError(`--${flag} takes ${values.join(' or ')}, not ${JSON.stringify(text)}`)
  return found
}
