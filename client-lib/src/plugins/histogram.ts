/** Buckets per doubling: a percentile is at most 2^(1/8) too high, 9 %. */
const perOctave = 8
/** 1 us; what is shorter counts as that. */
const leastMs = 0.001
/** 30 doublings of it are 18 minutes, longer than any call may take. */
const buckets = 30 * perOctave

/** Durations in memory that does not grow. */
export class Histogram {
  count = 0
  maxMs = 0
  private readonly counts = new Uint32Array(buckets)

  add(ms: number): void {
    this.count++
    if (ms > this.maxMs) this.maxMs = ms
    const bucket = Math.floor(Math.log2(Math.max(ms, leastMs) / leastMs) * perOctave)
    this.counts[Math.min(bucket, buckets - 1)]!++
  }

  /** @param part 0.95: what 95 % stay below; ms, 0 where nothing was added */
  percentile(part: number): number {
    let left = Math.ceil(this.count * part)
    for (let bucket = 0; bucket < buckets && left > 0; bucket++) {
      left -= this.counts[bucket]!
      if (left <= 0) return Math.min(leastMs * 2 ** ((bucket + 1) / perOctave), this.maxMs)
    }
    return this.count === 0 ? 0 : this.maxMs
  }
}
