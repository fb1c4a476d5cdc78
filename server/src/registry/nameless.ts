import { type NodeName, parseName } from '@sealway/protocol'

/** A whole number from 0 to below this. */
export type Random = (below: number) => number

const letters = 'abcdefghijklmnopqrstuvwxyz0123456789'
const randomLetters = 6
/** Names are at most 64 characters, and a dash and the random part need seven of them. */
const longestStem = 64 - 1 - randomLetters

/** `<group>-<6 random>` for a node that brought no name: 2.2 x 10^9 of them in each group. */
export function nameFor(group: string, random: Random): NodeName {
  const suffix = Array.from({ length: randomLetters }, () => letters[random(letters.length)]).join('')
  return parseName(`${group.slice(0, longestStem)}-${suffix}`)
}
