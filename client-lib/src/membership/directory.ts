import { type Peer, type PeerChange, parseGroup, type Query } from '@sealway/protocol'
import type { WaitOptions } from '../messaging/deadline.js'
import { onAbort } from '../session/abort-listener.js'
import type { Link } from '../session/link.js'
import type { Logger } from '../session/log.js'
import { signalAfter, type Timers } from '../session/timers.js'
import { type PeerWatches, peersOf } from './peers.js'

/** How long a group that is watched is asked for again on a new link, ms. */
const rewatchTimeoutMs = 10_000

export interface DirectoryParts {
  readonly watches: PeerWatches
  /** Asks the mediator. @param what for errors */
  readonly query: (question: Query, what: string, options: WaitOptions | undefined) => Promise<unknown>
  readonly connected: () => boolean
  readonly timers: Timers
  readonly logger: Logger
}

/** Who is in which group: as the mediator answers it, and as it changes. */
export class Directory {
  private readonly parts: DirectoryParts

  constructor(parts: DirectoryParts) {
    this.parts = parts
  }

  /** Who is connected in a group now. @param type `watch`: and tell of changes from now on */
  async ask(type: 'peers' | 'watch', group: string, options: WaitOptions | undefined): Promise<Peer[]> {
    return peersOf(await this.query(type, group, options))
  }

  /** Who is there now, and then who comes and goes. */
  async *watch(group: string, options: WaitOptions | undefined): AsyncGenerator<PeerChange, void, undefined> {
    const { watches, connected } = this.parts
    const name = parseGroup(group)
    const reader = watches.open(name, () => {
      if (connected()) this.query('unwatch', name, undefined).catch(() => {})
    })
    const unlisten = options?.signal && onAbort(options.signal, () => reader.end())
    try {
      reader.refresh(name, await this.ask('watch', name, options))
      yield* { [Symbol.asyncIterator]: () => reader }
    } finally {
      unlisten?.()
      await reader.return()
    }
  }

  /** A new link: the mediator does not know any more what was watched. */
  async rewatch(link: Link, group: string): Promise<void> {
    const { timers, watches, logger } = this.parts
    const { signal, done } = signalAfter(timers, rewatchTimeoutMs)
    try {
      watches.refreshed(group, peersOf(await link.query({ type: 'watch', group }, signal)))
    } catch (error) {
      logger.warn({ group, err: error }, 'the group is not watched any more')
    } finally {
      done()
    }
  }

  private async query(type: 'peers' | 'watch' | 'unwatch', group: string, options: WaitOptions | undefined) {
    const name = parseGroup(group)
    return this.parts.query({ type, group: name }, `peers of ${name}`, options)
  }
}
