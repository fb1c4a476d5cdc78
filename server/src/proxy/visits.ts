import type { Client } from './client.js'
import type { TrustProxy } from './client-address.js'
import type { Guarded } from './guard.js'
import { requestHeaders } from './request-headers.js'
import type { Target } from './target.js'
import { Visit, type VisitParts } from './visit.js'

export interface VisitsParts extends Omit<VisitParts, 'ended'> {
  readonly trust: TrustProxy
}

/** How a request is to be handed on. */
export interface Handing {
  /** `Authorization` held our token: it stays here. */
  readonly dropAuthorization: boolean
  /** It is for a switch of protocols. */
  readonly upgrade: boolean
}

/** Requests for nodes that are under way. */
export class Visits {
  inFlight = 0
  private readonly parts: VisitParts
  private readonly trust: TrustProxy
  private readonly whenIdle = new Set<() => void>()

  constructor({ log, outcomes, uploads, monotonic, trust }: VisitsParts) {
    this.parts = { log, outcomes, uploads, monotonic, ended: () => this.ended() }
    this.trust = trust
  }

  begin(client: Client, guarded: Guarded, target: Target, { dropAuthorization, upgrade }: Handing): Visit {
    const { request } = client
    const { prefix, group, path } = target
    const visit = new Visit(client, guarded, target, this.parts)
    this.inFlight++
    const { trust } = this
    visit.head = {
      method: request.method!,
      target: path,
      headers: requestHeaders({ request, guarded, trust, dropAuthorization, upgrade, prefix, group }),
    }
    return visit
  }

  private ended(): void {
    if (--this.inFlight === 0) for (const idle of [...this.whenIdle]) idle()
  }

  /** Resolves when no request is under way, or `stop` fires. */
  idle(stop: AbortSignal): Promise<void> {
    if (this.inFlight === 0 || stop.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const done = (): void => {
        this.whenIdle.delete(done)
        stop.removeEventListener('abort', done)
        resolve()
      }
      this.whenIdle.add(done)
      stop.addEventListener('abort', done)
    })
  }
}
