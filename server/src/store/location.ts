import { resolve } from 'node:path'
import { SealwayError } from '@sealway/protocol'

/** Where the database is. `shown` names it to people and never holds the password. */
export type Location =
  | { readonly type: 'sqlite'; readonly file: string; readonly shown: string }
  | {
      readonly type: 'mysql'
      readonly host: string
      readonly port: number
      readonly user: string
      readonly password: string
      readonly database: string
      /** `?tls=true`: TLS with a certificate that the system trusts. */
      readonly tls: boolean
      readonly shown: string
    }

/**
 * Reads `sqlite:./sealway.sqlite`, a path, `sqlite::memory:`, or `mysql://user:password@host:port/database?tls=true`.
 * @throws SealwayError `CONFIG_INVALID`; its text holds no part of the URL that could be a password
 */
export function parseLocation(url: string): Location {
  if (typeof url !== 'string' || url === '') throw invalid('it is empty')
  if (/^(?:mysql|mariadb):/i.test(url)) return mysqlLocation(url)
  // One letter before the colon is a drive of Windows.
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(url)?.[1]?.toLowerCase()
  if (scheme !== undefined && scheme !== 'sqlite' && scheme !== 'file') {
    throw invalid(`it begins with ${JSON.stringify(`${scheme}:`)}`)
  }
  const rest = (scheme === undefined ? url : url.slice(scheme.length + 1)).replace(/^\/\/(?=\/|\.|:memory:)/, '')
  if (rest === ':memory:') return { type: 'sqlite', file: rest, shown: 'memory (nothing is kept)' }
  if (rest === '' || rest.includes('\0')) throw invalid('it names no file')
  // Absolute: the driver would take a name such as http://... for a server of its own.
  return { type: 'sqlite', file: resolve(rest), shown: rest }
}

function mysqlLocation(url: string): Location {
  let parsed: URL
  try {
    parsed = new URL(url)
  } catch {
    throw invalid('it is not a URL; characters such as @ : / # in a password are written as %40 %3A %2F %23')
  }
  const database = decode(parsed.pathname.slice(1))
  if (parsed.hostname === '') throw invalid('it names no host')
  if (!/^[\w$-]{1,64}$/.test(database)) throw invalid('after the host it must name one database, as in /sealway')
  for (const name of parsed.searchParams.keys()) {
    if (name !== 'tls') throw invalid(`the option ${JSON.stringify(name)} is unknown; there is only tls`)
  }
  const port = parsed.port === '' ? 3306 : Number(parsed.port)
  const host = parsed.hostname.replace(/^\[(.*)\]$/, '$1')
  return {
    type: 'mysql',
    host,
    port,
    user: decode(parsed.username),
    password: decode(parsed.password),
    database,
    tls: ['true', '1'].includes(parsed.searchParams.get('tls') ?? ''),
    shown: `${parsed.hostname}:${port}/${database}`,
  }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw invalid('a % in it is not followed by two hex digits; a literal % is written as %25')
  }
}

const invalid = (why: string) =>
  new SealwayError('CONFIG_INVALID', {
    message:
      `DATABASE_URL is not valid: ${why}. ` +
      'Write sqlite:./sealway.sqlite or mysql://user:password@host:3306/database',
    outcome: 'not-delivered',
  })
