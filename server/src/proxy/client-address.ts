import type { ClientRequest } from './client.js'
import { parseIp } from './direct/ip.js'

/** Whose `Forwarded` and `X-Forwarded-*` are believed: nobody's, a proxy's on this machine, everybody's. */
export type TrustProxy = 'none' | 'loopback' | 'all'

/** Whether what a connection's other end says of who asks is believed. @param remote absent: a Unix socket */
export const trusts = (trust: TrustProxy, remote: string | undefined): boolean =>
  trust === 'all' || (trust === 'loopback' && (remote === undefined || isLoopback(remote)))

/** An IPv4 client on a socket that listens for both. */
export const plain = (address: string): string => (address.startsWith('::ffff:') ? address.slice(7) : address)

const isLoopback = (address: string): boolean => address === '::1' || plain(address).startsWith('127.')

/**
 * Who asks: the other end of the connection, or whom a proxy that is believed speaks for. What that proxy added itself
 * comes last in `X-Forwarded-For`; whatever stands before it anybody may have written.
 */
export function clientAddress({ socket, rawHeaders }: ClientRequest, trust: TrustProxy): string {
  const remote = socket.remoteAddress
  const forwarded = trusts(trust, remote) ? lastForwarded(rawHeaders) : undefined
  return forwarded !== undefined && parseIp(forwarded) ? plain(forwarded) : remote === undefined ? '' : plain(remote)
}

function lastForwarded(rawHeaders: readonly string[]): string | undefined {
  for (let i = rawHeaders.length - 2; i >= 0; i -= 2) {
    const name = rawHeaders[i]!
    if (name.length === 15 && name.toLowerCase() === 'x-forwarded-for')
      return rawHeaders[i + 1]!.split(',').at(-1)!.trim()
  }
  return undefined
}
