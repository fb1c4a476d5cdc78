import { type Code, type Endpoint, SealwayError } from '@sealway/protocol'
import { type AllowedPlace, type DirectMode, isAllowed } from './allowed.js'
import { type Ip, parseIp } from './ip.js'
import { parseHost, type ResolveName } from './resolve.js'

/** An address that was checked: nothing is looked up again between the check and the connection. */
export interface Pinned {
  readonly address: string
  readonly port: number
  readonly secure: boolean
  /** For `Host`. */
  readonly host: string
  /** For SNI and the certificate; undefined: it is an address. */
  readonly name: string | undefined
}

export interface PinParts {
  readonly mode: DirectMode
  readonly places: readonly AllowedPlace[]
  readonly resolve: ResolveName
  /** Whether the mediator itself listens there: the operators' port is nobody's upstream. */
  readonly isOwn: (ip: Ip, port: number) => boolean
}

/** From what a node registered to an address that may be connected to. @throws SealwayError `ADDRESS_REFUSED`, `OFFLINE` */
export async function pin(endpoint: Endpoint, parts: PinParts): Promise<Pinned> {
  const { address, port } = endpoint
  const host = parseHost(address)
  if (!host) throw refused('ADDRESS_REFUSED', 'registered an address that is none')
  const found = 'address' in host ? [host.address] : await lookUp(host.name, parts.resolve)
  for (const text of found) {
    // A resolver's answer is no more believed than a node's.
    const ip = parseIp(text)
    if (!ip || !isAllowed(parts.mode, parts.places, ip, port) || parts.isOwn(ip, port)) continue
    const secure = endpoint.protocol === 'https'
    const bare = 'name' in host ? host.name : bracketed(text, ip)
    return {
      address: text,
      port,
      secure,
      host: port === (secure ? 443 : 80) ? bare : `${bare}:${port}`,
      name: 'name' in host ? host.name.replace(/\.$/, '') : undefined,
    }
  }
  throw refused('ADDRESS_REFUSED', 'registered an address that is not on the allow-list')
}

async function lookUp(name: string, resolve: ResolveName): Promise<readonly string[]> {
  try {
    return await resolve(name)
  } catch {
    throw refused('OFFLINE', 'registered a name that cannot be resolved now')
  }
}

const bracketed = (text: string, ip: Ip): string => (ip.version === 6 ? `[${text}]` : text)
const refused = (code: Code, message: string) => new SealwayError(code, { message, outcome: 'not-delivered' })
