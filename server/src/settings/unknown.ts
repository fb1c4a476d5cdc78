/** Variables of the client library, the tests and `make formation`, which may lie in the same file or shell. */
const ours = /^(?:SEALWAY_(?:URL|TOKEN|NAME|GROUPS?|INSECURE)|TEST_.+|FORMATION_.+|NODE_ENV|COMPOSE_.+|MYSQL_.+)$/

/** Prefixes that are ours: a name with one of them that is in no table is most likely mistyped. */
const looksLikeOurs = /^(?:SEALWAY|PROTECTED|LIMIT|ADMIN|TOKEN)_/

/**
 * Names that look like settings and are none, each with the nearest that is.
 * In a file of ours everything unknown counts; in the environment, what looks like ours.
 */
export function unknownNames(names: Iterable<string>, known: readonly string[], inFile: boolean): string[] {
  const warnings: string[] = []
  const all = new Set(known)
  for (const name of names) {
    if (all.has(name) || ours.test(name)) continue
    const nearest = nearestOf(name, known)
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
