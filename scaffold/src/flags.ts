import { parseArgs } from 'node:util'
import { type HttpServer, type Language, languages, servers } from './answers.js'
import { Refusal } from './refusal.js'

export const usage = `Usage: npm create sealway [folder] -- [flags]     or: npx sealway create [folder] [flags]

Makes a service in a folder of its own: it listens, sends, calls and broadcasts, and has a web page and a test.

  --name <name>        the node's name (default: the folder's)
  --group <group>      the group it is in (default: demo)
  --url <url>          where the mediator is (default: that of the mediator here, or http://127.0.0.1:4567)
  --language <js|ts>   JavaScript or TypeScript (default: js)
  --http <none|express>  an Express app besides the page (default: none)
  --port <port>        of the page (default: 3000)
  --secrets <file>     take the secrets of this file, such as a mediator's .env.node
  --fresh-secrets      make new ones, although there is a mediator here
  --packages <folder>  take @sealway/protocol and @sealway/client from the .tgz files in this folder
  --yes                ask nothing; take the defaults
  --force              into a folder that is not empty: replace what has the same name, and leave the rest
  --version, --help

Examples:
  npm create sealway my-service
  npx sealway create ../my-service --yes
  npx sealway create orders --name orders-1 --group orders --language ts --http express --yes

Exit code: 0 done, 1 failed, 2 wrong usage, 130 stopped while asking.
`

export interface Flags {
  readonly folder: string | undefined
  readonly name: string | undefined
  readonly group: string | undefined
  readonly url: string | undefined
  readonly port: string | undefined
  readonly language: Language | undefined
  readonly http: HttpServer | undefined
  readonly secrets: string | undefined
  readonly packages: string | undefined
  readonly freshSecrets: boolean
  readonly yes: boolean
  readonly force: boolean
  readonly help: boolean
  readonly version: boolean
}

const text = { type: 'string' } as const
const flag = { type: 'boolean', default: false } as const

/** @throws Refusal (2) for what is no flag, or has a value that it does not take */
export function parseFlags(args: readonly string[]): Flags {
  const { values, positionals } = parsed(args)
  if (positionals.length > 1) throw new Refusal(`one folder, not ${positionals.length}: ${positionals.join(' ')}`, 2)
  const { name, group, url, port, secrets, packages, yes, force, help, version } = values
  return {
    ...{ folder: positionals[0], name, group, url, port, secrets, packages, yes, force, help, version },
    freshSecrets: values['fresh-secrets'],
    language: oneOf('--language', values.language, languages),
    http: oneOf('--http', values.http, servers),
  }
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        ...{ name: text, group: text, url: text, port: text, language: text, http: text },
        ...{ secrets: text, packages: text, 'fresh-secrets': flag, force: flag, version: flag },
        yes: { ...flag, short: 'y' },
        help: { ...flag, short: 'h' },
      },
    })
  } catch (error) {
    throw new Refusal((error as Error).message, 2)
  }
}

function oneOf<T extends string>(name: string, value: string | undefined, allowed: readonly T[]): T | undefined {
  const found = allowed.find((one) => one === value)
  if (value !== undefined && found === undefined) throw new Refusal(`${name} takes ${allowed.join(' or ')}`, 2)
  return found
}
