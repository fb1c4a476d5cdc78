import { readSetting } from '../config.js'
import type { Log } from '../observe/log.js'
import { createLog } from '../observe/pino.js'
import { settings } from '../settings/table.js'
import { type Database, openDatabase } from '../store/database.js'
import { envFileOf, type Io } from './io.js'

/** The log of a command, on standard error. `quietest`: what is below is not shown unless debugging. */
export async function commandLog(io: Io, quietest?: 'warn'): Promise<Log> {
  const file = await envFileOf(io)
  const level = readSetting(settings.logLevel, io.environment, file)
  const format = readSetting(settings.logFormat, io.environment, file)
  return createLog({
    level: quietest && level === 'info' ? quietest : level,
    format: format === 'auto' ? (io.isTerminal ? 'text' : 'json') : format,
    write: io.err,
  })
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
