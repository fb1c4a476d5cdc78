import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog } from '../../../server/src/observe/log.js'
import { openDatabase } from '../../../server/src/store/database.js'
import { mysqlDatabase, sqliteDatabase } from '../../support/databases.js'
import { mysqlServerUrl } from '../../support/mysql.js'
import { tcpProxy } from '../../support/tcp-proxy.js'

const password = 'canary-pa$$word'
const withPassword = (url: URL) => {
  url.password = password
  return url.href
}

/** The error, and the certainty that nothing of it shows the password. */
async function failure(url: string, waits?: Parameters<typeof openDatabase>[2]) {
  const error = await openDatabase(url, silentLog, waits).then(
    () => {
      throw new Error('it opened')
    },
    (thrown: unknown) => thrown as Error & { code: string },
  )
  expect(`${error.message}\n${error.stack}\n${JSON.stringify(error)}`).not.toContain(password)
  expect(`${error.message}\n${error.stack}`).not.toContain(encodeURIComponent(password))
  return error
}

describe('opening a database on SQLite', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sealway-open-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  it('sets WAL, full synchronisation and foreign keys', async () => {
    const db = await openDatabase(`sqlite:${join(folder, 'a.sqlite')}`, silentLog)
    const pragma = async (name: string) => Object.values((await db.knex.raw(`PRAGMA ${name}`))[0])[0]
    expect(await pragma('journal_mode')).toBe('wal')
    expect(await pragma('synchronous')).toBe(2)
    expect(await pragma('foreign_keys')).toBe(1)
    expect(await pragma('busy_timeout')).toBeGreaterThan(0)
    await db.close()
  })

  it('takes a path with and without a scheme, and one with spaces and percent signs as it is', async () => {
    for (const [i, name] of [
      'sqlite:F/a 1.sqlite',
      'F/100%.sqlite',
      'file:F/c.sqlite',
      'sqlite://F/d.sqlite',
    ].entries()) {
      const db = await openDatabase(name.replace('F', folder), silentLog)
      await db.close()
      const file = join(folder, ['a 1.sqlite', '100%.sqlite', 'c.sqlite', 'd.sqlite'][i]!)
      expect(statSync(file).isFile()).toBe(true)
    }
  })

  it('says of a file that is no database what it is and what to do, and leaves it as it was', async () => {
    const file = join(folder, 'notes.txt')
    writeFileSync(file, 'these are my notes, and they are longer than the header of a database. '.repeat(10))
    const before = statSync(file)
    const error = await failure(`sqlite:${file}`)
    expect(error.code).toBe('DATABASE_UNREACHABLE')
    expect(error.message).toMatch(/notes\.txt" is not an SQLite database: move the file away/)
    expect([statSync(file).size, statSync(file).mtimeMs]).toEqual([before.size, before.mtimeMs])
  })

  it('says of a folder that is missing, a folder in place of a file and a folder that takes no file what is wrong', async () => {
    mkdirSync(join(folder, 'closed'), { mode: 0o500 })
    writeFileSync(join(folder, 'file'), '')
    // Root may write anywhere but in /proc.
    const closed = process.getuid?.() === 0 ? '/proc' : join(folder, 'closed')
    for (const path of [
      join(folder, 'none/a.sqlite'),
      folder,
      join(folder, 'file/a.sqlite'),
      join(closed, 'a.sqlite'),
    ]) {
      const error = await failure(`sqlite:${path}`)
      expect([path, error.code]).toEqual([path, 'DATABASE_UNREACHABLE'])
      expect(error.message).toContain(JSON.stringify(path))
      expect(error.message).toContain('its folder must exist, and this user needs write access there')
    }
  })

  it('never takes the name of a remote server for a file', async () => {
    for (const url of [
      'http://127.0.0.1:1/x',
      'libsql://example.org',
      'postgres://u:p@h/d',
      '',
      'sqlite:',
      'sqlite:a\0b',
    ]) {
      expect([url, (await failure(url)).code]).toEqual([url, 'CONFIG_INVALID'])
    }
  })

  it('waits for another process that writes, and goes on when it is done', async () => {
    const database = await sqliteDatabase()
    const [one, two] = [await database.open(), await database.open()]
    await one.knex.schema.createTable('t', (table) => table.integer('n'))
    let written: Promise<unknown> | undefined
    await one.transaction(async (trx) => {
      await trx('t').insert({ n: 1 })
      written = two.transaction((other) => other('t').insert({ n: 2 }))
      await trx('t').insert({ n: 3 })
    })
    await written
    expect(await two.knex('t').pluck('n')).toEqual([1, 3, 2])
    await database.drop()
  })

  it('takes back a transaction that failed, reports why, and goes on', async () => {
    const database = await sqliteDatabase()
    const db = await database.open()
    await db.knex.schema.createTable('t', (table) => table.integer('n').unique())
    const twice = db.transaction(async (trx) => {
      await trx('t').insert({ n: 1 })
      await trx('t').insert({ n: 1 })
    })
    await expect(twice).rejects.toMatchObject({ code: 'CONFLICT', outcome: 'not-delivered' })
    await expect(db.transaction((trx) => trx('t').insert({ nothing: 1 }))).rejects.toMatchObject({
      outcome: 'not-delivered',
    })
    await db.transaction((trx) => trx('t').insert({ n: 2 }))
    expect(await db.knex('t').pluck('n')).toEqual([2])
    await database.drop()
  })

  it('shows no value of a statement that failed', async () => {
    const database = await sqliteDatabase()
    const db = await database.open()
    const error: Error = await db.transaction((trx) => trx('none').insert({ n: 'canary' })).catch((thrown) => thrown)
    expect(`${error.message} ${error.stack} ${(error.cause as Error).message}`).not.toContain('canary')
    await database.drop()
  })

  it.each([
    ['list', ['x']],
    ['symbol', Symbol('s')],
    ['Map', new Map()],
    ['text with a NUL', 'a\0b'],
  ])('stores no %s, and survives being asked to', async (_, value) => {
    const db = await openDatabase('sqlite::memory:', silentLog)
    await db.knex.schema.createTable('t', (table) => table.text('v'))
    await expect(db.knex('t').insert({ v: value })).rejects.toThrow('cannot be stored')
    expect(await db.knex('t').pluck('v')).toEqual([])
    await db.close()
  })

  it('stores true as 1: handed to libsql as it is, it would end the process', async () => {
    const db = await openDatabase('sqlite::memory:', silentLog)
    await db.knex.schema.createTable('t', (table) => table.integer('v'))
    await db.knex('t').insert([{ v: true }, { v: false }])
    expect(await db.knex('t').pluck('v')).toEqual([1, 0])
    await db.close()
  })
})

describe('opening a database on MySQL', () => {
  it('names host and port where nothing listens, and the command that starts one', async () => {
    const probe = createServer()
    await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
    const { port } = probe.address() as AddressInfo
    await new Promise((resolve) => probe.close(resolve))
    const error = await failure(withPassword(new URL(`mysql://user@127.0.0.1:${port}/sealway`)))
    expect(error.code).toBe('DATABASE_UNREACHABLE')
    expect(error.message).toMatch(new RegExp(`nothing listens on 127\\.0\\.0\\.1:${port}.*make doc.*ECONNREFUSED`))
  })

  it('names the user where the password is wrong', async () => {
    const error = await failure(withPassword(mysqlServerUrl()))
    expect(error.code).toBe('DATABASE_UNREACHABLE')
    expect(error.message).toMatch(/refuses user ".+": correct user and password in DATABASE_URL/)
  })

  it('names the database where there is none of that name', async () => {
    const url = mysqlServerUrl()
    url.pathname = '/sealway_no_such_database'
    const error = await failure(url.href)
    expect(error.code).toBe('DATABASE_UNREACHABLE')
    expect(error.message).toMatch(/no database "sealway_no_such_database" at .*CREATE DATABASE/)
  })

  it('gives up on a server that takes the connection and says nothing', async () => {
    const mute = createServer((socket) => socket.on('error', () => {}))
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve))
    const { port } = mute.address() as AddressInfo
    const url = withPassword(new URL(`mysql://user@127.0.0.1:${port}/sealway`))
    const error = await failure(url, { connectMs: 200, queryMs: 200 })
    expect(error.code).toBe('DATABASE_UNREACHABLE')
    expect(error.message).toContain(`127.0.0.1:${port} does not answer`)
    await new Promise((resolve) => mute.close(resolve))
  })

  it('gives up on something that listens and is no MySQL', async () => {
    const other = createServer((socket) => {
      socket.on('error', () => {})
      socket.write('HTTP/1.1 400 Bad Request\r\n\r\n')
    })
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const { port } = other.address() as AddressInfo
    const error = await failure(withPassword(new URL(`mysql://user@127.0.0.1:${port}/sealway`)), {
      connectMs: 500,
      queryMs: 200,
    })
    expect(error.code).toBe('DATABASE_UNREACHABLE')
    await new Promise((resolve) => other.close(resolve))
  })

  it('gives milliseconds as numbers, and its clock whatever the zone of the server', async () => {
    const database = await mysqlDatabase()
    const db = await database.open()
    const [[row]] = await db.knex.raw(`SELECT ${db.now} AS now, @@session.time_zone AS zone, 9007199254740991 AS big`)
    expect(row).toEqual({ now: expect.any(Number), zone: '+00:00', big: 9007199254740991 })
    const [[unix]] = await db.knex.raw('SELECT UNIX_TIMESTAMP() AS seconds')
    expect(Math.abs(row.now - unix.seconds * 1_000)).toBeLessThan(10_000)
    await database.drop()
  })

  it('takes no second statement behind the first', async () => {
    const database = await mysqlDatabase()
    const db = await database.open()
    await expect(db.query((knex) => knex.raw('SELECT 1; SELECT 2'))).rejects.toMatchObject({ code: 'INTERNAL' })
    await database.drop()
  })

  it('limits the wait for a server that stops answering, and uses it again when it is back', async () => {
    const server = mysqlServerUrl()
    const database = await mysqlDatabase()
    const proxy = await tcpProxy(server.hostname, Number(server.port))
    const url = new URL(database.url)
    url.port = String(proxy.port)
    const db = await openDatabase(url.href, silentLog, { connectMs: 1_000, queryMs: 1_000 })
    await db.knex.schema.createTable('t', (table) => table.integer('n'))

    proxy.mode = 'blackhole'
    const lost = [
      db.query((knex) => knex('t').select()),
      db.transaction((trx) => trx('t').insert({ n: 1 })),
      db.query((knex) => knex.raw('SELECT 1')),
    ]
    for (const outcome of await Promise.allSettled(lost)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'STORAGE_UNAVAILABLE' } })
    }
    proxy.mode = 'refuse'
    proxy.reset()
    await expect(db.query((knex) => knex('t').select())).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
    proxy.mode = 'pass'
    await db.transaction((trx) => trx('t').insert({ n: 2 }))
    expect(await db.knex('t').pluck('n')).toEqual([2])

    // A connection that dies inside a transaction takes back what it did.
    const cut = db.transaction(async (trx) => {
      await trx('t').insert({ n: 3 })
      proxy.reset()
      await trx('t').insert({ n: 4 })
    })
    await expect(cut).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE', outcome: 'not-delivered' })
    expect(await db.knex('t').pluck('n')).toEqual([2])
    await db.close()
    await proxy.close()
    await database.drop()
  })

  it('loses no connection of its pool over 50 breaks', async () => {
    const server = mysqlServerUrl()
    const database = await mysqlDatabase()
    const proxy = await tcpProxy(server.hostname, Number(server.port))
    const url = new URL(database.url)
    url.port = String(proxy.port)
    const db = await openDatabase(url.href, silentLog, { connectMs: 5_000, queryMs: 5_000 })
    for (let i = 0; i < 50; i++) {
      const running = Array.from({ length: 12 }, () => db.transaction((trx) => trx.raw('SELECT SLEEP(0.02)')))
      if (i % 2) proxy.reset()
      await Promise.allSettled(running)
    }
    const after = Array.from({ length: 30 }, () => db.query((knex) => knex.raw('SELECT 1')))
    expect((await Promise.allSettled(after)).map((outcome) => outcome.status)).toEqual(Array(30).fill('fulfilled'))
    await db.close()
    await proxy.close()
    await database.drop()
  })
})
