import type { Handler } from '../../messaging/middleware.js'
import type { Serve } from '../exchange.js'
import { type CarrierParts, carrier } from './carrier.js'
import { type FetchInput, fetchFrom } from './fetch.js'
import { type FetchAllParts, fetchFromAll, type NodeAnswer } from './fetch-all.js'
import type { FetchOptions } from './request.js'
import { type Requester, type RequesterOptions, requesterOf } from './requester.js'
import { openWebSocket, type WebSocketOptions } from './web-socket.js'

export interface SealedHttpParts extends FetchAllParts {
  readonly refused: CarrierParts['refused']
}

/** HTTP between nodes, sealed end to end: what this node asks of others, and who answers what they ask of it. */
export class SealedHttp {
  /** Who answers; undefined while this node serves no HTTP. */
  serve: Serve | undefined
  /** Of the action that is the library's own. */
  readonly handler: Handler
  private readonly parts: SealedHttpParts

  constructor(parts: SealedHttpParts) {
    this.parts = parts
    this.handler = carrier({ serve: () => this.serve, refused: parts.refused })
  }

  fetch(input: FetchInput, init?: FetchOptions): Promise<Response> {
    return fetchFrom(this.parts, input, init)
  }

  fetchAll(input: FetchInput, init?: FetchOptions): Promise<NodeAnswer[]> {
    return fetchFromAll(this.parts, input, init)
  }

  requester(defaults: RequesterOptions): Requester {
    return requesterOf((input, init) => this.fetch(input, init), defaults)
  }

  webSocket(url: string | URL, protocols?: string | readonly string[], options?: WebSocketOptions) {
    return openWebSocket(this.parts, url, protocols, options)
  }
}
