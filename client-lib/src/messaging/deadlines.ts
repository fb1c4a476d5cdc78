import type { Timers } from '../session/timers.js'

/** What waits no longer than until a time. The fields are the list's: an object for each wait would cost more than the wait. */
export abstract class Timed {
  /** ms of the monotonic clock. */
  expiresAt = 0
  list: List | undefined
  previous: Timed | undefined
  next: Timed | undefined

  abstract expire(): void
}

/** All that wait equally long, so that the first to come is the first to go. */
interface List {
  readonly ms: number
  first: Timed | undefined
  last: Timed | undefined
  timer: unknown
}

/** Lists kept though nothing is in them: waits for an answer are mostly of a few lengths. */
const maxIdleLists = 64

/**
 * The deadlines of many short waits. A timer for each was a tenth of what a call costs: here one timer stands for all of
 * one length, and is not touched when one of them ends.
 */
export class Deadlines {
  private readonly lists = new Map<number, List>()

  constructor(private readonly timers: Timers) {}

  /** @param ms how long it waits */
  add(item: Timed, ms: number): void {
    const whole = Math.ceil(ms)
    let list = this.lists.get(whole)
    if (!list) {
      list = { ms: whole, first: undefined, last: undefined, timer: undefined }
      this.lists.set(whole, list)
    }
    item.expiresAt = this.timers.monotonic() + whole
    item.list = list
    item.previous = list.last
    if (list.last) list.last.next = item
    else list.first = item
    list.last = item
    // While something waits for an answer, its link keeps the process alive, or the timer of the next attempt to dial.
    list.timer ??= this.timers.setBackground(() => this.expire(list), whole)
  }

  remove(item: Timed): void {
    const { list, previous, next } = item
    if (!list) return
    if (previous) previous.next = next
    else list.first = next
    if (next) next.previous = previous
    else list.last = previous
    item.list = item.previous = item.next = undefined
    if (!list.first && this.lists.size > maxIdleLists) this.drop(list)
  }

  /** Nothing waits any more, and nothing will. */
  close(): void {
    for (const list of [...this.lists.values()]) this.drop(list)
  }

  private drop(list: List): void {
    this.timers.clear(list.timer)
    list.timer = undefined
    this.lists.delete(list.ms)
  }

  private expire(list: List): void {
    const now = this.timers.monotonic()
    try {
      while (list.first && list.first.expiresAt <= now) {
        const item = list.first
        this.remove(item)
        item.expire()
      }
    } finally {
      this.rearm(list, now)
    }
  }

  private rearm(list: List, now: number): void {
    // Dropped meanwhile, and perhaps made anew.
    if (this.lists.get(list.ms) !== list) return
    if (!list.first) this.drop(list)
    else list.timer = this.timers.setBackground(() => this.expire(list), Math.ceil(list.first.expiresAt - now))
  }
}
