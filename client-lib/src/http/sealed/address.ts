import { formatAddress, parseAddress, quote, SealwayError } from '@sealway/protocol'

/** Where a request goes. */
export interface HttpTarget {
  /** `orders-1`, `any:orders` or `group:orders`. */
  readonly to: string
  /** What the app sees as `Host`: the node's name, or the group's. */
  readonly host: string
  /** Path and query, as sent. */
  readonly path: string
}

const urlForm = /^(https?|wss?):\/\/([^/?#]*)(.*)$/is
const addressForm = /^([^/?#]+)(.*)$/s

/**
 * Reads `http://orders-1/health`, and the same with an address of any form and without `http://`: `any:orders/health`.
 * Read here and not by URL, which takes names that are numbers for IP addresses, and knows no `any:`.
 * @param schemes which are allowed before `://`
 * @throws SealwayError `INVALID_ARGUMENT`, `INVALID_NAME`
 */
export function parseTarget(text: string, schemes: readonly string[] = ['http']): HttpTarget {
  const url = urlForm.exec(text)
  if (url && !schemes.includes(url[1]!.toLowerCase())) {
    throw invalid(`${quote(text)}: only ${schemes.join(' and ')} here; what goes to a node is sealed end to end anyway`)
  }
  // Case says nothing in the authority of a URL.
  const authority = url ? url[2]!.toLowerCase() : addressForm.exec(text)?.[1]
  const rest = url ? url[3]! : (addressForm.exec(text)?.[2] ?? '')
  if (!authority) throw invalid(`${quote(text)} names no node: http://<node>/path, or any:<group>/path`)
  const address = parseAddress(authority)
  const host = address.type === 'node' ? address.name : address.group
  return { to: formatAddress(address), host, path: pathOf(rest) }
}

/** Path and query, with what may not stand there percent-encoded, and without a fragment. */
export function pathOf(rest: string): string {
  const url = new URL(rest.startsWith('/') ? `http://node${rest}` : `http://node/${rest}`)
  return url.pathname + url.search
}

const invalid = (message: string) =>
  new SealwayError('INVALID_ARGUMENT', { message, outcome: 'not-delivered', hop: 'client' })
