export {
  type Balance,
  type BreakerPolicy,
  type Code,
  type Endpoint,
  type Outcome,
  type Peer,
  type PeerChange,
  type RetryPolicy,
  SealwayError,
  type TrafficPolicy,
  type TransportName,
} from '@sealway/protocol'
export {
  type ActionContext,
  type ActionHandler,
  type ActionMap,
  type ActionReport,
  type ActionShape,
  connect,
  type TypedNode,
} from './actions.js'
export { Keyring, type KeyringKeys } from './crypto/keyring.js'
export { formatKey, generateKey, keyFromPassphrase, parseKey } from './crypto/keys.js'
export type { FastifyLike, HttpApp, UpgradeListener } from './http/app.js'
export type { ExposeOptions, Exposure } from './http/expose.js'
export type { HttpMiddleware, MiddlewareOptions } from './http/middleware.js'
export type { SealwayAsker } from './http/request.js'
export type { FetchBody } from './http/sealed/body.js'
export type { FetchInput } from './http/sealed/fetch.js'
export type { NodeAnswer } from './http/sealed/fetch-all.js'
export type { FetchOptions } from './http/sealed/request.js'
export type { Requester, RequesterOptions } from './http/sealed/requester.js'
export type { NodeWebSocket, WebSocketData, WebSocketOptions } from './http/sealed/web-socket.js'
export { type BodyLimits, limitBody } from './http/uploads.js'
export type { Receipt } from './messaging/acked.js'
export type { WaitOptions } from './messaging/deadline.js'
export { type Command, type Context, ExpectedError } from './messaging/delivery.js'
export type { HandledMessage, ReceivedMessage, SentEvent, SettledEvent, Verb } from './messaging/diagnostics.js'
export type { NodeEvents } from './messaging/events.js'
export { type ExpectedFailure, expectError, isExpected } from './messaging/expected.js'
export type { AfterHook, BeforeHook, Handled, PluginHooks } from './messaging/hooks.js'
export { detached } from './messaging/inherited.js'
export type { MetaOptions } from './messaging/meta.js'
export type { Handler, HandlerOptions, Middleware } from './messaging/middleware.js'
export type { Codec } from './messaging/payload.js'
export type { Ping } from './messaging/ping.js'
export type { PolicyOptions, Resolved as ResolvedPolicy } from './messaging/policy/policy.js'
export type { BroadcastReport, Want } from './messaging/report.js'
export type { LinkContext } from './messaging/sender.js'
export type { AroundSending, Sending, Trace } from './messaging/sending.js'
export type { CollectOptions, Items } from './messaging/streams/items.js'
export type { StreamOptions, StreamReader, StreamWriter } from './messaging/streams/reader.js'
export type { StreamSource } from './messaging/streams/source.js'
export type { ReceivedEvent } from './messaging/topics/event-reader.js'
export type { SubscribeOptions } from './messaging/topics/subscriptions.js'
export type { PublishOptions } from './messaging/topics/topics.js'
export type {
  AckedOptions,
  BroadcastOptions,
  CallOptions,
  GatherOptions,
  SendOptions,
} from './messaging/verb-options.js'
export type { Node, Plugin } from './node.js'
export type { ConnectOptions } from './options.js'
export type { Logger } from './session/log.js'
export type { TokenSource } from './session/token.js'
