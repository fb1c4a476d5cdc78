/**
 * @typedef {object} Reading one figure of one round
 * @property {number} round
 * @property {string} system
 * @property {string} case
 * @property {number} value
 * @property {number} [p99]
 *
 * @typedef {{ median: number, min: number, max: number }} Summary
 */

/** @param {readonly number[]} values @returns {number} */
export function median(values) {
  const sorted = Float64Array.from(values).sort()
  const upper = sorted.length >> 1
  const lower = (sorted.length - 1) >> 1
  return (Number(sorted[lower]) + Number(sorted[upper])) / 2
}

/** @param {readonly number[]} values at least one @returns {Summary} */
export function summarize(values) {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) }
}

/**
 * One system's figure divided by another's, round by round: a machine that drifts between rounds shifts both.
 *
 * @param {readonly Reading[]} readings of one case
 * @param {string} ours
 * @param {string} theirs
 * @param {'value' | 'p99'} field
 * @returns {Summary | undefined} undefined: no round has both
 */
export function pairedRatio(readings, ours, theirs, field = 'value') {
  const ratios = []
  for (const our of readings.filter(({ system }) => system === ours)) {
    const their = readings.find(({ system, round }) => system === theirs && round === our.round)
    const [a, b] = [our[field], their?.[field]]
    if (a !== undefined && b !== undefined && b > 0) ratios.push(a / b)
  }
  return ratios.length === 0 ? undefined : summarize(ratios)
}
