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
export class Lane {
  /** Of them, how many have begun. */
  running = 0
  readonly waiting = new Fifo<Delivery>()

  constructor(
    readonly key: string,
    /** How many may run at once. */
    public limit: number,
  ) {}

  get full(): boolean {
    return this.running >= this.limit || this.waiting.size > 0
  }
}

/** Lanes exist while something runs or waits in them. */
export class Lanes {
  private readonly byKey = new Map<string, Lane>()

  get none(): boolean {
    return this.byKey.size === 0
  }

  /** The lane where a message must wait now; undefined where it need not. */
  full(key: string, limit: number): Lane | undefined {
    const lane = this.byKey.get(key)
    if (!lane) return undefined
    lane.limit = limit
    return lane.full ? lane : undefined
  }

  /** One more message runs. */
  begin(key: string, limit: number): Lane {
    let lane = this.byKey.get(key)
    if (!lane) {
      lane = new Lane(key, limit)
      this.byKey.set(key, lane)
    }
    lane.running++
    return lane
  }

  /** Forgets a lane in which nothing is left. */
  tidy(lane: Lane): void {
    if (lane.running === 0 && lane.waiting.size === 0) this.byKey.delete(lane.key)
  }
}
