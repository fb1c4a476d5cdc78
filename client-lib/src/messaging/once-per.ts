/** Lets one of many like reports through in each period, and says how many it stands for. */
export class OncePer {
  private readonly byKey = new Map<string, { at: number; held: number }>()

  constructor(
    private readonly periodMs: number,
    /** Keys known at once. When there are more, all are forgotten. */
    private readonly maxKeys = 1_024,
  ) {}

  /** @returns how many reports of this key are due, this one included; 0 where none is to be made now */
  count(key: string, now: number): number {
    const known = this.byKey.get(key)
    if (!known) {
      if (this.byKey.size >= this.maxKeys) this.byKey.clear()
      this.byKey.set(key, { at: now, held: 0 })
      return 1
    }
    known.held++
    if (now - known.at < this.periodMs) return 0
    const { held } = known
    known.at = now
    known.held = 0
    return held
  }
}
