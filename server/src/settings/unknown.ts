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

/** At most 2 edits away, and at most a quarter of the name: short names are near to everything. */
function nearestOf(name: string, known: readonly string[]): string | undefined {
  let best: string | undefined
  let bestDistance = Math.min(3, Math.floor(name.length / 4) + 1)
  for (const candidate of known) {
    if (Math.abs(candidate.length - name.length) >= bestDistance) continue
    const distance = editDistance(name, candidate)
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance]
  }
  return best
}

/** Levenshtein; a transposition counts as two. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const current = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1
      current.push(Math.min(previous[j]! + 1, current[j - 1]! + 1, previous[j - 1]! + same))
    }
    previous = current
  }
  return previous[b.length]!
}
