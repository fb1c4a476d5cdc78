import type { RawHeaders } from '@sealway/protocol'
import type { Guarded } from '../guard.js'
import { trailerFields } from '../response-headers.js'
import type { Pinned } from './pin.js'

/** Methods for which Node sends chunks where no length is said. */
export const withBody: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH'])

/** The headers that were made for the node, as Node's client takes them, with the host that the node registered. */
export function upstreamHeaders(
  method: string,
  headers: RawHeaders,
  { bodyBytes }: Pick<Guarded, 'bodyBytes'>,
  { host }: Pick<Pinned, 'host'>,
): { [name: string]: string | string[] } {
  const made = new Map<string, string[]>()
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!.toLowerCase()
    // That it may send its body the client is told here.
    if (name === 'host' || name === 'expect') continue
    made.set(name, [...(made.get(name) ?? []), headers[i + 1]!])
  }
  made.set('host', [host])
  // A length that is not known is where proxies and upstreams disagree: such a connection is not used again (F2).
  if (bodyBytes < 0) made.set('connection', ['close'])
  else if (bodyBytes === 0 && withBody.has(method)) made.set('content-length', ['0'])
  return Object.fromEntries([...made].map(([name, values]) => [name, values.length === 1 ? values[0]! : values]))
}

/** Trailers that may be handed on, as Node takes them. */
export const pairsOf = (rawTrailers: RawHeaders): [string, string][] => {
  const fields = trailerFields(rawTrailers)
  const pairs: [string, string][] = []
  for (let i = 0; i < fields.length; i += 2) pairs.push([fields[i]!, fields[i + 1]!])
  return pairs
}
