import { nearestOf } from '@sealway/protocol'

/** Variables of the client library, which may be in the same file or shell. */
const ofNodes = [
  ...['SEALWAY_URL', 'SEALWAY_TOKEN', 'SEALWAY_NAME', 'SEALWAY_GROUP', 'SEALWAY_GROUPS', 'SEALWAY_INSECURE'],
  'SEALWAY_KEYS_FILE',
]

/** Variables of the tests, `make formation` and Docker Compose. */
const ofTools = /^(?:TEST_.+|FORMATION_.+|NODE_ENV|COMPOSE_.+|MYSQL_.+)$/

/** Prefixes of settings: a name that has one of them and is in no table is most likely misspelled. */
const looksLikeOurs = /^(?:SEALWAY|PROTECTED|LIMIT|ADMIN|TOKEN)_/

/**
 * Returns one warning for each name that looks like a setting and is none, with the nearest setting.
 * In an `.env` file every unknown name counts; in the environment, only names that are near a setting or have its prefix.
 */
export function unknownNames(names: Iterable<string>, known: readonly string[], inFile: boolean): string[] {
  const warnings: string[] = []
  const candidates = [...known, ...ofNodes]
  const all = new Set(candidates)
  for (const name of names) {
    if (all.has(name) || ofTools.test(name)) continue
    const nearest = nearestOf(name, candidates)
    if (!inFile && !looksLikeOurs.test(name) && nearest === undefined) continue
    warnings.push(`${name} is not a setting${nearest === undefined ? '' : `; is ${nearest} meant?`}`)
  }
  return warnings
}
