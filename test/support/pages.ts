import { connectPage, type PageNode } from '../../client-lib/src/browser/node'
import type { PageOptions } from '../../client-lib/src/browser/options'
import { realTimers } from '../../client-lib/src/session/timers'
import { mintedBy } from '../../client-lib/src/session/token'
import type { Net } from './net'

/** A page of the net: in group `g` with the net's key, unless the options say otherwise. Close it before the net. */
export function joinPage(net: Net, name: string, options: Partial<PageOptions> = {}): Promise<PageNode> {
  return connectPage(
    {
      url: 'ws://127.0.0.1',
      name,
      groups: ['g'],
      keys: net.key,
      token: mintedBy(net.secret, name, net.clock),
      transport: net.transport(name),
      ...options,
      limits: { reconnectMinMs: 1, reconnectMaxMs: 20, ...options.limits },
    },
    { clock: net.clock, random: () => 0, timers: net.time ?? realTimers },
  )
}
