import { parseEndpoints, parseGroups, parseName } from '@sealway/protocol'
import type { Command } from 'commander'
import { development } from '#fixtures'
import { createRegistry } from '../registry/create-registry.js'
import { migrate } from '../store/migrate.js'
import { withDatabase } from './database.js'
import { type Io, printJson } from './io.js'

export function addFixtures(program: Command, io: Io): void {
  program
    .command('fixtures')
    .description('Put development nodes and groups into the configured database; doing it again changes nothing')
    .option('--json', 'print JSON')
    .action(async ({ json }: { readonly json?: boolean }) => {
      const { names, shown } = await withDatabase(io, async (database) => {
        await migrate(database)
        const registry = createRegistry(database)
        for (const { name, groups, endpoints, meta } of development) {
          await registry.upsertNode(
            { name: parseName(name), groups: parseGroups(groups), endpoints: parseEndpoints(endpoints), meta },
            'fixtures',
          )
        }
        return { names: development.map((node) => node.name), shown: database.shown }
      })
      if (json) printJson(io, { database: shown, nodes: names })
      else io.out(`${shown}: ${names.length} development nodes: ${names.join(', ')}\n`)
    })
}
