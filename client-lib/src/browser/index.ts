export {
  type Code,
  type Outcome,
  type Peer,
  type PeerChange,
  SealwayError,
  type TransportName,
} from '@sealway/protocol'
export type { WaitOptions } from '../messaging/deadline.js'
export { type ExpectedFailure, expectError, isExpected } from '../messaging/expected.js'
export type { BroadcastReport } from '../messaging/report.js'
export type { LinkContext } from '../messaging/sender.js'
export type { Logger } from '../session/log.js'
export {
  type PageCommand as Command,
  type PageContext as Context,
  PageExpectedError as ExpectedError,
  type PageHandler as Handler,
} from './delivery.js'
export type { PageEvents as NodeEvents } from './events.js'
export type { PageKeyList as KeyList, PageKeys as Keys } from './keyring.js'
export { connect, type PageNode as Node } from './node.js'
export type { PageOptions as ConnectOptions, PageTokenSource as TokenSource } from './options.js'
export type {
  PageAckedOptions as AckedOptions,
  PageBroadcastOptions as BroadcastOptions,
  PageCallOptions as CallOptions,
  PageReceipt as Receipt,
  PageSendOptions as SendOptions,
} from './verbs.js'
