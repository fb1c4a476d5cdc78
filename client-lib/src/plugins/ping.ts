import { pingAction } from '../messaging/ping.js'
import type { Node, Plugin } from '../node.js'
import { realTimers, type Timers } from '../session/timers.js'

export interface PingOptions {
  /** How often the mediator's clock is asked for while connected, ms. Default: 30,000. */
  readonly every?: number
  /** What this node answers when another asks for its time: ms since 1970. */
  readonly clock?: () => number
  readonly timers?: Timers
}

const defaultEveryMs = 30_000

/** Keeps `node.now()` close to the mediator's clock, and tells other nodes' `ping(name)` this one's time. */
export function ping({ every = defaultEveryMs, clock = Date.now, timers = realTimers }: PingOptions = {}): Plugin {
  let node: Node
  let timer: unknown
  const stop = (): void => {
    timers.clear(timer)
    timer = undefined
  }
  const ask = (): void => {
    stop()
    timer = timers.setBackground(ask, every)
    // One that fails says nothing new: a broken link is told by other means, and the next one comes.
    node.ping().catch(() => {})
  }
  return {
    name: 'ping',
    install: (installed) => {
      node = installed
      node.on(pingAction, () => ({ now: clock() }))
      void node.closed.then(stop)
    },
    connect: ask,
    disconnect: stop,
  }
}
