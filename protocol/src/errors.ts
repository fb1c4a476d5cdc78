/**
 * The one table of codes. Every error that reaches a user or crosses a link is a row here.
 * `[number on the wire, name, when a retry makes sense, HTTP status, what it means]`
 */
export const codeTable = [
  // 1-39: said by the mediator
  [1, 'MALFORMED', 'never', 400, 'bytes or JSON that the protocol does not allow'],
  [2, 'UNSUPPORTED_VERSION', 'never', 426, 'no protocol version in common'],
  [3, 'HELLO_TIMEOUT', 'reconnect', 408, 'no complete hello within the time allowed'],
  [4, 'UNAUTHORIZED', 'never', 401, 'the token is missing or was not accepted'],
  [5, 'FORBIDDEN', 'never', 403, 'the token is good, but does not allow this'],
  [6, 'TOKEN_EXPIRED', 'reconnect', 401, 'the token of this link has expired'],
  [7, 'NAME_IN_USE', 'later', 409, 'another live process holds this name'],
  [8, 'NAME_OWNED', 'never', 409, 'this name belongs to another key'],
  [9, 'SUPERSEDED', 'never', 409, 'the same name connected again; this link was replaced'],
  [10, 'INVALID_NAME', 'never', 400, 'a name, group or address outside the grammar'],
  [11, 'UNKNOWN_NODE', 'later', 404, 'no node of this name was ever registered'],
  [12, 'UNKNOWN_GROUP', 'later', 404, 'no group of this name'],
  [13, 'OFFLINE', 'later', 503, 'the target is registered, but not connected'],
  [14, 'BUSY', 'later', 503, 'a bounded queue on the way is full'],
  [15, 'TOO_LARGE', 'never', 413, 'over a size limit'],
  [16, 'UNKNOWN_ROUTE', 'never', 400, 'a frame for a route that was not opened'],
  [17, 'SLOW', 'reconnect', 503, 'this link did not read what was queued for it in time'],
  [18, 'DRAINING', 'reconnect', 503, 'the other side is shutting down and takes no new work'],
  [19, 'OVERLOADED', 'later', 503, 'the mediator is over its memory budget or connection limits'],
  [20, 'HEARTBEAT_LOST', 'reconnect', 504, 'nothing was heard from the other side for too long'],
  [21, 'STORAGE_UNAVAILABLE', 'later', 503, 'the database does not answer'],
  [22, 'STORAGE_FULL', 'later', 507, 'the database has no space left'],
  [23, 'INTERNAL', 'later', 500, 'a defect in the mediator; its log has the details'],
  [24, 'NOT_FOUND', 'never', 404, 'no such resource'],
  [25, 'CONFLICT', 'later', 409, 'somebody else changed the same thing at the same time'],
  [26, 'METHOD_NOT_ALLOWED', 'never', 405, 'the resource exists, but not with this method'],
  [27, 'TOO_MANY_REQUESTS', 'later', 429, 'too many attempts; wait as long as the answer says'],
  [28, 'REMOVED', 'never', 410, 'the node was removed by an operator'],
  [29, 'REVOKED', 'never', 401, 'the token was revoked'],
  [30, 'NO_HTTP', 'later', 502, 'the node is connected, but serves no HTTP'],
  [31, 'BAD_ANSWER', 'later', 502, 'the node answered with what is not HTTP, or broke its answer off'],
  [32, 'LENGTH_REQUIRED', 'never', 411, 'a body of this method needs a Content-Length'],
  [33, 'HEADERS_TOO_LARGE', 'never', 431, 'too many headers, or too long'],
  [34, 'ADDRESS_REFUSED', 'never', 502, 'the address that the node registered is not on the allow-list'],
  [35, 'UNSUPPORTED_MEDIA_TYPE', 'never', 415, 'a body of this media type is not taken here'],
  // 40-79: said by the client library
  [40, 'CANNOT_OPEN', 'never', 0, 'a sealed frame does not open; never more detail than this'],
  [41, 'UNKNOWN_KEY', 'never', 0, 'the receiver does not hold the key this was sealed with'],
  [42, 'NO_KEY', 'never', 0, 'no payload key for this scope'],
  [43, 'NO_HANDLER', 'never', 0, 'the receiver has no handler for this action'],
  [44, 'TIMEOUT', 'later', 504, 'the deadline passed'],
  [45, 'ABORTED', 'never', 0, 'the caller gave up'],
  [46, 'NOT_CONNECTED', 'later', 0, 'there is no link to the mediator'],
  [47, 'LINK_LOST', 'later', 0, 'the link broke while an answer was awaited'],
  [48, 'PEER_GONE', 'later', 502, 'the receiver disconnected while its answer was awaited'],
  [49, 'CLOSED', 'never', 0, 'this node was closed'],
  [50, 'APPLICATION_ERROR', 'never', 0, 'the handler answered with an expected error'],
  [51, 'EXCEPTION', 'never', 0, 'the handler crashed'],
  [52, 'UNSERIALISABLE', 'never', 0, 'the body cannot be encoded'],
  [53, 'INVALID_ARGUMENT', 'never', 0, 'a call of the library was wrong'],
  [54, 'STREAM_LOST', 'later', 0, 'a stream broke before its end'],
  [55, 'STALE_INCARNATION', 'later', 0, 'sealed for an earlier process of the receiver'],
  [56, 'NOT_ENOUGH', 'later', 0, 'fewer members answered than were needed'],
  [57, 'CIRCUIT_OPEN', 'later', 0, 'the target failed too often and is left alone for a while'],
  // 80-99: said at start
  [80, 'CONFIG_INVALID', 'never', 0, 'a setting is missing or wrong'],
  [81, 'PORT_IN_USE', 'later', 0, 'another process listens on this port or socket'],
  [82, 'DATABASE_UNREACHABLE', 'later', 0, 'the database cannot be reached or refused us'],
  [83, 'MIGRATION_PENDING', 'never', 0, 'the database is older than this program'],
  [84, 'WEAK_SECRET', 'never', 0, 'a secret is shorter than 32 bytes, or known'],
  [85, 'KEY_IN_MEDIATOR', 'never', 0, 'the mediator was given a payload key'],
  [86, 'ANOTHER_MEDIATOR', 'later', 0, 'another mediator uses this database'],
] as const satisfies readonly (readonly [number, string, 'never' | 'later' | 'reconnect', number, string])[]

export type Code = (typeof codeTable)[number][1]
export type Retry = 'never' | 'later' | 'reconnect'
/** `not-delivered`: safe to try again. `unknown`: the other side may have acted on it. */
export type Outcome = 'not-delivered' | 'unknown'

const byNumber = new Map(codeTable.map((row) => [row[0] as number, row]))
const byName = new Map(codeTable.map((row) => [row[1] as string, row]))

export const codeNumber = (code: Code): number => byName.get(code)![0]
export const codeFromNumber = (n: number): Code | undefined => byNumber.get(n)?.[1]
export const isCode = (text: unknown): text is Code => typeof text === 'string' && byName.has(text)
export const retryOf = (code: Code): Retry => byName.get(code)![2]
export const httpStatusOf = (code: Code): number => byName.get(code)![3] || 500
export const meaningOf = (code: Code): string => byName.get(code)![4]

export interface ErrorDetail {
  readonly message?: string
  /** Whether a retry can do harm; `unknown` where nothing is said. */
  readonly outcome?: Outcome
  /** The node, group or address it is about. */
  readonly target?: string
  /** Where on the way it ended: `client`, `mediator`, `receiver`. */
  readonly hop?: 'client' | 'mediator' | 'receiver'
  /** How long it took, ms. */
  readonly afterMs?: number
  /** What an expected error carries. */
  readonly data?: unknown
  readonly cause?: unknown
}

/** The same in each copy of this package that a process has loaded: as CommonJS and as an ES module it is two. */
const brand = Symbol.for('sealway.SealwayError')

/** The only error class of Sealway. Branch on `code`, never on `message`. */
export class SealwayError extends Error {
  override readonly name = 'SealwayError'

  static {
    Object.defineProperty(SealwayError.prototype, brand, { value: true })
  }

  /** Also true for errors of another copy of this package. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    // A class derived from it has the usual rule.
    if (this !== SealwayError) return super[Symbol.hasInstance](value)
    return typeof value === 'object' && value !== null && brand in value
  }

  readonly code: Code
  readonly outcome: Outcome
  readonly retry: Retry
  readonly target: string | undefined
  readonly hop: ErrorDetail['hop'] | undefined
  readonly afterMs: number | undefined
  readonly data: unknown

  constructor(code: Code, detail: ErrorDetail = {}) {
    super(detail.message ?? meaningOf(code), detail.cause === undefined ? undefined : { cause: detail.cause })
    this.code = code
    this.outcome = detail.outcome ?? 'unknown'
    this.retry = retryOf(code)
    this.target = detail.target
    this.hop = detail.hop
    this.afterMs = detail.afterMs
    this.data = detail.data
  }
}
