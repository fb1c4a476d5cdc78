import { isName, nodeTokenLifeMs, parseGroups, quote } from '@sealway/protocol'
import type { Command } from 'commander'
import { memberScopes, reachScopes } from '../auth/scopes.js'
import { parseDuration } from '../settings/units.js'
import { mintLocally } from './credentials.js'
import { UsageError } from './failure.js'
import { type Io, printJson } from './io.js'

interface Options {
  readonly group: readonly string[]
  readonly reach: readonly string[]
  readonly scope: readonly string[]
  readonly admin?: string
  readonly life?: string
  readonly json?: boolean
}

const collect = (value: string, list: readonly string[]): string[] => [...list, value]

export function addToken(program: Command, io: Io): void {
  program
    .command('token')
    .description('Sign a token with the secrets of .env, without asking the mediator')
    .argument('<name>', 'the node that it is bound to, or who you are for --admin')
    .option('--group <group>', 'may register and talk in this group; again for more', collect, [])
    .option('--reach <group>', 'may send to this group and see it, without being a member; again for more', collect, [])
    .option('--scope <scope>', 'a scope as in the documentation; again for more', collect, [])
    .option('--admin <right>', 'read or write: for operators')
    .option('--life <duration>', '30s, 15m, 24h; at most TOKEN_MAX_LIFE (default: 15m)')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nThe token alone is printed, so that it can be used as $(sealway token orders-1).')
    .action(async (name: string, options: Options) => {
      const scopes = scopesOf(name, options)
      const { token, tokenId, expiresAt } = await mintLocally(io, { subject: name, scopes, lifeMs: lifeOf(options) })
      if (options.json) printJson(io, { token, id: tokenId, name, scopes, expiresAt })
      else io.out(`${token}\n`)
    })
}

function scopesOf(name: string, { group, reach, scope, admin }: Options): string[] {
  if (admin !== undefined && admin !== 'read' && admin !== 'write') throw new UsageError('--admin takes read or write')
  if (admin === undefined && !isName(name)) throw new UsageError(`${quote(name)} is not a node's name`)
  const groups = group.length === 0 ? [] : parseGroups(group)
  const reaches = reach.length === 0 ? [] : parseGroups(reach, 'reach')
  return [
    ...(admin === undefined ? [] : [`admin:${admin}`]),
    ...groups.flatMap((each) => memberScopes(name, each)),
    ...reaches.flatMap(reachScopes),
    ...scope,
  ]
}

function lifeOf({ life }: Options): number {
  const lifeMs = life === undefined ? nodeTokenLifeMs : parseDuration(life)
  if (lifeMs === undefined || lifeMs < 1_000)
    throw new UsageError(`--life ${quote(life)} is not a duration: 30s, 15m, 24h`)
  return lifeMs
}
