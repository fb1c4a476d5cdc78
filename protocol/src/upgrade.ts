import type { Exposed, RawHeaders } from './exchange.js'

/** Protocols that a node switches to unless it declares others. */
const usualUpgrades: readonly string[] = ['websocket']
/**
 * HTTP/2 in clear is never forwarded: after the switch every byte would reach the app, any path and method, unseen
 * ("h2c smuggling"). RFC 9113 s3.1 has retired this upgrade.
 */
export const refusedUpgrade = 'h2c'

/** 16 bytes in base64 (RFC 6455 s4.2.1). */
const websocketKeyForm = /^[+/0-9A-Za-z]{22}==$/
/** `protocol-name ["/" protocol-version]` (RFC 9110 s7.8). */
const protocolForm = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:\/[!#$%&'*+.^_`|~0-9A-Za-z-]+)?$/

/**
 * The protocol that a request asks to switch to, in lower case.
 * @returns undefined where it names none, several, or HTTP/2: such a request is answered as any other (RFC 9110 s7.8)
 */
export function requestedUpgrade(headers: RawHeaders): string | undefined {
  const named = valuesOf(headers, 'upgrade')
  const [protocol] = named
  if (named.length !== 1 || !protocolForm.test(protocol!)) return undefined
  const lower = protocol!.toLowerCase()
  return lower === refusedUpgrade ? undefined : lower
}

/** What is wrong with the opening handshake of a WebSocket; undefined: nothing, or it is none. */
export function handshakeFault(protocol: string, headers: RawHeaders): string | undefined {
  if (protocol !== 'websocket') return undefined
  const keys = valuesOf(headers, 'sec-websocket-key')
  const versions = valuesOf(headers, 'sec-websocket-version')
  if (keys.length !== 1 || !websocketKeyForm.test(keys[0]!)) return 'Sec-WebSocket-Key must be 16 bytes in base64'
  if (versions.length !== 1 || versions[0] !== '13') return 'Sec-WebSocket-Version must be 13'
  return undefined
}

/** Whether a node switches to this protocol. */
export const takesUpgrade = (exposed: Exposed | undefined, protocol: string): boolean =>
  (exposed?.upgrades ?? usualUpgrades).includes(protocol)

function valuesOf(headers: RawHeaders, name: string): string[] {
  const values: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i]!.length === name.length && headers[i]!.toLowerCase() === name) values.push(headers[i + 1]!.trim())
  }
  return values
}
