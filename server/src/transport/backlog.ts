/** A stream of bytes of which a part was sent, and is kept until its reader has said that it came. */
export class Backlog {
  /** How many bytes were dropped, so far as they count from the beginning. */
  base = 0
  /** How many were pushed. */
  end = 0
  private pieces: Buffer[] = []

  /** Copies: what is kept for a slow reader must not keep the chunks alive in which it came. */
  push(parts: readonly Uint8Array[]): void {
    const piece = Buffer.concat(parts)
    if (piece.length === 0) return
    this.pieces.push(piece)
    this.end += piece.length
  }

  /** At most so many bytes from there on. `base <= from <= end`. */
  slice(from: number, maxBytes: number): Buffer {
    const found: Buffer[] = []
    const to = Math.min(this.end, from + maxBytes)
    let at = this.base
    for (const piece of this.pieces) {
      if (at >= to) break
      const next = at + piece.length
      if (next > from) found.push(piece.subarray(Math.max(0, from - at), to - at))
      at = next
    }
    return found.length === 1 ? found[0]! : Buffer.concat(found)
  }

  drop(to: number): void {
    let whole = 0
    while (whole < this.pieces.length && this.base + this.pieces[whole]!.length <= to) {
      this.base += this.pieces[whole]!.length
      whole++
    }
    this.pieces.splice(0, whole)
    if (this.base < to && this.pieces[0]) {
      this.pieces[0] = this.pieces[0].subarray(to - this.base)
      this.base = to
    }
  }

  clear(): void {
    this.pieces = []
    this.base = this.end
  }
}
