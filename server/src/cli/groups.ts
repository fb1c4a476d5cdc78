import type { Command } from 'commander'
import { type Io, printJson, printTable } from './io.js'
import { get, type RestOptions, withRestOptions } from './rest.js'

interface GroupShown {
  readonly name: string
  readonly nodes: number
  readonly online: number
}

export function addGroups(program: Command, io: Io): void {
  withRestOptions(program.command('groups'))
    .description('List the groups that a running mediator knows')
    .option('--json', 'print JSON')
    .action(async (options: RestOptions & { readonly json?: boolean }) => {
      const { groups } = (await get(io, options, '/v1/groups')) as { groups: GroupShown[] }
      if (options.json) return printJson(io, { groups })
      if (groups.length === 0) return io.out('no groups\n')
      const rows = groups.map(({ name, nodes, online }) => [name, String(nodes), String(online)])
      printTable(io, ['NAME', 'NODES', 'ONLINE'], rows)
    })
}
