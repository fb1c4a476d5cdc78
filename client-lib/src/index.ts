export {
  type Code,
  type Endpoint,
  type Outcome,
  type Peer,
  type PeerChange,
  SealwayError,
  type TransportName,
} from '@sealway/protocol'
export { Keyring, type KeyringKeys } from './crypto/keyring.js'
export { formatKey, generateKey, keyFromPassphrase, parseKey } from './crypto/keys.js'
export type { Receipt } from './messaging/acked.js'
export type { BroadcastReport, Want } from './messaging/broadcast.js'
export type { WaitOptions } from './messaging/deadline.js'
export { type Command, type Context, ExpectedError } from './messaging/delivery.js'
export type { NodeEvents } from './messaging/events.js'
export type { AfterHook, BeforeHook, Handled, PluginHooks } from './messaging/hooks.js'
export type { AckedOptions, BroadcastOptions, CallOptions, GatherOptions, SendOptions } from './messaging/messenger.js'
export type { Handler, HandlerOptions, Middleware } from './messaging/middleware.js'
export type { Codec } from './messaging/payload.js'
export { connect, type Node } from './node.js'
export type { ConnectOptions } from './options.js'
export type { Logger } from './session/log.js'
export type { TokenSource } from './session/token.js'
