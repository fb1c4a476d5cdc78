import { isCode, quote, SealwayError } from '@sealway/protocol'
import type { Command } from 'commander'
import { isLoopback, readSetting } from '../config.js'
import { settings } from '../settings/table.js'
import { mintLocally } from './credentials.js'
import { UsageError } from './failure.js'
import { envFileOf, type Io } from './io.js'

export interface RestOptions {
  readonly url?: string
  readonly token?: string
  readonly insecure?: boolean
}

/** How long a running mediator may take to answer, ms. */
const timeoutMs = 10_000

/** The options of every command that asks a running mediator. */
export const withRestOptions = (command: Command): Command =>
  command
    .option('--url <url>', 'the mediator (default: SEALWAY_URL, or the PORT of .env on this machine)')
    .option(
      '--token <token>',
      'a token of an operator (default: SEALWAY_TOKEN, or one signed with the secrets of .env)',
    )
    .option('--insecure', 'allow the token to travel in clear to another machine')

export interface RestRequest {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: string
  /** Sent as JSON. */
  readonly body?: unknown
  /** What a token that is signed here may do. */
  readonly scope: 'admin:read' | 'admin:write'
}

export const get = (io: Io, options: RestOptions, path: string): Promise<unknown> =>
  ask(io, options, { method: 'GET', path, scope: 'admin:read' })

/**
 * Asks a running mediator. @returns the JSON of its answer; undefined where it has none
 * @throws SealwayError the code of its answer, or `NOT_CONNECTED`
 */
export async function ask(io: Io, options: RestOptions, request: RestRequest): Promise<unknown> {
  const base = await baseUrl(io, options)
  const token = options.token ?? (io.environment.SEALWAY_TOKEN || (await ownToken(io, request.scope)))
  const json = request.body === undefined ? undefined : JSON.stringify(request.body)
  let response: Response
  try {
    response = await fetch(new URL(request.path, base), {
      method: request.method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(json === undefined ? {} : { body: json }),
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    })
  } catch (cause) {
    throw new SealwayError('NOT_CONNECTED', {
      message: `no mediator answers at ${base.origin}: start one with \`sealway start\`, or name another with --url`,
      outcome: 'not-delivered',
      cause,
    })
  }
  const body: unknown = await response.json().catch(() => undefined)
  if (response.ok) return body
  const { code, detail } = (body ?? {}) as { code?: unknown; detail?: unknown }
  throw new SealwayError(isCode(code) ? code : 'INTERNAL', {
    message: `${base.origin} answered ${response.status}: ${typeof detail === 'string' ? detail : 'no Sealway mediator?'}`,
    outcome: 'not-delivered',
  })
}

const ownToken = async (io: Io, scope: RestRequest['scope']): Promise<string> =>
  (await mintLocally(io, { subject: 'operator', scopes: [scope] })).token

async function baseUrl(io: Io, options: RestOptions): Promise<URL> {
  const text = options.url ?? (io.environment.SEALWAY_URL || (await localUrl(io)))
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    throw new UsageError(`${quote(text)} is not the URL of a mediator: http://host:port or https://host:port`)
  }
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  if (url.protocol === 'http:' && !isLoopback(host) && !options.insecure) {
    throw new UsageError(`the token would travel in clear to ${url.host}: use https, or --insecure`)
  }
  return url
}

async function localUrl(io: Io): Promise<string> {
  const file = await envFileOf(io)
  const host = readSetting(settings.host, io.environment, file)
  const shown = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host
  return `http://${shown}:${readSetting(settings.port, io.environment, file)}`
}
