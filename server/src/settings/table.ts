import type { KeyObject } from 'node:crypto'
import {
  defaultTokenAudience,
  type Limits,
  limits,
  maxBusyPollUs,
  maxTokenLifeMs,
  SealwayError,
} from '@sealway/protocol'
import { type AllowedPlace, type DirectMode, parseAllowed } from '../proxy/direct/allowed.js'
import { parseLocation } from '../store/location.js'
import { choice, count, duration, optionalText, Problem, port, type Setting, secret, size, text } from './setting.js'

/** Everything that can be set, parsed and frozen. Only mediator.ts and main.ts see the whole of it. */
export interface Config {
  readonly host: string
  readonly port: number
  readonly adminHost: string
  readonly adminPort: number
  readonly adminRemote: 'refuse' | 'allow'
  /** Path of a Unix socket; undefined: off. */
  readonly ipcPath: string | undefined
  readonly databaseUrl: string
  /** What nodes sign their own tokens with. */
  readonly jwtSecret: KeyObject
  readonly tokenAudience: string
  readonly tokenMaxLifeMs: number
  readonly adminUser: string
  /** UTF-8 of the password, as a KeyObject so that no dump shows it. */
  readonly adminPassword: KeyObject
  readonly logLevel: 'info' | 'debug' | 'warn' | 'error' | 'silent'
  readonly logFormat: 'auto' | 'json' | 'text'
  readonly nodeEvictAfterMs: number
  readonly namelessEvictAfterMs: number
  /** Nodes are reached as `<node>.<group>.<domain>`, lower case; undefined: by path only. */
  readonly httpDomain: string | undefined
  /** From the end of a request until the head of its answer. */
  readonly httpTimeoutMs: number
  /** Without a byte, in an answer that has begun or after a switch of protocols. */
  readonly httpIdleTimeoutMs: number
  /** Whose `Forwarded` and `X-Forwarded-*` are believed. */
  readonly trustProxy: 'none' | 'loopback' | 'all'
  /** Requests a second of one address, without a token. */
  readonly httpPublicRate: number
  /** The same, under way at once. */
  readonly httpPublicAtOnce: number
  /** Whether nodes are reached at addresses that they registered, too. */
  readonly httpDirect: DirectMode
  readonly httpDirectAllow: readonly AllowedPlace[]
  /** How long the mediator stays awake for what may come next, us; 0: it sleeps at once. */
  readonly busyPollUs: number
  /** All limits of the protocol, with what was set of them. */
  readonly limits: Limits
}

type SettingsTable = { readonly [field in Exclude<keyof Config, 'limits'>]: Setting<Config[field]> }

const KiB = 1024
const MiB = 1024 * KiB
const GiB = 1024 * MiB
const second = 1_000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

/** The lookahead finds the colon of an IPv6 address in one pass: `[...:.]*:[...:.]*` would try every colon. */
const hostForm = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|(?=[^:]*:)[0-9A-Fa-f:.]+)$/
const host = (name: string, fallback: string, meaning: string) =>
  text(name, 'host name or IP address', fallback, meaning, hostForm, 'a host name or an IP address')

const domainForm = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?){0,8}$/

/** A Unix socket's path is cut by the kernel at 107 bytes and a zero (unix(7), sun_path). */
const maxSocketPathBytes = 107

export const settings: SettingsTable = {
  host: host(
    'HOST',
    '127.0.0.1',
    'Where nodes and REST callers are served. Loopback: only this machine. 0.0.0.0 or :: for all; put TLS in front then.',
  ),
  port: port('PORT', 4567, 'The one port of links, socket.io and REST.'),
  adminHost: host('ADMIN_HOST', '127.0.0.1', "Where operators are served, apart from the nodes' port."),
  adminPort: port('ADMIN_PORT', 4568, "The operators' port."),
  adminRemote: choice(
    'ADMIN_REMOTE',
    ['refuse', 'allow'],
    'Whether ADMIN_HOST may be more than loopback. The password travels in clear there: allow it behind TLS only.',
  ),
  ipcPath: optionalText(
    'IPC_PATH',
    `path of at most ${maxSocketPathBytes} bytes; empty: off`,
    'A Unix socket for nodes on this machine, for instance ./sealway.sock.',
    (path) =>
      Buffer.byteLength(path) > maxSocketPathBytes
        ? new Problem(`is over ${maxSocketPathBytes} bytes, the longest path of a Unix socket`)
        : undefined,
  ),
  databaseUrl: {
    name: 'DATABASE_URL',
    unit: 'sqlite:<file>, or mysql://<user>:<password>@<host>:<port>/<database>',
    fallback: 'sqlite:./sealway.sqlite',
    meaning: 'Where the registry is kept.',
    secret: false,
    read: readLocation,
  },
  jwtSecret: secret(
    'PROTECTED_BASIC_AND_JWT',
    32,
    'Shared by the mediator and its nodes, which sign their own tokens with it. Any holder can be any node.',
  ),
  tokenAudience: text(
    'TOKEN_AUDIENCE',
    'text of 1 to 64 characters',
    defaultTokenAudience,
    'What every token must name as its audience; another one for each mediator that shares a secret.',
    /^[\x21-\x7e]{1,64}$/,
    '1 to 64 characters without blanks',
  ),
  tokenMaxLifeMs: duration('TOKEN_MAX_LIFE', maxTokenLifeMs, 'A token that claims a longer life is refused.', {
    min: minute,
    max: 30 * day,
  }),
  adminUser: text(
    'ADMIN_USER',
    'text of 1 to 64 characters',
    'admin',
    "The operators' user name.",
    /^[A-Za-z0-9._@-]{1,64}$/,
    '1 to 64 letters, digits or . _ @ -',
  ),
  adminPassword: secret('PROTECTED_ADMIN_PASSWORD', 16, "The operators' password."),
  logLevel: choice('LOG_LEVEL', ['info', 'debug', 'warn', 'error', 'silent'], 'What is logged, to standard error.'),
  logFormat: choice('LOG_FORMAT', ['auto', 'json', 'text'], 'Lines of JSON or of text; auto: text on a terminal.'),
  nodeEvictAfterMs: duration('NODE_EVICT_AFTER', 30 * day, 'Nodes that were not seen for so long are forgotten.', {
    min: minute,
    max: 3_650 * day,
  }),
  namelessEvictAfterMs: duration(
    'NAMELESS_EVICT_AFTER',
    10 * minute,
    'The same for nodes that were given no name, as those of `sealway call`: nobody asks for them again.',
    { min: minute, max: 3_650 * day },
  ),
  httpDomain: optionalText(
    'HTTP_DOMAIN',
    'domain in lower case; empty: off',
    'Nodes that serve HTTP are reached as <node>.<group>.<domain>, too, if DNS points there.',
    (domain) => (domainForm.test(domain) ? undefined : new Problem('is not a domain in lower case')),
  ),
  httpTimeoutMs: duration('HTTP_TIMEOUT', 30 * second, 'How long a node may take to begin its answer to a request.', {
    min: 100,
    max: hour,
  }),
  httpIdleTimeoutMs: duration(
    'HTTP_IDLE_TIMEOUT',
    5 * minute,
    'An answer or a WebSocket in which nothing moves for so long is broken off.',
    { min: 100, max: day },
  ),
  trustProxy: choice(
    'TRUST_PROXY',
    ['none', 'loopback', 'all'],
    "Whose X-Forwarded-* and Forwarded headers nodes are handed: nobody's, those of a proxy on this machine, everybody's.",
  ),
  httpPublicRate: count(
    'HTTP_PUBLIC_RATE',
    100,
    'Requests a second that one address may make of public routes without a token, on average; in a burst twice as many.',
    { min: 1, max: 1_000_000 },
  ),
  httpPublicAtOnce: count('HTTP_PUBLIC_AT_ONCE', 64, 'The same, under way at once, WebSockets among them.', {
    min: 1,
    max: 65_536,
  }),
  httpDirect: {
    ...choice(
      'HTTP_DIRECT',
      ['off', 'loopback', 'list'],
      'Whether requests also go straight to addresses that nodes registered: never, on this machine only (the default where NODE_ENV is development), or where HTTP_DIRECT_ALLOW says.',
    ),
    inDevelopment: 'loopback',
  },
  httpDirectAllow: {
    name: 'HTTP_DIRECT_ALLOW',
    unit: 'addresses and ports with commas between: 10.1.0.0/16:8080, 10.2.0.7:8000-8999, [fd00::/8]:*',
    fallback: '',
    meaning: 'Where HTTP_DIRECT=list leads. Private networks and this machine only where an entry lies within them.',
    secret: false,
    read(text) {
      const places = text === '' ? [] : parseAllowed(text)
      return typeof places === 'string'
        ? new Problem(`has ${JSON.stringify(places.slice(0, 60))}, which is no addresses and ports`)
        : places
    },
  },
  busyPollUs: count(
    'BUSY_POLL_US',
    400,
    'How long the mediator polls for more before it sleeps, microseconds, while messages follow each other within that time: answers come sooner, and take more processor time. 0, and with fewer than four processors: never.',
    { min: 0, max: maxBusyPollUs },
  ),
}

/** The limits that are the mediator's; the others belong to the client library. Why each is what it is: protocol/limits. */
export const limitSettings: readonly (readonly [keyof Limits, Setting<number>])[] = [
  [
    'maxFrameBytes',
    size('LIMIT_FRAME', limits.maxFrameBytes, 'Longest body of one frame.', {
      min: 64 * KiB,
      max: limits.hardMaxFrameBytes,
    }),
  ],
  [
    'maxFrameBytesBeforeHello',
    size('LIMIT_FRAME_BEFORE_HELLO', limits.maxFrameBytesBeforeHello, 'The same, before the hello was accepted.', {
      min: 4 * KiB,
      max: 64 * KiB,
    }),
  ],
  [
    'maxRoutesPerLink',
    count('LIMIT_ROUTES', limits.maxRoutesPerLink, 'Routes that one link may hold open.', { min: 16, max: 1_048_576 }),
  ],
  [
    'maxRouteOpensPerSecond',
    count(
      'LIMIT_ROUTE_OPENS',
      limits.maxRouteOpensPerSecond,
      'Routes that one link may open in a second, on average. A link that opens more is read more slowly.',
      { min: 16, max: 1_048_576 },
    ),
  ],
  [
    'maxExchangesPerLink',
    count('LIMIT_EXCHANGES', limits.maxExchangesPerLink, 'HTTP requests that one link may carry at once.', {
      min: 1,
      max: 65_536,
    }),
  ],
  ['outboxBytes', size('LIMIT_OUTBOX', limits.outboxBytes, 'What may wait for one node.', { min: 64 * KiB, max: GiB })],
  [
    'outboxFrames',
    count('LIMIT_OUTBOX_FRAMES', limits.outboxFrames, 'The same, in frames.', { min: 16, max: 1_048_576 }),
  ],
  [
    'routeWindowBytes',
    size('LIMIT_WINDOW', limits.routeWindowBytes, 'What one sender may have waiting for one target.', {
      min: 64 * KiB,
      max: GiB,
    }),
  ],
  [
    'routeWindowFrames',
    count('LIMIT_WINDOW_FRAMES', limits.routeWindowFrames, 'The same, in frames.', { min: 4, max: 1_048_576 }),
  ],
  [
    'budgetBytes',
    size('LIMIT_BUDGET', limits.budgetBytes, 'All that may wait in this mediator together.', {
      min: MiB,
      max: 64 * GiB,
    }),
  ],
  [
    'slowReaderMs',
    duration('LIMIT_SLOW_READER', limits.slowReaderMs, 'A node that lets a frame wait longer is cut.', {
      min: 100,
      max: 10 * minute,
    }),
  ],
  [
    'helloTimeoutMs',
    duration('LIMIT_HELLO', limits.helloTimeoutMs, 'From accept to accepted hello.', { min: 100, max: minute }),
  ],
  [
    'pingEveryMs',
    duration('LIMIT_PING', limits.pingEveryMs, 'How often a silent link is asked for life.', { min: 100, max: hour }),
  ],
  [
    'deadAfterMs',
    duration('LIMIT_DEAD', limits.deadAfterMs, 'A link silent for so long is dead.', { min: 200, max: 3 * hour }),
  ],
  [
    'maxUnauthenticated',
    count(
      'LIMIT_UNAUTHENTICATED',
      limits.maxUnauthenticated,
      'Connections that have not said hello, at once. A new one takes the place of the oldest.',
      { min: 1, max: 65_536 },
    ),
  ],
  [
    'maxUnauthenticatedPerAddress',
    count('LIMIT_UNAUTHENTICATED_PER_ADDRESS', limits.maxUnauthenticatedPerAddress, 'The same, from one address.', {
      min: 1,
      max: 65_536,
    }),
  ],
  [
    'maxPendingHellos',
    count('LIMIT_PENDING_HELLOS', limits.maxPendingHellos, 'Links whose hello waits for the database, at once.', {
      min: 1,
      max: 65_536,
    }),
  ],
  [
    'probeMs',
    duration('LIMIT_PROBE', limits.probeMs, 'How long the holder of a name is probed when another claims it.', {
      min: 10,
      max: minute,
    }),
  ],
  [
    'drainMs',
    duration('LIMIT_DRAIN', limits.drainMs, 'From the first signal to the end of the process, at most.', {
      min: 0,
      max: 10 * minute,
    }),
  ],
  [
    'goawaySpreadMs',
    duration('LIMIT_GOAWAY_SPREAD', limits.goawaySpreadMs, 'Over how long nodes come back after a drain.', {
      min: 0,
      max: 5 * minute,
    }),
  ],
]

/** Every setting, in the order in which people read them. */
export const allSettings: readonly Setting<unknown>[] = [
  ...Object.values(settings),
  ...limitSettings.map(([, setting]) => setting),
]

function readLocation(url: string): string | Problem {
  try {
    parseLocation(url)
    return url
  } catch (error) {
    if (error instanceof SealwayError) return new Problem(error.message.replace(/^DATABASE_URL /, ''))
    throw error
  }
}
