import { SealwayError } from '@sealway/protocol'
import { classify, isTransient, storageError } from '../../../server/src/store/storage-error.js'

const coded = (code: string, message = 'x') => Object.assign(new Error(message), { code })

describe('what a driver says', () => {
  it.each([
    ['SQLITE_FULL', 'STORAGE_FULL'],
    ['ER_DISK_FULL', 'STORAGE_FULL'],
    ['ER_RECORD_FILE_FULL', 'STORAGE_FULL'],
    ['ENOSPC', 'STORAGE_FULL'],
    ['SQLITE_CONSTRAINT_UNIQUE', 'CONFLICT'],
    ['ER_DUP_ENTRY', 'CONFLICT'],
    ['ER_LOCK_DEADLOCK', 'CONFLICT'],
    ['ER_NO_SUCH_TABLE', 'MIGRATION_PENDING'],
    ['SQLITE_BUSY', 'STORAGE_UNAVAILABLE'],
    ['SQLITE_BUSY_SNAPSHOT', 'STORAGE_UNAVAILABLE'],
    ['SQLITE_IOERR_WRITE', 'STORAGE_UNAVAILABLE'],
    ['SQLITE_READONLY', 'STORAGE_UNAVAILABLE'],
    ['SQLITE_CORRUPT', 'STORAGE_UNAVAILABLE'],
    ['ECONNREFUSED', 'STORAGE_UNAVAILABLE'],
    ['ECONNRESET', 'STORAGE_UNAVAILABLE'],
    ['PROTOCOL_CONNECTION_LOST', 'STORAGE_UNAVAILABLE'],
    ['ER_ACCESS_DENIED_ERROR', 'STORAGE_UNAVAILABLE'],
    ['ER_CON_COUNT_ERROR', 'STORAGE_UNAVAILABLE'],
    ['ER_SERVER_SHUTDOWN', 'STORAGE_UNAVAILABLE'],
    ['ER_PARSE_ERROR', 'INTERNAL'],
    ['SQLITE_ERROR', 'INTERNAL'],
    ['', 'INTERNAL'],
  ])('%s becomes %s', (code, expected) => {
    expect(classify(coded(code))).toBe(expected)
  })

  it('becomes an error that names the database and the driver code, and quotes nothing of the statement', () => {
    const cause = coded('ER_DUP_ENTRY', "Duplicate entry 'canary' for key 'nodes_name'")
    const error = storageError(cause, 'host:3306/db', 'not-delivered')
    expect(error).toMatchObject({ code: 'CONFLICT', outcome: 'not-delivered', cause })
    expect(error.message).toContain('host:3306/db; ER_DUP_ENTRY')
    expect(error.message).not.toContain('canary')
  })

  it('leaves our own errors as they are', () => {
    const own = new SealwayError('UNKNOWN_NODE')
    expect(storageError(own, 'x', 'unknown')).toBe(own)
  })

  it('is worth another try only where the database made this transaction give way', () => {
    expect(
      ['ER_LOCK_DEADLOCK', 'ER_LOCK_WAIT_TIMEOUT', 'ER_DUP_ENTRY'].map((code) => isTransient(coded(code))),
    ).toEqual([true, true, true])
    expect(['ECONNRESET', 'SQLITE_FULL', ''].map((code) => isTransient(coded(code)))).toEqual([false, false, false])
    expect(isTransient(undefined)).toBe(false)
  })
})
