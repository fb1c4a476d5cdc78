/** Where something is written already, px. */
export class Places {
  private readonly taken: (readonly [left: number, top: number, right: number, bottom: number])[] = []

  /** Takes a place around a middle, unless a part of it is taken. */
  take(x: number, y: number, width: number, height: number): boolean {
    const [left, top, right, bottom] = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
    for (const other of this.taken) {
      if (left < other[2] && right > other[0] && top < other[3] && bottom > other[1]) return false
    }
    this.taken.push([left, top, right, bottom])
    return true
  }
}
