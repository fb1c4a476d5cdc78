import type { Session } from '../session/session.js'

interface Member {
  readonly session: Session
  /** Bytes handed to it so far, and those that it was passed over for. */
  load: number
  /** Where it stands in the heap. */
  at: number
}

/**
 * The live members of one group, as a binary heap by load: choosing one costs the same in a group of ten and of ten
 * thousand. By bytes and not by turns, because a frame may hold one message or hundreds, and only its size can be seen
 * from here.
 */
export class Members {
  private readonly heap: Member[] = []
  private readonly bySession = new Map<Session, Member>()

  get size(): number {
    return this.heap.length
  }

  has(session: Session): boolean {
    return this.bySession.has(session)
  }

  /** In no particular order. */
  sessions(): IterableIterator<Session> {
    return this.bySession.keys()
  }

  add(session: Session): void {
    // As loaded as the least loaded: a newcomer must not get everything until it has caught up.
    const member: Member = { session, load: this.heap[0]?.load ?? 0, at: this.heap.length }
    this.bySession.set(session, member)
    this.heap.push(member)
    this.rise(member)
  }

  delete(session: Session): boolean {
    const member = this.bySession.get(session)
    if (!member) return false
    this.bySession.delete(session)
    const last = this.heap.pop()!
    if (last !== member) {
      last.at = member.at
      this.heap[last.at] = last
      this.sink(last)
      this.rise(last)
    }
    return true
  }

  /**
   * The member that has been given the fewest bytes and has room for more. One that is passed over counts as having
   * been given its share: when it reads again, it gets no more than the others.
   * @param except not this one, unless it is alone
   */
  pick(bytes: number, except: Session): Session | undefined {
    let chosen: Member | undefined
    let passed: { readonly member: Member; readonly load: number }[] | undefined
    for (let tried = this.heap.length; tried > 0 && !chosen; tried--) {
      const member = this.heap[0]!
      const { session } = member
      const other = session !== except || this.heap.length === 1
      if (other && session.outbox.hasRoom(bytes, 1) && !session.outbox.lagging) {
        chosen = member
        member.load += bytes
      } else {
        passed ??= []
        passed.push({ member, load: member.load })
        member.load = Number.POSITIVE_INFINITY
      }
      this.sink(member)
    }
    for (const { member, load } of passed ?? []) {
      member.load = Math.max(load, chosen?.load ?? 0)
      this.rise(member)
    }
    return chosen?.session
  }

  private rise(member: Member): void {
    while (member.at > 0) {
      const parent = this.heap[(member.at - 1) >> 1]!
      if (parent.load <= member.load) return
      this.swap(parent, member)
    }
  }

  private sink(member: Member): void {
    for (;;) {
      const left = this.heap[2 * member.at + 1]
      const right = this.heap[2 * member.at + 2]
      const lighter = right && left && right.load < left.load ? right : left
      if (!lighter || lighter.load >= member.load) return
      this.swap(member, lighter)
    }
  }

  private swap(upper: Member, lower: Member): void {
    const at = upper.at
    upper.at = lower.at
    lower.at = at
    this.heap[upper.at] = upper
    this.heap[lower.at] = lower
  }
}
