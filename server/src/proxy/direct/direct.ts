import type { Agent as HttpAgent } from 'node:http'
import type { Agent as HttpsAgent } from 'node:https'
import type { ProxyServer } from 'http-proxy'
import type { PinParts } from './pin.js'

export interface DirectParts extends PinParts {
  /** From a request until the head of its answer, without a byte in either direction, ms. */
  readonly answerTimeoutMs: number
  /** The same in the middle of an answer, ms. */
  readonly idleTimeoutMs: number
  /** Until a connection is there, ms. */
  readonly connectTimeoutMs: number
}

/** What one relayed request needs. */
export interface Direct {
  readonly parts: DirectParts
  readonly agents: { readonly http: HttpAgent; readonly https: HttpsAgent }
  readonly proxy: ProxyServer
}
