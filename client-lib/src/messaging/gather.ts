import { SealwayError } from '@sealway/protocol'
import { Broadcast } from './broadcast.js'

/** How many answers are enough: a number, more than half of the members, or all of them. */
export type Need = number | 'majority' | 'all'

/** @throws SealwayError `INVALID_ARGUMENT` */
export function checkNeed(need: unknown): Need {
  if (need === 'majority' || need === 'all') return need
  if (typeof need === 'number' && Number.isInteger(need) && need > 0) return need
  throw new SealwayError('INVALID_ARGUMENT', {
    message: `need must be a whole number above 0, 'majority' or 'all', not ${String(need)}`,
    outcome: 'not-delivered',
    hop: 'client',
  })
}

/** A broadcast that ends as soon as enough members have answered, or enough cannot be had any more. */
export class Gather extends Broadcast {
  need: Need = 'all'
  /** Tells those who have not answered that nobody waits any more. */
  onEnough: () => void = () => {}

  /** Members without a handler for the action do not count. */
  private get needed(): number {
    const members = (this.report.targets?.length ?? 0) - this.report.unhandled.length
    if (this.need === 'all') return members
    return this.need === 'majority' ? Math.floor(members / 2) + 1 : this.need
  }

  protected override onGiveUp(error: SealwayError): void {
    if (error.code === 'TIMEOUT' && this.report.targets) this.tooFew(`the deadline passed`)
    else this.fail(error)
  }

  protected override concludeIfComplete(): void {
    const { needed } = this
    const { targets, ok, failed, unhandled, gone, heard } = this.report
    if (!targets) return
    const members = targets.length - unhandled.length
    if (ok.length >= needed && members > 0) {
      const stragglers = heard.size < targets.length
      this.conclude()
      if (stragglers) this.onEnough()
    } else if (members - failed.length - gone.size < needed || members === 0) {
      const lost = [
        `${failed.length} of them failed`,
        ...(unhandled.length > 0 ? [`${unhandled.length} have no handler`] : []),
        ...(gone.size > 0 ? [`${gone.size} disconnected`] : []),
      ]
      this.tooFew(`${targets.length} were reached, ${lost.join(', ')}`)
      this.onEnough()
    }
  }

  private tooFew(why: string): void {
    const { ok, failed, unhandled, missing, replies } = this.report
    const message = `${this.what}: ${ok.length} answers of ${this.needed} needed: ${why}`
    this.fail(this.error('NOT_ENOUGH', message, 'unknown', { data: { ok, failed, unhandled, missing, replies } }))
  }
}
