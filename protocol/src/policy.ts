import { formatAddress, parseAddress, quote } from './address.js'
import { SealwayError } from './errors.js'
import { limits } from './limits.js'

/** How often and when a call that failed is made again. Fields that are absent come from the next policy, or the default. */
export interface RetryPolicy {
  /** Further attempts after the first one, 0 to 100. */
  readonly max?: number
  /** Wait before the first of them, ms. */
  readonly firstMs?: number
  /** Each wait is so many times the one before it, 1 to 10. */
  readonly factor?: number
  /** No wait is longer, ms. */
  readonly maxMs?: number
  /** Part of each wait that is random, 0 to 1: 0.2 spreads it by 20 % to either side. */
  readonly jitter?: number
  /** How long one attempt may take, ms; absent: as long as the call. */
  readonly attemptMs?: number
  /** While nobody is there to be asked, attempts go on until the deadline, and are not counted. */
  readonly whenNoPeer?: boolean
}

/** When a target that fails is left alone for a while. */
export interface BreakerPolicy {
  /** So many failures in a row open the circuit, 1 to 1,000. */
  readonly failures?: number
  /** Those failures lie within this time, ms. */
  readonly windowMs?: number
  /** How long it stays open, ms; then a few calls may try. */
  readonly openMs?: number
  /** How many may try at the same time, 1 to 100. */
  readonly halfOpen?: number
}

/** Who of a group is asked. `mediator`: whoever has been given the fewest bytes; the default. */
export type Balance =
  | 'mediator'
  | 'round-robin'
  | 'least-in-flight'
  | 'random'
  /** The same member for the same text found in the body, at this path of fields: `customer.id`. */
  | { readonly sticky: string }

/** What is decided about the traffic to one target. It says nothing of who may send what, and holds no secrets. */
export interface TrafficPolicy {
  /** A node's name, `any:<group>`, `group:<group>` (the group however it is addressed), or `*`. */
  readonly target: string
  /** Absent: every action. */
  readonly action?: string
  /** Deadline, ms. */
  readonly timeout?: number
  readonly retries?: RetryPolicy
  /** `false`: no circuit breaker, whatever a less specific policy says. */
  readonly breaker?: BreakerPolicy | false
  readonly balance?: Balance
}

/** Names a policy: there is one for each target and action. */
export type PolicyName = Pick<TrafficPolicy, 'target' | 'action'>

/** Body of a policies frame. */
export type PolicyChange =
  /** All of them, in one or more frames; the last one has no `more`. */
  | { readonly type: 'list'; readonly policies: readonly TrafficPolicy[]; readonly more?: true }
  | { readonly type: 'set'; readonly policy: TrafficPolicy }
  | { readonly type: 'removed'; readonly target: string; readonly action?: string }

/** Policies that a mediator keeps, or a node brings along. */
export const maxPolicies = 1_000
/** One of them as JSON, bytes. Its fields are bounded, so only a long action and a long path could come near. */
export const maxPolicyBytes = 1_024
/** UTF-8 bytes of an action (SPEC.md, "Messages inside a record"). */
const maxActionBytes = 255
const maxPathCharacters = 128
/** Longest time of a circuit breaker, ms. */
const maxBreakerMs = 60 * 60_000

export const strategies: readonly unknown[] = ['mediator', 'round-robin', 'least-in-flight', 'random']

export type Range = readonly [least: number, most: number]

/** Ranges of all numbers, ends included. */
export const retryRanges = {
  max: [0, 100],
  firstMs: [1, limits.maxCallTimeoutMs],
  factor: [1, 10],
  maxMs: [1, limits.maxCallTimeoutMs],
  jitter: [0, 1],
  attemptMs: [1, limits.maxCallTimeoutMs],
} as const
export const breakerRanges = {
  failures: [1, 1_000],
  windowMs: [1, maxBreakerMs],
  openMs: [1, maxBreakerMs],
  halfOpen: [1, 100],
} as const
/** Of these, only whole numbers make sense. */
export const wholeNumbers: readonly string[] = ['max', 'failures', 'halfOpen']

interface Reading {
  /** Fields that are not known: refused where somebody typed them, ignored where a newer mediator may have sent them. */
  readonly unknownFields: 'refuse' | 'ignore'
}

/** @throws SealwayError `MALFORMED` or `INVALID_NAME`, naming the field */
export function parsePolicy(value: unknown, reading: Reading = { unknownFields: 'refuse' }): TrafficPolicy {
  const o = fields(value, 'a policy', ['target', 'action', 'timeout', 'retries', 'breaker', 'balance'], reading)
  const name = parsePolicyName(o.target, o.action)
  const timeout = o.timeout === undefined ? undefined : inRange(o.timeout, 'timeout', 1, limits.maxCallTimeoutMs)
  const retries = o.retries === undefined ? undefined : parseRetries(o.retries, reading)
  const breaker = o.breaker === undefined ? undefined : parseBreaker(o.breaker, reading)
  const balance = o.balance === undefined ? undefined : parseBalance(o.balance)
  return {
    ...name,
    ...(timeout === undefined ? {} : { timeout }),
    ...(retries === undefined ? {} : { retries }),
    ...(breaker === undefined ? {} : { breaker }),
    ...(balance === undefined ? {} : { balance }),
  }
}

/** @throws SealwayError `MALFORMED` or `INVALID_NAME` */
export function parsePolicyName(target: unknown, action: unknown): PolicyName {
  const to = target === '*' ? target : formatAddress(parseAddress(target))
  if (action === undefined || action === null) return { target: to }
  const bytes = typeof action === 'string' ? new TextEncoder().encode(action).length : 0
  if (bytes === 0 || bytes > maxActionBytes) throw malformed(`action ${quote(action)} must be a text of 1 to 255 bytes`)
  // Half a surrogate pair has no UTF-8, and control characters forge lines of logs.
  if (/[\p{Cc}\p{Cs}]/u.test(action as string)) throw malformed(`action ${quote(action)} holds control characters`)
  // MySQL holds texts that differ in spaces at the end to be the same.
  if (/^\s|\s$/u.test(action as string)) throw malformed(`action ${quote(action)} begins or ends with a space`)
  return { target: to, action: action as string }
}

/** A number is short for `{ max: <number> }`. @throws SealwayError `MALFORMED` */
export function parseRetries(value: unknown, reading: Reading = { unknownFields: 'refuse' }): RetryPolicy {
  if (typeof value === 'number') return { max: inRange(value, 'retries', ...retryRanges.max, true) }
  const o = fields(value, 'retries', [...Object.keys(retryRanges), 'whenNoPeer'], reading)
  const { whenNoPeer } = o
  if (whenNoPeer !== undefined && typeof whenNoPeer !== 'boolean') {
    throw malformed('retries.whenNoPeer must be true or false')
  }
  return { ...numbers(o, 'retries', retryRanges), ...(whenNoPeer === undefined ? {} : { whenNoPeer }) }
}

/** @throws SealwayError `MALFORMED` */
export function parseBreaker(value: unknown, reading: Reading = { unknownFields: 'refuse' }): BreakerPolicy | false {
  if (value === false) return false
  return numbers(fields(value, 'breaker', Object.keys(breakerRanges), reading), 'breaker', breakerRanges)
}

/** @throws SealwayError `MALFORMED` */
export function parseBalance(value: unknown): Balance {
  if (strategies.includes(value)) return value as Balance
  const path = typeof value === 'object' && value !== null ? (value as { sticky?: unknown }).sticky : undefined
  if (
    typeof path === 'string' &&
    path.length > 0 &&
    path.length <= maxPathCharacters &&
    !/[\p{Cc}\p{Cs}]/u.test(path)
  ) {
    return { sticky: path }
  }
  throw malformed(
    `balance ${quote(value)} must be mediator, round-robin, least-in-flight, random, or { sticky: <field of the body> }`,
  )
}

function fields(value: unknown, what: string, known: readonly string[], { unknownFields }: Reading) {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(`${what} must be an object`)
  if (unknownFields === 'refuse') {
    const extra = Object.keys(value).find((name) => !known.includes(name))
    if (extra !== undefined) throw malformed(`${what} must not have ${quote(extra)}: known are ${known.join(', ')}`)
  }
  return value as { readonly [name: string]: unknown }
}

function numbers(
  o: { readonly [name: string]: unknown },
  what: string,
  ranges: { readonly [name: string]: Range },
): { [name: string]: number } {
  const out: { [name: string]: number } = {}
  for (const [name, [least, most]] of Object.entries(ranges)) {
    if (o[name] === undefined) continue
    out[name] = inRange(o[name], `${what}.${name}`, least, most, wholeNumbers.includes(name))
  }
  return out
}

function inRange(value: unknown, what: string, least: number, most: number, whole = false): number {
  const fits = typeof value === 'number' && value >= least && value <= most && (!whole || Number.isInteger(value))
  if (!fits)
    throw malformed(
      `${what} must be ${whole ? 'a whole number' : 'a number'} from ${least} to ${most}, not ${quote(value)}`,
    )
  return value
}

const malformed = (message: string) => new SealwayError('MALFORMED', { message, outcome: 'not-delivered' })
