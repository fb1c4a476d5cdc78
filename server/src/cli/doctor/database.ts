import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { readSetting } from '../../config.js'
import { settings } from '../../settings/table.js'
import type { Database } from '../../store/database.js'
import { parseLocation } from '../../store/location.js'
import { pendingMigrations } from '../../store/migrate.js'
import { commandLog, openDatabase } from '../database.js'
import { envFileOf, type Io } from '../io.js'
import { type Finding, fail, messageOf, ok, warn } from './finding.js'

/** A database whose clock is further off makes "last seen" and evictions wrong, ms. */
const skewMs = 5_000
const slowMs = 100

/** Whether it answers, how fast, whether it is up to date, and its clock. Changes nothing. */
export async function checkDatabase(io: Io): Promise<Finding[]> {
  let database: Database | undefined
  try {
    const url = readSetting(settings.databaseUrl, io.environment, await envFileOf(io))
    const location = parseLocation(url)
    if (location.type === 'sqlite' && location.file !== ':memory:') {
      const exists = await stat(resolve(io.folder, location.file)).then(
        () => true,
        () => false,
      )
      // Opening it would make it.
      if (!exists) return [warn('database', `${location.shown} is not there yet`, 'sealway start makes it')]
    }
    database = await openDatabase(url, await commandLog(io, 'warn'))
    return await findings(database)
  } catch (error) {
    return [fail('database', messageOf(error), 'see DATABASE_URL: sealway config print')]
  } finally {
    await database?.close()
  }
}

async function findings(database: Database): Promise<Finding[]> {
  const before = Date.now()
  const began = performance.now()
  const rows = await database.query((knex) => knex.select(knex.raw(`${database.now} AS now`)))
  const ms = performance.now() - began
  const there = Number((rows as { now: unknown }[])[0]?.now)
  const pending = await pendingMigrations(database)
  const off = Math.round(there - (before + ms / 2))
  return [
    ms > slowMs
      ? warn('database', `${database.shown} answers in ${ms.toFixed(0)} ms`, 'registrations wait for it: put it nearer')
      : ok('database', `${database.shown} answers in ${ms.toFixed(1)} ms`),
    pending.length === 0
      ? ok('database', 'it is up to date')
      : warn('database', `it lacks ${pending.join(', ')}`, 'sealway migrate, or the next sealway start'),
    Math.abs(off) > skewMs
      ? warn('clock', `the database's clock is ${off} ms off this machine's`, 'run NTP on both')
      : ok('clock', `the database's clock is within ${Math.max(1, Math.abs(off))} ms of this machine's`),
  ]
}
