import type { Delivery } from './delivery.js'

/** First in, first out; an array alone would move all the others with each one that leaves. */
export class Fifo<T> {
  private items: T[] = []
  private head = 0

  get size(): number {
    return this.items.length - this.head
  }

  push(item: T): void {
    this.items.push(item)
  }

  shift(): T | undefined {
    if (this.head === this.items.length) return undefined
    const item = this.items[this.head]!
    this.items[this.head++] = undefined as T
    if (this.head === this.items.length || (this.head >= compactAt && this.head * 2 >= this.items.length)) {
      this.items = this.items.slice(this.head)
      this.head = 0
    }
    return item
  }
}

const compactAt = 1_024

/** Messages of one sender that wait for one another. */
export class Line {
  /** Of them, how many have begun. */
  running = 0
  readonly waiting = new Fifo<Delivery>()
  /** When one last began or ended, ms of the monotonic clock; of a line of an action only. */
  changedAt = 0

  constructor(
    readonly key: string,
    /** How many may run at once. */
    public limit: number,
  ) {}

  get full(): boolean {
    return this.running >= this.limit || this.waiting.size > 0
  }
}

/** Lines exist while something runs or waits in them. */
export class Lines {
  private readonly byKey = new Map<string, Line>()

  get none(): boolean {
    return this.byKey.size === 0
  }

  /** The line where a message must wait now; undefined where it need not. */
  full(key: string, limit: number): Line | undefined {
    const line = this.byKey.get(key)
    if (!line) return undefined
    line.limit = limit
    return line.full ? line : undefined
  }

  /** One more message runs. */
  begin(key: string, limit: number): Line {
    let line = this.byKey.get(key)
    if (!line) {
      line = new Line(key, limit)
      this.byKey.set(key, line)
    }
    line.running++
    return line
  }

  /** Takes out all that waits. */
  takeAll(): Delivery[] {
    const all: Delivery[] = []
    for (const { waiting } of this.byKey.values()) {
      for (let delivery = waiting.shift(); delivery; delivery = waiting.shift()) all.push(delivery)
    }
    return all
  }

  /** Forgets a line in which nothing is left. */
  tidy(line: Line): void {
    if (line.running === 0 && line.waiting.size === 0) this.byKey.delete(line.key)
  }
}
