import type { SealwayError } from '@sealway/protocol'

export interface AnyMemberParts {
  /** This node, which is never chosen. */
  readonly name: string
  /** Members of a group, sorted; undefined while they are not known. */
  readonly members: (group: string) => readonly string[] | undefined
  /** Asks who is in a group; resolves when that is known, or cannot be known now. Never rejects. */
  readonly learn: (group: string) => Promise<void>
  /** Calls of this node that a member has not answered yet. */
  readonly inFlight: (member: string, group: string) => number
  /** ms, never set back. */
  readonly monotonic: () => number
}

/** Members that are asked for one message, at most. */
export const maxMembersAsked = 3
/** How long a member is passed over for an action that it had no handler for, ms. */
const lacksMs = 30_000
/** How long a member is passed over after it let a deadline pass, ms. */
const silentMs = 10_000
/** Remarks about members that are kept; the oldest go. */
const maxRemarks = 4_096
/** Members of a large group that are compared for one message. */
const maxCompared = 64
const nobody: ReadonlySet<string> = new Set()

/**
 * Chooses the member of a group that gets a message addressed to any of it: the one with the fewest calls of this node in
 * flight, in turn. Members that lack a handler for the action, or that let a deadline pass, are passed over for a while.
 * Only this node knows why; the mediator learns no action names.
 */
export class AnyMember {
  /** Where the next choice begins, by group. */
  private readonly cursors = new Map<string, number>()
  /** When a remark ends, by `member action` or `member`. */
  private readonly remarks = new Map<string, number>()

  constructor(private readonly parts: AnyMemberParts) {}

  /** Whether the members of a group are known: a choice can be made at once. */
  knows(group: string): boolean {
    return this.parts.members(group) !== undefined
  }

  learn(group: string): Promise<void> {
    return this.parts.learn(group)
  }

  /**
   * @param refused members that have been asked already
   * @param always a member even where only one could be chosen; else that choice is left to the mediator
   * @returns undefined where the mediator is to choose: the members are not known, or there is nobody else
   */
  choose(group: string, action: string, refused = nobody, always = false): string | undefined {
    const members = this.parts.members(group)
    if (!members) return undefined
    if (!always && refused.size === 0 && this.isOnly(members)) return undefined
    return this.scan(members, group, action, refused, true) ?? this.scan(members, group, action, refused, false)
  }

  /** Whether a member is left that has not been asked. */
  hasAnother(group: string, refused: ReadonlySet<string>): boolean {
    const members = this.parts.members(group) ?? []
    return members.some((member) => member !== this.parts.name && !refused.has(member))
  }

  private isOnly(members: readonly string[]): boolean {
    return members.length < 2 || (members.length === 2 && members.includes(this.parts.name))
  }

  private scan(
    members: readonly string[],
    group: string,
    action: string,
    refused: ReadonlySet<string>,
    heedRemarks: boolean,
  ): string | undefined {
    const { name, inFlight } = this.parts
    const heeds = heedRemarks && this.remarks.size > 0
    const start = (this.cursors.get(group) ?? -1) + 1
    let best: string | undefined
    let bestAt = 0
    let fewest = Number.POSITIVE_INFINITY
    let compared = 0
    for (let i = 0; i < members.length && compared < maxCompared; i++) {
      const at = (start + i) % members.length
      const member = members[at]!
      if (member === name || refused.has(member) || (heeds && this.isPassedOver(member, action))) continue
      compared++
      const calls = inFlight(member, group)
      if (calls >= fewest) continue
      best = member
      bestAt = at
      fewest = calls
      if (calls === 0) break
    }
    if (best !== undefined) this.cursors.set(group, bestAt)
    return best
  }

  private isPassedOver(member: string, action: string): boolean {
    const now = this.parts.monotonic()
    return this.holds(member, now) || this.holds(remarkOn(member, action), now)
  }

  private holds(remark: string, now: number): boolean {
    const until = this.remarks.get(remark)
    if (until === undefined) return false
    if (until > now) return true
    this.remarks.delete(remark)
    return false
  }

  /** Remembers what the failure of a message says of the member that was asked. */
  failed(member: string, action: string, error: SealwayError): void {
    if (isUnhandled(error)) this.remark(remarkOn(member, action), lacksMs)
    else if (error.code === 'TIMEOUT' && error.outcome === 'unknown') this.remark(member, silentMs)
  }

  private remark(remark: string, ms: number): void {
    this.remarks.delete(remark)
    this.remarks.set(remark, this.parts.monotonic() + ms)
    if (this.remarks.size <= maxRemarks) return
    const [oldest] = this.remarks.keys()
    this.remarks.delete(oldest!)
  }

  /** A member has come: nothing that was known of the process before it counts. */
  joined(member: string): void {
    if (this.remarks.size === 0) return
    const prefix = `${member} `
    for (const remark of this.remarks.keys()) {
      if (remark === member || remark.startsWith(prefix)) this.remarks.delete(remark)
    }
  }
}

/** No name holds a space. */
const remarkOn = (member: string, action: string): string => `${member} ${action}`

/** The member has no handler for the action, or serves no HTTP. */
export const isUnhandled = ({ code, hop }: SealwayError): boolean =>
  hop === 'receiver' && (code === 'NO_HANDLER' || code === 'NO_HTTP')

const elsewhere: ReadonlySet<string> = new Set(['NO_HANDLER', 'NO_HTTP', 'BUSY', 'DRAINING', 'OFFLINE', 'UNKNOWN_NODE'])

/** Whether another member may be asked: this one did nothing, and another could. */
export const canMoveOn = ({ code, hop, outcome }: SealwayError): boolean =>
  outcome === 'not-delivered' && hop !== 'client' && elsewhere.has(code)
