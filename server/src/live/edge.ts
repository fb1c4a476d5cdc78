import type { LiveEdge } from './events.js'

/** An edge without traffic for so long is told no more, ms; so far back its times are looked at as well. */
export const edgeWindowMs = 10_000
/** Times in the mediator that are kept of one edge: ten seconds at twelve a second. */
const maxSamples = 128
/** Of one edge, within a quarter of a second. */
const maxSamplesPerTick = 3

/** Traffic from one node to another, while somebody watches. */
export class Edge {
  frames = 0
  bytes = 0
  errors = 0
  seenAt = 0
  private readonly times = new Float32Array(maxSamples)
  private readonly taken = new Float64Array(maxSamples).fill(Number.NEGATIVE_INFINITY)
  private next = 0
  private tick = -1
  private inTick = 0

  constructor(
    readonly from: string,
    readonly to: string,
  ) {}

  /** Whether one more time is wanted now: measuring each frame would cost more than forwarding it. */
  wantsTime(tick: number): boolean {
    if (this.tick !== tick) {
      this.tick = tick
      this.inTick = 0
    }
    return this.inTick++ < maxSamplesPerTick
  }

  add(ms: number, now: number): void {
    this.times[this.next] = ms
    this.taken[this.next] = now
    this.next = (this.next + 1) % maxSamples
  }

  /** What it did in the last `ms`; the counts begin anew. */
  read(now: number, ms: number): LiveEdge {
    const recent = this.recent(now)
    const rate = (count: number): number => Math.round((count * 1_000) / ms)
    const edge: LiveEdge = {
      from: this.from,
      to: this.to,
      framesPerSecond: rate(this.frames),
      bytesPerSecond: rate(this.bytes),
      errorsPerSecond: rate(this.errors),
      p50Ms: percentile(recent, 0.5),
      p95Ms: percentile(recent, 0.95),
    }
    this.frames = this.bytes = this.errors = 0
    return edge
  }

  /** The times of the last ten seconds, the shortest first. */
  private recent(now: number): Float32Array {
    let count = 0
    const times = new Float32Array(maxSamples)
    for (let i = 0; i < maxSamples; i++) if (this.taken[i]! > now - edgeWindowMs) times[count++] = this.times[i]!
    return times.subarray(0, count).sort()
  }
}

function percentile(sorted: Float32Array, part: number): number | null {
  const ms = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]
  return ms === undefined ? null : Math.round(ms * 1_000) / 1_000
}
