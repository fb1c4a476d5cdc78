import {
  type ClientTransport,
  limits as defaultLimits,
  type GroupName,
  type Limits,
  type NodeName,
  nameOfProcess,
  parseMeta,
  parseName,
  placesOf,
  SealwayError,
} from '@sealway/protocol'
import { checkShapes, checkUrl, invalid, refuseCleartext } from '../check-options.js'
import { guarded, type Logger, silentLogger } from '../session/log.js'
import type { Timers } from '../session/timers.js'
import { randomBytes } from './bytes.js'
import type { PageKeys } from './keyring.js'
import { pageTimers } from './timers.js'
import { webSocketTransport } from './transport.js'

/** Where a page's tokens come from: a text, or a function that is asked for each link and each renewal. */
export type PageTokenSource = string | (() => string | Promise<string>)

export interface PageOptions {
  /** `wss://host`, `https://host`; `ws://` and `http://` to this machine. */
  readonly url: string
  /** Unique; the address under which others reach this page. Absent: made from the first group. */
  readonly name?: string
  /** Groups to be in: at least one. */
  readonly groups?: readonly string[]
  /** Groups to send to and see without being a member. */
  readonly reaches?: readonly string[]
  /** Who vouches for this page. A page is given its tokens: it holds no secret to make them. */
  readonly token: PageTokenSource
  /** Payload keys: `mk1_...`, a list (the first seals), or a ring per scope. They stay in this tab's memory. */
  readonly keys: PageKeys
  /** Shown to peers; at most 1 KiB as JSON. */
  readonly meta?: { readonly [key: string]: unknown }
  /** console or alike. Default: silent. */
  readonly logger?: Logger
  /** Gives up connecting, and closes the node later. */
  readonly signal?: AbortSignal
  /** How long to wait for the first welcome, ms; Infinity waits for ever. Default: 30,000. */
  readonly timeout?: number
  /** Allows a token over plain http or ws to another host. */
  readonly insecure?: boolean
  /** Refuses frames that are not bound to this very page. */
  readonly strictIncarnation?: boolean
  /** Another way to the mediator than WebSocket. */
  readonly transport?: ClientTransport
  /** Limits that differ from the defaults. */
  readonly limits?: Partial<Limits>
}

/** What is injected in tests. */
export interface PageSurroundings {
  readonly clock: () => number
  /** 0 to 1. */
  readonly random: () => number
  readonly timers: Timers
}

export const realPage: PageSurroundings = { clock: Date.now, random: Math.random, timers: pageTimers }

export interface ResolvedPage {
  readonly name: NodeName
  readonly groups: readonly GroupName[]
  readonly reaches: readonly GroupName[]
  readonly url: string
  readonly transport: ClientTransport
  readonly token: () => string | Promise<string>
  readonly meta: { readonly [key: string]: unknown } | undefined
  readonly logger: Logger
  readonly signal: AbortSignal | undefined
  readonly timeoutMs: number
  readonly strictIncarnation: boolean
  readonly limits: Limits
  /** 32 hex digits. */
  readonly instance: string
}

const defaultTimeoutMs = 30_000

/** @throws SealwayError `INVALID_ARGUMENT`, `INVALID_NAME`, saying which option is wrong */
export function resolvePage(options: PageOptions): ResolvedPage {
  if (typeof options !== 'object' || options === null) {
    throw invalid(
      'connect needs { url, groups: [...] or reaches: [...], token, keys }, and a name if others are to send to this page',
    )
  }
  checkShapes(options)
  if (typeof crypto === 'undefined' || crypto.subtle === undefined) {
    throw invalid('the browser gives its crypto only to secure pages: serve this one over https, or from localhost')
  }
  const { url, token, keys, transport = webSocketTransport, timeout = defaultTimeoutMs } = options
  if (typeof url !== 'string') throw invalid('url must be a text: wss://host, https://host')
  if (token === undefined) throw invalid('no token: pass token, a text or a function that asks your server for one')
  if (keys === undefined)
    throw new SealwayError('NO_KEY', { message: 'no payload key: pass keys (mk1_...)', outcome: 'not-delivered' })
  if (!options.transport) checkWebUrl(url)
  refuseCleartext(url, options.insecure ?? false, transport)
  if (!(timeout > 0)) throw invalid(`timeout must be above 0 ms, not ${String(timeout)}`)
  const instance = Array.from(randomBytes(16), (byte) => byte.toString(16).padStart(2, '0')).join('')
  const { groups, reaches } = argument(() => placesOf(options))
  return {
    name: options.name === undefined ? nameOfProcess((groups[0] ?? reaches[0])!, instance) : parseName(options.name),
    groups,
    reaches,
    url,
    transport,
    token: typeof token === 'function' ? token : () => token,
    meta: options.meta && argument(() => parseMeta(options.meta)),
    logger: options.logger ? guarded(options.logger) : silentLogger,
    signal: options.signal,
    timeoutMs: timeout,
    strictIncarnation: options.strictIncarnation ?? false,
    limits: { ...defaultLimits, ...options.limits },
    instance,
  }
}

function checkWebUrl(url: string): void {
  if (!/^(?:http|ws)s?:/.test(url))
    throw invalid('the mediator URL of a page must begin with wss://, https://, ws:// or http://')
  checkUrl(url)
}

/** What the protocol calls malformed in a hello is here a wrong argument. */
function argument<T>(parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (error instanceof SealwayError && error.code === 'MALFORMED') throw invalid(error.message)
    throw error
  }
}
