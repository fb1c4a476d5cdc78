import type { Command } from 'commander'
import { mediatorFile, nodeFile, setup } from '../settings/setup.js'
import { type Io, printJson } from './io.js'

export function addSetup(program: Command, io: Io): void {
  program
    .command('setup')
    .description('Make .env and .env.node with fresh secrets, where they are missing (the first `start` does it)')
    .option('--json', 'print JSON')
    .action(async ({ json }: { readonly json?: boolean }) => {
      const { created } = await setup(io.folder, { port: io.environment.PORT })
      if (json) return printJson(io, { created })
      if (created.length === 0)
        return io.out(`${mediatorFile} and ${nodeFile} are there already; nothing was changed\n`)
      io.out(`made ${created.join(' and ')}, readable by you alone\n`)
    })
}
