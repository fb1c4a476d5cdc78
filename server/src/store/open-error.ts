import { SealwayError } from '@sealway/protocol'
import type { Location } from './location.js'
import { label } from './storage-error.js'

/**
 * Why the database could not be opened, and what to do about it. Names the file, or host, port, user and database;
 * never the password.
 * @returns SealwayError `DATABASE_UNREACHABLE`, or `STORAGE_FULL`
 */
export function openError(cause: unknown, location: Location): SealwayError {
  if (cause instanceof SealwayError) return cause
  const advice = location.type === 'sqlite' ? sqliteAdvice(cause, location) : mysqlAdvice(cause, location)
  return new SealwayError(label(cause) === 'SQLITE_FULL' ? 'STORAGE_FULL' : 'DATABASE_UNREACHABLE', {
    message: `${advice} (${label(cause)})`,
    outcome: 'not-delivered',
    cause,
  })
}

function sqliteAdvice(cause: unknown, { shown }: Location): string {
  const file = JSON.stringify(shown)
  const code = label(cause)
  if (code === 'SQLITE_NOTADB') {
    return `${file} is not an SQLite database: move the file away, or name another in DATABASE_URL`
  }
  if (code.startsWith('SQLITE_CORRUPT')) return `${file} is damaged: put a backup in its place`
  if (code.startsWith('SQLITE_READONLY')) {
    return `${file} cannot be written: this user needs write access to it and its folder`
  }
  if (code.startsWith('SQLITE_BUSY')) return `${file} is locked by another process: stop that one, or wait`
  if (code === 'SQLITE_FULL') return `there is no space left for ${file}`
  return `${file} cannot be opened or created: its folder must exist, and this user needs write access there`
}

function mysqlAdvice(cause: unknown, location: Location & { type: 'mysql' }): string {
  const at = `${location.host}:${location.port}`
  const who = JSON.stringify(location.user)
  const database = JSON.stringify(location.database)
  switch (label(cause)) {
    case 'ECONNREFUSED':
      return `nothing listens on ${at}: start the database there (\`make doc\`), or correct DATABASE_URL`
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the host of ${at} is not known to DNS: correct DATABASE_URL`
    case 'ETIMEDOUT':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'KnexTimeoutError':
    case 'SEALWAY_QUERY_TIMEOUT':
      return `${at} does not answer: is it the right host, and does a firewall let this one in?`
    case 'ER_ACCESS_DENIED_ERROR':
    case 'ER_ACCESS_DENIED_NO_PASSWORD_ERROR':
    case 'ER_NOT_SUPPORTED_AUTH_MODE':
      return `the database at ${at} refuses user ${who}: correct user and password in DATABASE_URL`
    case 'ER_DBACCESS_DENIED_ERROR':
      return `user ${who} may not use database ${database} at ${at}: grant it, or correct DATABASE_URL`
    case 'ER_BAD_DB_ERROR':
      return `there is no database ${database} at ${at}: create it (\`CREATE DATABASE\`), or correct DATABASE_URL`
    case 'ER_CON_COUNT_ERROR':
    case 'ER_TOO_MANY_USER_CONNECTIONS':
      return `the database at ${at} has no connection left for us: raise max_connections`
    default:
      return `the database ${database} at ${at} cannot be used`
  }
}
