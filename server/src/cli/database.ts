import { readSetting } from '../config.js'
import type { Log } from '../observe/log.js'
import { settings } from '../settings/table.js'
import type { Database } from '../store/database.js'
import { envFileOf, type Io } from './io.js'

/** The log of a command, on standard error. `quietest`: what is below is not shown unless debugging. */
export async function commandLog(io: Io, quietest?: 'warn'): Promise<Log> {
  const file = await envFileOf(io)
  const level = readSetting(settings.logLevel, io.environment, file)
  const format = readSetting(settings.logFormat, io.environment, file)
  const { createLog } = await import('../observe/pino.js')
  return createLog({
    level: quietest && level === 'info' ? quietest : level,
    format: format === 'auto' ? (io.isTerminal ? 'text' : 'json') : format,
    write: io.err,
  })
}

/** As in store/database.ts, which is loaded only by commands that need it. */
export async function openDatabase(url: string, log: Log): Promise<Database> {
  const store = await import('../store/database.js')
  return store.openDatabase(url, log)
}

/** Opens the configured database for the time of `work`. */
export async function withDatabase<T>(io: Io, work: (database: Database) => Promise<T>): Promise<T> {
  const url = readSetting(settings.databaseUrl, io.environment, await envFileOf(io))
  const database = await openDatabase(url, await commandLog(io, 'warn'))
  try {
    return await work(database)
  } finally {
    await database.close()
  }
}
