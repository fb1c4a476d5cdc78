import { nearestOf, quote, SealwayError } from '@sealway/protocol'

/** Each name of an options interface, once: one that is added to the interface does not compile until it is here too. */
export const namesOf = <Options>(names: { readonly [Name in keyof Required<Options>]: boolean }): ReadonlySet<string> =>
  new Set(Object.keys(names))

/**
 * JavaScript takes any name: one that is misspelled would be ignored without a word.
 * @param of for the error: `connect`, `call`
 * @throws SealwayError `INVALID_ARGUMENT`, with the nearest name
 */
export function refuseUnknown(options: object | null | undefined, known: ReadonlySet<string>, of: string): void {
  if (options === undefined || options === null) return
  if (typeof options !== 'object') throw invalid(`the options of ${of} must be an object, not ${typeof options}`)
  for (const name in options) {
    if (known.has(name) || (options as { [name: string]: unknown })[name] === undefined) continue
    const nearest = nearestOf(name, known)
    const hint = nearest === undefined ? `; there are ${[...known].join(', ')}` : `; is ${nearest} meant?`
    throw invalid(`${of} has no option ${quote(name)}${hint}`)
  }
}

/**
 * @param values all that the option may be
 * @throws SealwayError `INVALID_ARGUMENT`, with the nearest value
 */
export function refuseStrange(value: unknown, values: readonly string[], option: string, of: string): void {
  if (value === undefined || values.includes(value as string)) return
  const nearest = typeof value === 'string' ? nearestOf(value, values) : undefined
  const hint = nearest === undefined ? '' : `; is '${nearest}' meant?`
  throw invalid(
    `${option} of ${of} must be ${values.map((one) => `'${one}'`).join(' or ')}, not ${quote(value)}${hint}`,
  )
}

const invalid = (message: string) =>
  new SealwayError('INVALID_ARGUMENT', { message, outcome: 'not-delivered', hop: 'client' })
