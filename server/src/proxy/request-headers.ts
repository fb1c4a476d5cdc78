import type { ClientRequest } from './client.js'
import { plain, type TrustProxy, trusts } from './client-address.js'
import type { Guarded } from './guard.js'

/** Without them a message is another one: that `Connection` names them changes nothing. */
const neverListed: ReadonlySet<string> = new Set([
  ...['host', 'content-length', 'content-type', 'cookie', 'forwarded', 'upgrade'],
])

/** The operators' cookie: a browser sends it to every port of its host. */
const operatorCookie = /(^|; *)sealway_session=[^;]*(?:; *|$)/g

export interface Handed {
  /** Headers in turn, for the node. */
  readonly request: ClientRequest
  readonly guarded: Guarded
  readonly trust: TrustProxy
  /** `Authorization` held our token: it stays here. */
  readonly dropAuthorization: boolean
  /** It is for a switch of protocols, and keeps the two headers that say so. */
  readonly upgrade: boolean
  /** Where the node's paths begin for the client: `/one/g/n`; undefined where they begin at the root. */
  readonly prefix: string | undefined
  /** By which the node was asked. */
  readonly group: string
}

/**
 * The headers that a node is handed: those that came, in their order and spelling, without what was for us or for the
 * connection, and with who asked.
 */
export function requestHeaders({
  request,
  guarded,
  trust,
  dropAuthorization,
  upgrade,
  prefix,
  group,
}: Handed): string[] {
  const { rawHeaders, socket } = request
  const { listed } = guarded
  const remote = socket.remoteAddress
  const trusted = trusts(trust, remote)
  const kept: string[] = []
  let chain = ''
  let forwarded = ''
  let hostSaid = false
  let protoSaid = false
  let prefixSaid = ''
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!
    const value = rawHeaders[i + 1]!
    const lower = name.toLowerCase()
    if (listed?.includes(lower) && !neverListed.has(lower)) continue
    switch (lower) {
      case 'connection':
      case 'http2-settings':
      case 'keep-alive':
      case 'proxy-authenticate':
      case 'proxy-authorization':
      case 'proxy-connection':
      case 'te':
      case 'transfer-encoding':
      case 'sealway-group':
      case 'upgrade':
        if (upgrade && lower === 'upgrade') kept.push(name, value, 'Connection', 'Upgrade')
        continue
      case 'authorization':
        if (!dropAuthorization) kept.push(name, value)
        continue
      case 'cookie': {
        const rest = value.includes('sealway_session=') ? withoutOperatorCookie(value) : value
        if (rest !== '') kept.push(name, rest)
        continue
      }
      case 'forwarded':
        if (trusted) forwarded = joined(forwarded, value)
        continue
      case 'x-forwarded-for':
        if (trusted) chain = joined(chain, value)
        continue
      case 'x-forwarded-prefix':
        if (trusted) prefixSaid = value
        continue
      case 'x-forwarded-host':
        hostSaid = trusted
        break
      case 'x-forwarded-proto':
        protoSaid = trusted
        break
    }
    if (!trusted && lower.startsWith('x-forwarded-')) continue
    kept.push(name, value)
  }
  const proto = socket.encrypted === true ? 'https' : 'http'
  const address = remote === undefined ? undefined : plain(remote)
  if (address !== undefined) kept.push('X-Forwarded-For', joined(chain, address))
  else if (chain !== '') kept.push('X-Forwarded-For', chain)
  if (!hostSaid) kept.push('X-Forwarded-Host', guarded.host)
  if (!protoSaid) kept.push('X-Forwarded-Proto', proto)
  if (prefix !== undefined) kept.push('X-Forwarded-Prefix', prefixSaid + prefix)
  else if (prefixSaid !== '') kept.push('X-Forwarded-Prefix', prefixSaid)
  const host = hostToken.test(guarded.host) ? guarded.host : `"${guarded.host}"`
  kept.push('Forwarded', joined(forwarded, `for=${forNode(address)};host=${host};proto=${proto}`))
  kept.push('Sealway-Group', group)
  kept.push('Via', request.httpVersion === '1.1' ? '1.1 sealway' : '1.0 sealway')
  return kept
}

const hostToken = /^[A-Za-z0-9.-]+$/
const joined = (before: string, value: string): string => (before === '' ? value : `${before}, ${value}`)

/** RFC 7239 s6: an IPv6 address in brackets and quotes. */
const forNode = (address: string | undefined): string =>
  address === undefined ? 'unknown' : address.includes(':') ? `"[${address}]"` : address

/** Every other cookie stays as it was. */
function withoutOperatorCookie(cookie: string): string {
  return cookie.replace(operatorCookie, '$1').replace(/; *$/, '')
}
