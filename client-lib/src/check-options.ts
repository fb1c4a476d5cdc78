import { type ClientTransport, limits as defaultLimits, maxBusyPollUs, SealwayError } from '@sealway/protocol'

const isFunction = (value: unknown): boolean => typeof value === 'function'
const has = (value: unknown, ...methods: string[]): boolean =>
  typeof value === 'object' && value !== null && methods.every((name) => isFunction((value as never)[name]))

/** What JavaScript lets through: each option in its form, or an error that names it. Values are never shown. */
export function checkShapes(options: object): void {
  const given = options as { [name: string]: unknown }
  const { url, token, keys, keysFile, transport, codec, logger, signal, busyPollUs } = given
  const isKeys = typeof keys === 'string' || (typeof keys === 'object' && keys !== null)
  const checks: readonly (readonly [boolean, string])[] = [
    [url === undefined || typeof url === 'string', 'url must be a text'],
    [token === undefined || (typeof token === 'string' && token !== '') || isFunction(token), tokenForm],
    [keys === undefined || isKeys, 'keys must be a key (mk1_...), a list of keys, or { default, groups }'],
    [keysFile === undefined || typeof keysFile === 'string', 'keysFile must be a path'],
    [
      transport === undefined || transport === 'http' || has(transport, 'connect'),
      "transport must have connect(url, { signal }), or be 'http'",
    ],
    [codec === undefined || has(codec, 'encode', 'decode'), 'codec must have encode(body) and decode(bytes)'],
    [
      logger === undefined || has(logger, 'debug', 'info', 'warn', 'error'),
      'logger must have debug, info, warn, error',
    ],
    [signal === undefined || has(signal, 'addEventListener', 'removeEventListener'), 'signal must be an AbortSignal'],
    [
      busyPollUs === undefined || (typeof busyPollUs === 'number' && busyPollUs >= 0 && busyPollUs <= maxBusyPollUs),
      `busyPollUs must be a number from 0 to ${maxBusyPollUs}`,
    ],
  ]
  for (const [right, text] of checks) if (!right) throw invalid(text)
  if (
    Array.isArray(keys) &&
    !keys.every((key) => typeof key === 'string' || (typeof key === 'object' && key !== null && 'secret' in key))
  ) {
    throw invalid('keys must be texts (mk1_...)')
  }
  for (const [name, value] of Object.entries(given.limits ?? {})) {
    if (!Object.hasOwn(defaultLimits, name)) throw invalid(`limits has no ${JSON.stringify(name)}`)
    if (!(typeof value === 'number' && value > 0)) throw invalid(`limits.${name} must be a number above 0`)
  }
}

const tokenForm = 'token must be a text, or a function that gives one'

/** Neither a URL that cannot be dialled nor one whose secret would stand in every message. */
export function checkUrl(url: string): void {
  if (/^(?:unix|ipc):/.test(url)) return
  let parsed: URL
  try {
    parsed = new URL(url)
  } catch {
    throw invalid(`mediator URL ${JSON.stringify(url)} is not a URL`)
  }
  if (parsed.username !== '' || parsed.password !== '') {
    throw invalid('the mediator URL must carry no user and no password; pass token')
  }
}

const loopback = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/

/** A token in clear over a network can be stolen; on this machine it cannot be seen. */
export function refuseCleartext(url: string, insecure: boolean, transport: ClientTransport): void {
  if (insecure || transport.name === 'ipc' || transport.name === 'memory' || !/^(?:sealway\+http|http|ws):/.test(url))
    return
  if (!URL.canParse(url) || loopback.test(new URL(url).hostname)) return
  throw invalid(
    `${url} would carry the token in clear to another host: use https:// or wss://, or set insecure (SEALWAY_INSECURE=1) inside a trusted network`,
  )
}

export const invalid = (message: string) =>
  new SealwayError('INVALID_ARGUMENT', { message, outcome: 'not-delivered', hop: 'client' })
