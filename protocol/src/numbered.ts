/** Slots to begin with; always a power of two. */
const firstSlots = 16

/**
 * Things by number, for those that come and go by the ten thousand a second, like requests that are under way. A `Map` lays
 * itself out anew every so many insertions; once it is old, each layout that it leaves behind is garbage that only a full
 * collection takes away, and keeps alive whatever it held. Here a slot is written again and again.
 */
export class Numbered<T extends object> {
  private slots: (T | undefined)[] = new Array<T | undefined>(firstSlots).fill(undefined)
  private numbers: number[] = new Array<number>(firstSlots).fill(0)
  private count = 0

  get size(): number {
    return this.count
  }

  get(number: number): T | undefined {
    return this.slots[this.slotOf(number)]
  }

  has(number: number): boolean {
    return this.get(number) !== undefined
  }

  set(number: number, thing: T): void {
    if (2 * this.count >= this.slots.length) this.grow()
    const slot = this.slotOf(number)
    if (this.slots[slot] === undefined) this.count++
    this.slots[slot] = thing
    this.numbers[slot] = number
  }

  /** @returns whether there was one */
  delete(number: number): boolean {
    const { slots, numbers } = this
    const mask = slots.length - 1
    let hole = this.slotOf(number)
    if (slots[hole] === undefined) return false
    this.count--
    // What was pushed on by a collision moves up, so that nobody looks for it behind a hole.
    for (let next = (hole + 1) & mask; slots[next] !== undefined; next = (next + 1) & mask) {
      const home = numbers[next]! & mask
      if (((next - home) & mask) < ((next - hole) & mask)) continue
      slots[hole] = slots[next]
      numbers[hole] = numbers[next]!
      hole = next
    }
    slots[hole] = undefined
    return true
  }

  /** All of them, or those of which `which` is true, lowest number first, as they are now. */
  values(which?: (thing: T) => boolean): T[] {
    const { slots, numbers } = this
    const taken: number[] = []
    for (let slot = 0; slot < slots.length; slot++) {
      const thing = slots[slot]
      if (thing !== undefined && (!which || which(thing))) taken.push(slot)
    }
    if (taken.length > 1) taken.sort((a, b) => numbers[a]! - numbers[b]!)
    return taken.map((slot) => slots[slot]!)
  }

  clear(): void {
    this.slots.fill(undefined)
    this.count = 0
  }

  /** Where it is, or would be. There is always a free slot, so this ends. */
  private slotOf(number: number): number {
    const { slots, numbers } = this
    const mask = slots.length - 1
    let slot = number & mask
    while (slots[slot] !== undefined && numbers[slot] !== number) slot = (slot + 1) & mask
    return slot
  }

  private grow(): void {
    const { slots, numbers } = this
    this.slots = new Array<T | undefined>(2 * slots.length).fill(undefined)
    this.numbers = new Array<number>(2 * slots.length).fill(0)
    this.count = 0
    for (let slot = 0; slot < slots.length; slot++) {
      const thing = slots[slot]
      if (thing !== undefined) this.set(numbers[slot]!, thing)
    }
    // The old ones may be old garbage: they hold on to nothing.
    slots.fill(undefined)
  }
}
