import { quote, SealwayError } from '@sealway/protocol'
import type { Command } from 'commander'
import type { Socket } from 'socket.io-client'
import { isLoopback, readSetting } from '../config.js'
import { type ClientEvents, livePath, type ServerEvents } from '../live/events.js'
import { settings } from '../settings/table.js'
import { mintLocally } from './credentials.js'
import { UsageError } from './failure.js'
import { envFileOf, type Io } from './io.js'

export interface LiveOptions {
  readonly url?: string
  readonly token?: string
  readonly insecure?: boolean
}

export type LiveSocket = Socket<ServerEvents, ClientEvents>

/** How long the mediator may take to answer, ms. */
const connectTimeoutMs = 10_000
/** How long who was shown out waits before it asks again, ms. */
const askAgainMs = 500
/** As long as an operator's session in a browser. */
const feedLifeMs = 8 * 60 * 60_000

/** The options of every command that watches a running mediator. */
export const withLiveOptions = (command: Command): Command =>
  command
    .option('--url <url>', "the operators' port (default: ADMIN_HOST and ADMIN_PORT of .env)")
    .option(
      '--token <token>',
      'a token with admin:read (default: SEALWAY_TOKEN, or one signed with the secrets of .env)',
    )
    .option('--insecure', 'allow the token to travel in clear to another machine')

/**
 * Connects to the live feed. It comes back by itself when the mediator restarts.
 * @throws SealwayError `NOT_CONNECTED`, `UNAUTHORIZED`
 */
export async function openFeed(world: Io, options: LiveOptions): Promise<LiveSocket> {
  const url = await operatorsUrl(world, options)
  const token = options.token ?? (world.environment.SEALWAY_TOKEN || (await ownToken(world)))
  const { io } = await import('socket.io-client')
  const socket: LiveSocket = io(url.origin, {
    path: livePath,
    transports: ['websocket'],
    extraHeaders: { authorization: `Bearer ${token}` },
    reconnectionDelayMax: 2_000,
    timeout: connectTimeoutMs,
    forceNew: true,
  })
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('connect_error', reject)
    })
    return socket
  } catch (cause) {
    socket.disconnect()
    throw refusal(url, cause)
  }
}

/** Whether a WebSocket was not opened because its request was answered with a refusal: ws says it in words alone. */
const isRefused = (cause: unknown): boolean =>
  /^Unexpected server response: 40[013]$/.test(
    (cause as { readonly description?: { readonly message?: string } }).description?.message ?? '',
  )

/** What a WebSocket that was not opened says of why: its request was answered, or nobody was there. */
function refusal({ origin }: URL, cause: unknown): SealwayError {
  if (isRefused(cause)) {
    return new SealwayError('UNAUTHORIZED', {
      message: `${origin} does not take this token: it needs admin:read, and the secrets of that mediator`,
      outcome: 'not-delivered',
      cause,
    })
  }
  const limit = cause instanceof Error && /^at most/.test(cause.message) ? `: ${cause.message}` : ''
  return new SealwayError(limit === '' ? 'NOT_CONNECTED' : 'TOO_MANY_REQUESTS', {
    message:
      limit === ''
        ? `nothing answers at ${origin}: start a mediator with \`sealway start\`, or name its operators' port with --url`
        : `${origin} takes no more watchers${limit}`,
    outcome: 'not-delivered',
    cause,
  })
}

async function ownToken(world: Io): Promise<string> {
  const longest = readSetting(settings.tokenMaxLifeMs, world.environment, await envFileOf(world))
  const lifeMs = Math.min(feedLifeMs, longest)
  return (await mintLocally(world, { subject: 'operator', scopes: ['admin:read'], lifeMs })).token
}

/** Of the operators' port. @throws UsageError */
export async function operatorsUrl(world: Io, options: LiveOptions): Promise<URL> {
  const text = options.url ?? (await localUrl(world))
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    throw new UsageError(`${quote(text)} is not the URL of an operators' port: http://host:port or https://host:port`)
  }
  if (url.protocol === 'http:' && !isLoopback(url.hostname.replace(/^\[(.*)\]$/, '$1')) && !options.insecure) {
    throw new UsageError(`the token would travel in clear to ${url.host}: use https, or --insecure`)
  }
  return url
}

async function localUrl(world: Io): Promise<string> {
  const file = await envFileOf(world)
  const host = readSetting(settings.adminHost, world.environment, file)
  const shown = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host
  return `http://${shown}:${readSetting(settings.adminPort, world.environment, file)}`
}

/**
 * Resolves with a signal. A mediator that drains ends a session just as one does that has revoked its token; so whoever
 * was shown out asks again, and is told which of the two it was.
 * @throws SealwayError `UNAUTHORIZED` where the mediator takes the token no longer
 */
export async function untilStopped(world: Io, socket: LiveSocket): Promise<void> {
  let again: NodeJS.Timeout | undefined
  let stop = (): void => {}
  const askAgain = (): void => {
    clearTimeout(again)
    again = setTimeout(() => socket.connect(), askAgainMs)
  }
  try {
    await new Promise<void>((resolve, reject) => {
      stop = world.onSignal(() => resolve())
      socket.on('disconnect', (reason) => {
        if (reason === 'io server disconnect') askAgain()
        else if (reason === 'io client disconnect') resolve()
      })
      socket.on('connect_error', (cause) => {
        if (isRefused(cause)) {
          const message = 'the mediator takes this token no longer: it has expired, or was revoked'
          reject(new SealwayError('UNAUTHORIZED', { message, outcome: 'not-delivered', cause }))
        } else if (!socket.active) askAgain()
      })
    })
  } finally {
    stop()
    clearTimeout(again)
  }
}
