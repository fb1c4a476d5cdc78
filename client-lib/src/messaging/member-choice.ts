import type { SealwayError } from '@sealway/protocol'
import { type AnyMember, canMoveOn, maxMembersAsked } from './any-member.js'
import type { Outlet } from './outlet.js'
import type { Outlets } from './outlets.js'
import { isNoPeer } from './policy/retry.js'

/** The members that one message to `any:<group>` goes to, one after the other, until one of them takes it. */
export class MemberChoice {
  private readonly refused = new Set<string>()
  private member: string | undefined
  private asked = 0

  /** @param always never leaves the choice to the mediator: every copy must reach the same member */
  constructor(
    private readonly any: AnyMember,
    private readonly outlets: Outlets,
    private readonly outlet: Outlet,
    private readonly action: string,
    private readonly always = false,
  ) {}

  get group(): string {
    return this.outlet.to.slice('any:'.length)
  }

  /** Where to send first. Undefined: no member is there, and the mediator is not to choose. */
  first(): Outlet | undefined {
    return this.pick()
  }

  /**
   * Where to send after a failure: another member, where this one did nothing with the message.
   * @returns undefined where the failure is final
   */
  next(error: SealwayError): Outlet | undefined {
    const { any, action, refused, member } = this
    if (member !== undefined) {
      refused.add(member)
      any.failed(member, action, error)
    }
    if (this.asked >= maxMembersAsked || !canMoveOn(error)) return undefined
    // The mediator knows who is there: it is asked once after a member had left before this node heard of it.
    if (member === undefined && refused.size > 0) return undefined
    if (member !== undefined && !isNoPeer(error) && !any.hasAnother(this.group, refused)) return undefined
    return this.pick()
  }

  private pick(): Outlet | undefined {
    this.asked++
    this.member = this.any.choose(this.group, this.action, this.refused, this.always)
    if (this.member !== undefined) return this.outlets.get(this.member, this.outlet.scope)
    return this.always ? undefined : this.outlet
  }
}
