import { handshakeFault, hopByHop, type RawHeaders, type RequestHead, requestedUpgrade } from '@sealway/protocol'

/** The value of the first header of this name. @param name in lower case */
export function headerOf(headers: RawHeaders, name: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) {
    const candidate = headers[i]!
    if (candidate.length === name.length && candidate.toLowerCase() === name) return headers[i + 1]
  }
  return undefined
}

/** The headers that are handed on: without those of the connection, and without those that `Connection` names. */
export function endToEnd(headers: RawHeaders): string[] {
  const named = new Set<string>()
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i]!.toLowerCase() !== 'connection') continue
    for (const name of headers[i + 1]!.split(',')) named.add(name.trim().toLowerCase())
  }
  const kept: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!.toLowerCase()
    if (!hopByHop.has(name) && !named.has(name)) kept.push(headers[i]!, headers[i + 1]!)
  }
  return kept
}

/**
 * Whether a request goes on in another protocol (RFC 9110 s7.8): its direction stays open, and it has no body. A request
 * for HTTP/2 in clear, or with a broken handshake, is answered as any other.
 */
export function isUpgrade({ headers }: RequestHead): boolean {
  const protocol = requestedUpgrade(headers)
  if (protocol === undefined || headerOf(headers, 'content-length') !== undefined) return false
  return handshakeFault(protocol, headers) === undefined
}
