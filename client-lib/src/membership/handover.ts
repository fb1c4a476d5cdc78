import type { Limits } from '@sealway/protocol'
import { type WaitOptions, within } from '../messaging/deadline.js'
import type { Timers } from '../session/timers.js'

export interface HandoverParts {
  readonly name: string
  readonly timers: Timers
  readonly limits: Limits
  /** Resolves when what is under way on this link has come to its end, or never will. */
  readonly quiet: () => Promise<void>
}

/** The mediator asked to leave: what is under way ends on this link, and new work waits for the next one. */
export class Handover {
  /** Resolves with the next link, or with the end of this node; absent between handovers. */
  away: Promise<void> | undefined
  private onBack: (() => void) | undefined
  private readonly parts: HandoverParts

  constructor(parts: HandoverParts) {
    this.parts = parts
  }

  /** @param leave ends the link */
  async begin(leave: () => void): Promise<void> {
    if (this.away) return
    this.away = new Promise((resolve) => {
      this.onBack = () => {
        this.away = undefined
        this.onBack = undefined
        resolve()
      }
    })
    await this.parts.quiet()
    leave()
  }

  /** There is another link, or there will be none. */
  end(): void {
    this.onBack?.()
  }

  /** New work waits. @returns its options with what is left of the time */
  wait<O extends WaitOptions>(away: Promise<void>, options: O | undefined): Promise<O | undefined> {
    const { name, timers, limits } = this.parts
    const what = `waiting for the next link of ${name}`
    const tooLate = 'the mediator is shutting down, and there was no other'
    return within({ timers, limits }, away, options, what, tooLate)
  }
}
