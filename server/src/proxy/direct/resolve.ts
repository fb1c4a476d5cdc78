import { Resolver } from 'node:dns/promises'
import { parseIp } from './ip.js'

/** All addresses of a host name, in text. @throws where there are none, or none in time */
export type ResolveName = (name: string) => Promise<readonly string[]>

/** RELIABILITY, threat "SSRF": a name server that does not answer must not hold requests. */
const resolveTimeoutMs = 2_000

const label = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i
/** WHATWG URL, "ends in a number": other parsers take such names for addresses: `0x7f.1`, `2130706433`, `010.0.0.1`. */
const numeric = /^(?:\d+|0x[0-9a-f]*)$/i

/** The names and addresses that a node may register for direct connections. */
export type Host = { readonly address: string } | { readonly name: string }

/** Undefined: it is neither an address in its usual form nor a host name. */
export function parseHost(text: string): Host | undefined {
  if (parseIp(text)) return { address: text }
  const labels = text.replace(/\.$/, '').split('.')
  if (text.length > 253 || !labels.every((one) => label.test(one)) || numeric.test(labels.at(-1)!)) return undefined
  return { name: text.toLowerCase() }
}

/** By c-ares, which waits on no thread: `getaddrinfo` has four for everybody (RELIABILITY, threat "SSRF"). */
export function createResolveName(): ResolveName {
  const resolver = new Resolver({ timeout: resolveTimeoutMs, tries: 1 })
  return async (name) => {
    // RFC 6761 s6.3: never asked of a name server.
    if (name === 'localhost' || name.endsWith('.localhost')) return ['127.0.0.1', '::1']
    const asked = Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)])
    const answers = (await within(asked, resolveTimeoutMs)).flatMap((answer) =>
      answer.status === 'fulfilled' ? answer.value : [],
    )
    if (answers.length === 0) throw new Error('the name has no address')
    return answers
  }
}

function within<T>(promise: Promise<T>, limitMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the name servers did not answer')), limitMs).unref()
    promise.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
