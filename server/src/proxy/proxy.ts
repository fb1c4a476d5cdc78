import type { Server } from 'node:http'
import { type Limits, PublicRoutes } from '@sealway/protocol'
import type { Authenticator } from '../auth/authenticator.js'
import type { Log } from '../observe/log.js'
import type { Registry } from '../registry/registry.js'
import type { ExchangeEvents } from '../routing/relay.js'
import type { Budget } from '../session/outbox.js'
import { Callers } from './callers.js'
import type { TrustProxy } from './client-address.js'
import { Departed } from './departed.js'
import { Directory, type Links } from './directory.js'
import { Dispatcher } from './dispatcher.js'
import { FastPath } from './fast-path/fast-path.js'
import { Front } from './front.js'
import { HttpOutcomes } from './outcomes.js'
import { Strangers } from './strangers.js'
import { type ExchangeLimits, Tunnels } from './tunnel.js'
import { TunnelUpstream } from './tunnel-upstream.js'
import { Uploads } from './uploads.js'
import type { Upstream } from './upstream.js'
import { Visits } from './visits.js'

export interface ProxyParts {
  /** Functions, because the relay is made after this. */
  readonly links: () => Links
  readonly budget: () => Budget
  readonly draining: () => boolean
  readonly registry: Pick<Registry, 'node' | 'nodes' | 'groupExists'>
  readonly authenticator: Authenticator
  readonly limits: Pick<Limits, 'exchangeWindowBytes' | 'maxExchangesPerLink' | 'outboxBytes'>
  readonly timeouts: ExchangeLimits
  readonly trust: TrustProxy
  /** What one address may ask of public routes. */
  readonly strangers: { readonly perSecond: number; readonly atOnce: number }
  readonly domain: string | undefined
  /** Other ways to reach nodes than the tunnel, which comes first. */
  readonly upstreams?: readonly Upstream[]
  readonly log: Log
  /** ms since 1970. */
  readonly clock: () => number
  readonly monotonic: () => number
  /** Told of each read of a plain request. */
  readonly arrived?: ((bytes: number) => void) | undefined
  /** False: Node's own server reads all there is. */
  readonly fastPath?: boolean
}

/** HTTP by name. */
export interface HttpByName {
  /** What the relay tells of links. */
  readonly exchanges: ExchangeEvents
  readonly outcomes: HttpOutcomes
  /** Requests under way, and exchanges that are open on links. */
  inFlight(): { readonly requests: number; readonly exchanges: number }
  /** Takes requests for nodes out of what this server hears; call it after all others have begun to listen. */
  attach(server: Server): void
  /** Four times a second: every time limit is checked here. */
  tick(): void
  /** Resolves when nothing is under way any more, or `stop` fires. New requests are refused while the relay drains. */
  idle(stop: AbortSignal): Promise<void>
  /** Ends the connections on which nothing is under way. */
  close(): void
}

export function createProxy(parts: ProxyParts): HttpByName {
  const { clock } = parts
  let coarseNow = clock()
  const now = (): number => coarseNow
  const tunnels = new Tunnels({ limits: parts.limits, budget: parts.budget, now })
  const uploads = new Uploads(now)
  const outcomes = new HttpOutcomes()
  const publicRoutes = new PublicRoutes()
  const departed = new Departed(publicRoutes)
  const strangers = new Strangers({ ...parts.strangers, now })
  const directory = new Directory({
    links: parts.links,
    registry: parts.registry,
    upstreams: [new TunnelUpstream(tunnels), ...(parts.upstreams ?? [])],
    ...{ publicRoutes, departed, now },
  })
  const { trust, log, monotonic, domain, draining } = parts
  const visits = new Visits({ log, outcomes, uploads, monotonic, trust })
  const dispatcher = new Dispatcher({ directory, strangers, trust, budget: parts.budget })
  const callers = new Callers(parts.authenticator, now)
  const front = new Front({ callers, dispatcher, visits, uploads, outcomes, domain, log, draining })
  const fastPath = new FastPath({ take: front.take, draining, now, arrived: parts.arrived })
  return {
    exchanges: {
      frame: (session, type, number, flags, body) => tunnels.frame(session, type, number, flags, body),
      left(session) {
        departed.left(session)
        tunnels.left(session)
      },
    },
    outcomes,
    inFlight: () => ({ requests: visits.inFlight, exchanges: tunnels.inFlight }),
    attach(server) {
      front.attach(server)
      if (parts.fastPath !== false) fastPath.attach(server)
    },
    tick() {
      coarseNow = clock()
      tunnels.tick(coarseNow, parts.timeouts)
      uploads.tick(coarseNow)
      strangers.tick(coarseNow)
      fastPath.tick(coarseNow)
    },
    idle: (stop) => visits.idle(stop),
    close: () => fastPath.close(),
  }
}
