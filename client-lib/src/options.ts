import { randomBytes } from 'node:crypto'
import process from 'node:process'
import {
  type ClientTransport,
  limits as defaultLimits,
  type Endpoint,
  type GroupName,
  type Limits,
  type NodeName,
  nameOfProcess,
  parseEndpoints,
  parseMeta,
  parseName,
  placesOf,
  SealwayError,
  type TrafficPolicy,
} from '@sealway/protocol'
import { checkShapes, checkUrl, invalid, refuseCleartext } from './check-options.js'
import { Keyring, type KeyringKeys, keysFromEnvironment, ringsOf } from './crypto/keyring.js'
import { readKeysFile } from './crypto/keys-file.js'
import { toJson } from './messaging/json.js'
import { namesOf, refuseUnknown } from './messaging/known-options.js'
import type { Codec } from './messaging/payload.js'
import { readPolicies } from './messaging/policy/policy.js'
import { guarded, type Logger, silentLogger } from './session/log.js'
import type { Timers } from './session/timers.js'
import { mintedBy, type TokenSource } from './session/token.js'
import { chooseTransport } from './transport/choose.js'

export interface ConnectOptions {
  /** Unique; the address under which others reach this node. Absent: made from the first group, or the first reached. */
  readonly name?: string
  /** Groups to be a member of: the node gets its share of their `any:` and all their broadcasts. May be left out with `reaches`. */
  readonly groups?: readonly string[]
  /** Groups to send to and see without being a member: the node gets none of their messages. */
  readonly reaches?: readonly string[]
  /** `http(s)://host:port`, `unix:/path`, `ws(s)://host:port`, `sealway+http(s)://host:port`. Default: SEALWAY_URL, or http://127.0.0.1:4567. */
  readonly url?: string
  /** Default: minted from PROTECTED_BASIC_AND_JWT (shared mode). */
  readonly token?: TokenSource
  /** Payload keys: `mk1_...`, a list (the first seals), or a ring per scope. Default: PROTECTED_AES256. */
  readonly keys?: string | readonly string[] | KeyringKeys | Keyring
  /** A JSON file of keys, reloaded when it changes. Default: SEALWAY_KEYS_FILE. */
  readonly keysFile?: string
  /** Addresses that this node offers besides its link. */
  readonly endpoints?: readonly Endpoint[]
  /** Shown to peers; at most 1 KiB as JSON. */
  readonly meta?: { readonly [key: string]: unknown }
  /** pino or alike. Default: silent. */
  readonly logger?: Logger
  /** Gives up connecting, and closes the node later. */
  readonly signal?: AbortSignal
  /** How long to wait for the first welcome, ms; Infinity waits for ever. Default: 30,000. */
  readonly timeout?: number
  /** Allows a token over plain http or ws to another host. Default: SEALWAY_INSECURE=1. */
  readonly insecure?: boolean
  /** Bodies other than the built-in forms (JSON, text, bytes). All nodes that talk must have it. */
  readonly codec?: Codec
  /** Timeouts, retries, circuit breakers and balancing, by target and action; they win over the mediator's. */
  readonly policies?: readonly TrafficPolicy[]
  /** Refuses frames that are not bound to this very process. */
  readonly strictIncarnation?: boolean
  /** `http`: plain requests, where neither an upgrade nor WebSocket passes. Or a transport of the user's own. */
  readonly transport?: ClientTransport | 'http'
  /**
   * How long this process polls for more before it sleeps, while messages follow each other within that time, us, at
   * most 10,000: calls one after the other take half the time, and more processor time (docs/performance.md). Default: 0,
   * it sleeps at once. With fewer than four processors it never polls.
   */
  readonly busyPollUs?: number
  /** Limits that differ from the defaults. */
  readonly limits?: Partial<Limits>
}

const connectOptions = namesOf<ConnectOptions>({
  ...{ name: true, groups: true, reaches: true, url: true, token: true, keys: true, keysFile: true, endpoints: true },
  ...{ meta: true, logger: true, signal: true, timeout: true, insecure: true, codec: true, policies: true },
  ...{ strictIncarnation: true, transport: true, busyPollUs: true, limits: true },
})

/** What is injected in tests. */
export interface Surroundings {
  readonly environment: { readonly [name: string]: string | undefined }
  readonly clock: () => number
  readonly random: () => number
  /** The real ones unless given. */
  readonly timers?: Timers
  readonly afterBurst: (work: () => void) => void
  readonly nextTurn: (work: () => void) => void
}

export const realSurroundings: Surroundings = {
  environment: process.env,
  clock: Date.now,
  random: Math.random,
  afterBurst: process.nextTick,
  nextTurn: setImmediate,
}

export interface ResolvedOptions {
  readonly name: NodeName
  readonly groups: readonly GroupName[]
  readonly reaches: readonly GroupName[]
  readonly url: string
  readonly transport: ClientTransport
  readonly token: (now: number) => string | Promise<string>
  readonly tokenIsFixed: boolean
  readonly keyring: Keyring
  /** The file whose changes the keyring follows. */
  readonly keysFile: string | undefined
  readonly endpoints: readonly Endpoint[]
  readonly meta: { readonly [key: string]: unknown } | undefined
  readonly logger: Logger
  readonly signal: AbortSignal | undefined
  readonly timeoutMs: number
  readonly codec: Codec | undefined
  readonly policies: readonly TrafficPolicy[]
  readonly strictIncarnation: boolean
  readonly busyPollUs: number
  readonly limits: Limits
  /** 32 hex digits. */
  readonly instance: string
}

const defaultUrl = 'http://127.0.0.1:4567'
const defaultTimeoutMs = 30_000

/** @throws SealwayError `INVALID_ARGUMENT`, `INVALID_NAME`, `NO_KEY`, `WEAK_SECRET`, saying which option is wrong */
export function resolveOptions(options: ConnectOptions, { environment, clock }: Surroundings): ResolvedOptions {
  refuseUnknown(options, connectOptions, 'connect')
  checkShapes(options)
  const instance = randomBytes(16).toString('hex')
  const { groups, reaches } = argument(() => placesOf(options))
  const name =
    options.name === undefined ? nameOfProcess((groups[0] ?? reaches[0])!, instance) : parseName(options.name)
  const url = options.url ?? environment.SEALWAY_URL ?? defaultUrl
  const secret = environment.PROTECTED_BASIC_AND_JWT
  const keysFile = options.keysFile ?? (options.keys === undefined ? environment.SEALWAY_KEYS_FILE : undefined)
  const own = typeof options.transport === 'object' ? options.transport : undefined
  const transport = own ?? chooseTransport(url, options.transport === 'http' ? 'http' : undefined)
  if (!own) checkUrl(url)
  refuseCleartext(url, options.insecure ?? environment.SEALWAY_INSECURE === '1', transport)
  const timeoutMs = options.timeout ?? defaultTimeoutMs
  if (!(timeoutMs > 0)) throw invalid(`timeout must be above 0 ms, not ${String(timeoutMs)}`)
  return {
    name,
    groups,
    reaches,
    url,
    transport,
    token: tokenFrom(options.token, secret, name, clock),
    tokenIsFixed: typeof options.token === 'string',
    keyring: keyringFrom(keysFile === undefined ? options.keys : readKeysFile(keysFile), environment, secret),
    keysFile,
    endpoints: argument(() => parseEndpoints(carried(options.endpoints, 'endpoints'))),
    meta: options.meta && argument(() => parseMeta(carried(options.meta, 'meta'))),
    logger: options.logger ? guarded(options.logger) : silentLogger,
    signal: options.signal,
    timeoutMs,
    codec: options.codec,
    policies: readPolicies(options.policies),
    strictIncarnation: options.strictIncarnation ?? false,
    busyPollUs: options.busyPollUs ?? 0,
    limits: { ...defaultLimits, ...options.limits },
    instance,
  }
}

/** What the protocol calls malformed in a hello is here a wrong argument. */
function argument<T>(parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    const isArgument = error instanceof SealwayError && (error.code === 'MALFORMED' || error.code === 'UNSERIALISABLE')
    if (isArgument) throw invalid(error.message)
    throw error
  }
}

/** The hello is JSON, so what it tells of a node follows the same table as bodies do. @throws SealwayError `UNSERIALISABLE` */
function carried<T>(value: T, label: string): T {
  if (value !== undefined) toJson(value, label)
  return value
}

function tokenFrom(token: TokenSource | undefined, secret: string | undefined, name: string, clock: () => number) {
  if (typeof token === 'function') return token
  if (typeof token === 'string') return () => token
  if (secret) return mintedBy(secret, name, clock)
  throw invalid('no token: set PROTECTED_BASIC_AND_JWT (the secret shared with the mediator), or pass token')
}

function keyringFrom(keys: ConnectOptions['keys'], environment: Surroundings['environment'], tokenSecret?: string) {
  if (keys instanceof Keyring) return keys
  const rings = keys === undefined ? keysFromEnvironment(environment) : ringsOf(keys)
  const keyring = new Keyring(rings, tokenSecret === undefined ? {} : { tokenSecret })
  if (keyring.scopes.length === 0) {
    throw new SealwayError('NO_KEY', {
      message: 'no payload key: set PROTECTED_AES256 (mk1_...), or pass keys',
      outcome: 'not-delivered',
      hop: 'client',
    })
  }
  return keyring
}
