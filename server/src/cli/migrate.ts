import type { Command } from 'commander'
import { migrate, migrateDown } from '../store/migrate.js'
import { withDatabase } from './database.js'
import { UsageError } from './failure.js'
import { type Io, printJson } from './io.js'

interface Options {
  readonly down?: boolean | string
  readonly json?: boolean
}

export function addMigrate(program: Command, io: Io): void {
  program
    .command('migrate')
    .description('Bring the configured database up to this version (`start` does it by itself)')
    .option('--down [steps]', 'take back so many steps, or all: THEIR DATA IS LOST')
    .option('--json', 'print JSON')
    .action(async ({ down, json }: Options) => {
      const steps = stepsOf(down)
      const { names, shown } = await withDatabase(io, async (database) => ({
        names: down === undefined ? await migrate(database) : await migrateDown(database, steps),
        shown: database.shown,
      }))
      if (json) return printJson(io, { database: shown, [down === undefined ? 'up' : 'down']: names })
      const what = down === undefined ? 'migrated' : 'taken back'
      io.out(names.length === 0 ? `${shown}: nothing to do\n` : `${shown}: ${what} ${names.join(', ')}\n`)
    })
}

function stepsOf(down: boolean | string | undefined): number | undefined {
  if (typeof down !== 'string') return undefined
  if (!/^[1-9]\d{0,3}$/.test(down)) throw new UsageError('--down takes a number of steps, or nothing for all')
  return Number(down)
}
