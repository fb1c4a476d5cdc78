import { madeName, madeSuffixLength, type NodeName } from '@sealway/protocol'

/** A whole number from 0 to below this. */
export type Random = (below: number) => number

const letters = 'abcdefghijklmnopqrstuvwxyz0123456789'

/** `<group>-<6 random>` for a node that brought no name: 2.2 x 10^9 of them in each group. */
export function nameFor(group: string, random: Random): NodeName {
  return madeName(group, Array.from({ length: madeSuffixLength }, () => letters[random(letters.length)]).join(''))
}
