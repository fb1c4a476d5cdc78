import { type Code, type Outcome, SealwayError } from '@sealway/protocol'

/** Said of a connection that did not answer in time. */
export const queryTimeoutCode = 'SEALWAY_QUERY_TIMEOUT'

/** What drivers say, as our codes. Keys are SQLite's, MySQL's and Node's codes. */
const known = new Map<string, Code>([
  ['SQLITE_FULL', 'STORAGE_FULL'],
  ['ENOSPC', 'STORAGE_FULL'],
  ['EDQUOT', 'STORAGE_FULL'],
  ['ER_DISK_FULL', 'STORAGE_FULL'],
  ['ER_DISK_FULL_NOWAIT', 'STORAGE_FULL'],
  ['ER_RECORD_FILE_FULL', 'STORAGE_FULL'],
  ['ER_NO_SUCH_TABLE', 'MIGRATION_PENDING'],
  ['ER_BAD_FIELD_ERROR', 'MIGRATION_PENDING'],
  ['ER_DUP_ENTRY', 'CONFLICT'],
  ['ER_LOCK_DEADLOCK', 'CONFLICT'],
  ['ER_LOCK_WAIT_TIMEOUT', 'CONFLICT'],
  ['ER_NO_REFERENCED_ROW', 'CONFLICT'],
  ['ER_NO_REFERENCED_ROW_2', 'CONFLICT'],
  ['ER_CHECKREAD', 'CONFLICT'],
])

/** Besides what is listed, whatever means that the database cannot be talked to, or not written. */
const unavailable = new RegExp(
  `^(?:SQLITE_(?:BUSY|LOCKED|READONLY|IOERR|CANTOPEN|NOTADB|CORRUPT|PERM|AUTH|PROTOCOL|NOMEM|NOLFS)|E[A-Z]+$|EAI_|PROTOCOL_|` +
    'ER_(?:ACCESS_DENIED|DBACCESS_DENIED|BAD_DB|CON_COUNT|TOO_MANY_USER_CONNECTIONS|SERVER_SHUTDOWN|NORMAL_SHUTDOWN|' +
    'CONNECTION_KILLED|QUERY_INTERRUPTED|NEW_ABORTING|OPTION_PREVENTS|READ_ONLY|NET_|NOT_SUPPORTED_AUTH|' +
    `HOST_(?:IS_BLOCKED|NOT_PRIVILEGED)|TABLEACCESS_DENIED|USER_LIMIT|SECURE_TRANSPORT)|${queryTimeoutCode})`,
)

/**
 * Deadlocks, and rows that appeared or went between a look and a write: the transaction may simply be run again,
 * and sees them then.
 */
export const isTransient = (cause: unknown): boolean =>
  ['ER_LOCK_DEADLOCK', 'ER_LOCK_WAIT_TIMEOUT', 'ER_CHECKREAD', 'ER_NO_REFERENCED_ROW_2', 'ER_DUP_ENTRY'].includes(
    codeOf(cause),
  )

/**
 * Any error of a statement as one of ours: `STORAGE_UNAVAILABLE`, `STORAGE_FULL`, `CONFLICT`, `MIGRATION_PENDING`,
 * else `INTERNAL`. The driver's own error is the `cause`; its text may quote data and is not repeated.
 */
export function storageError(cause: unknown, shown: string, outcome: Outcome): SealwayError {
  if (cause instanceof SealwayError) return cause
  const code = classify(cause)
  return new SealwayError(code, { message: `${explain(code)} (${shown}; ${label(cause)})`, outcome, cause })
}

export function classify(cause: unknown): Code {
  const code = codeOf(cause)
  const listed = known.get(code)
  if (listed) return listed
  if (code.startsWith('SQLITE_CONSTRAINT')) return 'CONFLICT'
  const message = cause instanceof Error ? cause.message : ''
  if (code === 'SQLITE_ERROR' && /no such (?:table|column)/.test(message)) return 'MIGRATION_PENDING'
  if (unavailable.test(code)) return 'STORAGE_UNAVAILABLE'
  // knex and its pool, mysql2 on a connection that is gone, libsql on a file it cannot open: these carry no code.
  if (/Timeout acquiring|pool is destroyed|Unable to acquire|closed state|ConnectionFailed/.test(message)) {
    return 'STORAGE_UNAVAILABLE'
  }
  return 'INTERNAL'
}

/** The driver's code, for a log line or a message: a constant, never data. */
export const label = (cause: unknown): string => codeOf(cause) || (cause instanceof Error ? cause.name : typeof cause)

function codeOf(cause: unknown): string {
  const code = (cause as { code?: unknown } | null | undefined)?.code
  return typeof code === 'string' ? code : ''
}

function explain(code: Code): string {
  switch (code) {
    case 'STORAGE_FULL':
      return 'the database has no space left; what was stored is intact'
    case 'MIGRATION_PENDING':
      return 'the database lacks tables of this program: run `sealway migrate`'
    case 'CONFLICT':
      return 'somebody else changed the same thing at the same time'
    case 'STORAGE_UNAVAILABLE':
      return 'the database does not answer or refuses'
    default:
      return 'the database refused a statement: a defect'
  }
}
