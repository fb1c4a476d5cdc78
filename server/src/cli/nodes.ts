import type { Command } from 'commander'
import { type Io, printJson, printTable } from './io.js'
import { get, type RestOptions, withRestOptions } from './rest.js'

interface Options extends RestOptions {
  readonly group?: string
  readonly online?: boolean
  readonly offline?: boolean
  readonly json?: boolean
}

interface NodeShown {
  readonly name: string
  readonly groups: readonly string[]
  readonly online: boolean
  readonly transport: string | null
  readonly address: string | null
  readonly lastSeen: number | null
}

export function addNodes(program: Command, io: Io): void {
  withRestOptions(program.command('nodes'))
    .description('List the nodes that a running mediator knows')
    .option('--group <group>', 'of this group only')
    .option('--online', 'only those connected')
    .option('--offline', 'only those not connected')
    .option('--json', 'print JSON')
    .action(async (options: Options) => {
      const nodes = await allNodes(io, options)
      if (options.json) return printJson(io, { nodes })
      if (nodes.length === 0) return io.out('no nodes\n')
      printTable(io, ['NAME', 'GROUPS', 'STATE', 'TRANSPORT', 'ADDRESS', 'LAST SEEN'], nodes.map(row))
    })
}

async function allNodes(io: Io, options: Options): Promise<NodeShown[]> {
  const query = new URLSearchParams({ limit: '1000' })
  if (options.group !== undefined) query.set('group', options.group)
  if (options.online !== options.offline) query.set('online', String(options.online === true))
  const nodes: NodeShown[] = []
  for (;;) {
    const page = (await get(io, options, `/v1/nodes?${query}`)) as { nodes: NodeShown[]; next: string | null }
    nodes.push(...page.nodes)
    if (page.next === null) return nodes
    query.set('after', page.next)
  }
}

const row = (node: NodeShown): string[] => [
  node.name,
  node.groups.join(','),
  node.online ? 'online' : 'offline',
  node.transport ?? '-',
  node.address ?? '-',
  node.lastSeen === null ? 'never' : new Date(node.lastSeen).toISOString(),
]
