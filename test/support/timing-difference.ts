/** Two-sided normal quantile of p = 0.001. */
const significantZ = 3.29

/**
 * Measures two actions in random order and compares the times by rank (Mann-Whitney), so that a pause of the machine,
 * which hits both alike, does not count. @returns z: negative where `first` is faster
 */
export function timingDifference(first: () => void, second: () => void, samples: number): number {
  const times = new Float64Array(samples * 2)
  const taken = [0, 0]
  const actions = [first, second]
  while (taken[0]! + taken[1]! < samples * 2) {
    let which = Math.random() < 0.5 ? 0 : 1
    if (taken[which]! >= samples) which = 1 - which
    const began = process.hrtime.bigint()
    actions[which]!()
    times[which * samples + taken[which]!++] = Number(process.hrtime.bigint() - began)
  }
  return rankSumZ(times.subarray(0, samples), times.subarray(samples))
}

function rankSumZ(a: Float64Array, b: Float64Array): number {
  const all = [...a, ...b].map((time, i) => ({ time, isFirst: i < a.length }))
  all.sort((x, y) => x.time - y.time)
  let rankSum = 0
  let ties = 0
  for (let from = 0; from < all.length; ) {
    let to = from
    while (to < all.length && all[to]!.time === all[from]!.time) to++
    const count = to - from
    ties += count ** 3 - count
    for (let i = from; i < to; i++) if (all[i]!.isFirst) rankSum += (from + 1 + to) / 2
    from = to
  }
  const total = a.length + b.length
  const mean = (a.length * (total + 1)) / 2
  const variance = ((a.length * b.length) / 12) * (total + 1 - ties / (total * (total - 1)))
  return (rankSum - mean) / Math.sqrt(variance)
}

/**
 * Whether the actions differ in time at p < 0.001. A difference that is real shows each time and in one direction; one
 * by chance, or by what else the machine does, does not come three times.
 */
export function differInTime(first: () => void, second: () => void, samples: number): boolean {
  const seen = Math.sign(significant(timingDifference(first, second, samples)))
  if (seen === 0) return false
  return [1, 2].every(() => Math.sign(significant(timingDifference(first, second, samples))) === seen)
}

const significant = (z: number): number => (Math.abs(z) > significantZ ? z : 0)
