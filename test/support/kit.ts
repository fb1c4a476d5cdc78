import { limits as defaultLimits, type Limits, memoryPair } from '@sealway/protocol'
import { mintedBy } from '../../client-lib/src/session/token.js'
import { inMemory, ownGroups } from '../../client-lib/src/testing/board.js'
import { VirtualClock } from '../../client-lib/src/testing/clock.js'
import { Records } from '../../client-lib/src/testing/mediator/records.js'
import type { MediatorWorld } from '../contract/mediator.js'
import { RawLink } from './link.js'

const secret = 'a secret of the test kit and of nobody else at all'

/** The test kit's mediator in virtual time, with raw links to it. */
export class KitWorld implements MediatorWorld {
  private readonly clock = new VirtualClock()
  private readonly board

  constructor(limits: Partial<Limits> = {}) {
    this.board = inMemory({
      limits: { ...defaultLimits, ...limits },
      records: new Records(),
      clock: this.clock,
      random: () => 0.5,
      secret,
      maySend: ownGroups,
      policies: [],
    })
  }

  connect({ highWaterBytes = 64 * 1024 } = {}): RawLink {
    const [near, far] = memoryPair({ schedule: this.clock.soon, highWaterBytes })
    this.board.accept(far)
    return new RawLink(near)
  }

  tokenOf(name: string): string {
    return mintedBy(secret, name, this.clock.now)()
  }

  settle(): Promise<void> {
    return this.clock.settle()
  }

  async advance(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 250) {
      await this.clock.advance(Math.min(left, 250))
      this.board.tick()
      await this.settle()
    }
  }

  drain(): { readonly done: boolean } {
    const state = { done: false }
    void this.board.drain(new AbortController().signal).then(() => {
      state.done = true
    })
    return state
  }
}
