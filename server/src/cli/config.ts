import type { Command } from 'commander'
import { configWarnings, effective, parseConfig } from '../config.js'
import { envTemplate } from '../settings/template.js'
import { envFileOf, type Io, printJson, printTable } from './io.js'

export function addConfig(program: Command, io: Io): void {
  const config = program.command('config').description('Show settings')
  config
    .command('print')
    .description('Every setting in effect, and where it came from; secrets masked. Fails if one is wrong')
    .option('--json', 'print JSON')
    .action(async ({ json }: { readonly json?: boolean }) => {
      const file = await envFileOf(io)
      const settings = effective(io.environment, file)
      if (json) printJson(io, { settings })
      else
        printTable(
          io,
          ['SETTING', 'VALUE', 'FROM'],
          settings.map((s) => [s.name, s.value || '-', s.origin]),
        )
      for (const warning of configWarnings(io.environment, file)) if (!json) io.err(`warning: ${warning}\n`)
      parseConfig(io.environment, file)
    })
  config
    .command('template')
    .description('Print an .env.local with every setting, its unit and its default')
    .action(() => io.out(envTemplate()))
}
