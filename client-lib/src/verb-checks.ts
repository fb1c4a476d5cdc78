import type { ExposeOptions } from './http/expose.js'
import type { MiddlewareOptions } from './http/middleware.js'
import type { FetchOptions } from './http/sealed/request.js'
import type { RequesterOptions } from './http/sealed/requester.js'
import type { WebSocketOptions } from './http/sealed/web-socket.js'
import type { WaitOptions } from './messaging/deadline.js'
import type { Verb } from './messaging/diagnostics.js'
import { namesOf, refuseStrange, refuseUnknown } from './messaging/known-options.js'
import type { StreamOptions } from './messaging/streams/reader.js'
import type { SubscribeOptions } from './messaging/topics/subscriptions.js'
import type { PublishOptions } from './messaging/topics/topics.js'
import type {
  AckedOptions,
  BroadcastOptions,
  CallOptions,
  GatherOptions,
  SendOptions,
} from './messaging/verb-options.js'

const wait = { signal: true, timeout: true } as const
const send = { ...wait, meta: true, traceparent: true, baggage: true } as const

/** Options that each verb takes. */
const ofVerb: { readonly [Name in Verb]: ReadonlySet<string> } = {
  send: namesOf<SendOptions>(send),
  call: namesOf<CallOptions>({
    ...send,
    ...{ idempotent: true, retries: true, breaker: true, balance: true, stickyKey: true },
  }),
  sendAcked: namesOf<AckedOptions>({ ...send, id: true, until: true }),
  broadcast: namesOf<BroadcastOptions>({ ...send, want: true }),
  gather: namesOf<GatherOptions>({ ...send, need: true }),
  stream: namesOf<StreamOptions>({ ...send, input: true, idleTimeout: true, credit: true }),
  publish: namesOf<PublishOptions & SendOptions>({ ...send, in: true, want: true }),
}

const fetched = {
  ...{ method: true, headers: true, body: true, redirect: true, signal: true, duplex: true },
  ...{ timeout: true, idleTimeout: true, credit: true },
} as const
/** Of the Fetch Standard, without a meaning here: what is written for `fetch` may hold them. */
const ignored = {
  ...{ cache: true, credentials: true, integrity: true, keepalive: true, mode: true, priority: true, referrer: true },
  ...{ referrerPolicy: true, window: true, dispatcher: true },
} as const
type Ignored = { readonly [Name in keyof typeof ignored]?: unknown }

const others = {
  fetch: namesOf<FetchOptions & Ignored>({ ...fetched, ...ignored }),
  createRequester: namesOf<RequesterOptions & Ignored>({ ...fetched, ...ignored, node: true, group: true, path: true }),
  webSocket: namesOf<WebSocketOptions>({ headers: true, signal: true, timeout: true, maxPayload: true }),
  expose: namesOf<ExposeOptions>({ public: true, upgrades: true, upgrade: true, anyHost: true }),
  middleware: namesOf<MiddlewareOptions>({ public: true }),
  subscribe: namesOf<SubscribeOptions>({ in: true, consumer: true, once: true, filter: true }),
  peers: namesOf<WaitOptions>(wait),
  watchPeers: namesOf<WaitOptions>(wait),
  ping: namesOf<WaitOptions>(wait),
  drain: namesOf<{ readonly timeout?: number }>({ timeout: true }),
}

/** @throws SealwayError `INVALID_ARGUMENT` */
export function checkVerb(verb: Verb, options: object | undefined): void {
  if (options === undefined) return
  refuseUnknown(options, ofVerb[verb], verb)
  if (verb === 'broadcast') refuseStrange((options as BroadcastOptions).want, wants, 'want', verb)
  else if (verb === 'publish') refuseStrange((options as PublishOptions).want, publishWants, 'want', verb)
  else if (verb === 'sendAcked') refuseStrange((options as AckedOptions).until, untils, 'until', verb)
}

const wants = ['report', 'acks', 'replies'] as const
const publishWants = ['report', 'acks'] as const
const untils = ['delivered', 'processed'] as const

/** @throws SealwayError `INVALID_ARGUMENT` */
export function checkOptions(of: keyof typeof others, options: object | null | undefined): void {
  refuseUnknown(options, others[of], of)
}
