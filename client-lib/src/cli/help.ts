import { commonFlags, type Flag, flags } from './flags.js'
import type { Verb } from './verb.js'
import { verbs } from './verbs.js'

const ending = `The payload key comes from PROTECTED_AES256, never from an argument: arguments can be seen by other users.
Settings are read from the environment, and from .env.node in this folder where it exists.
Exit code: 0 done, 1 failed, 2 wrong usage.
`

/** @param program as it was called: `sealway`, or `sealway-node` */
export function helpOf(program: string, name: string, verb: Verb): string {
  const names = [...verb.flags, ...commonFlags]
  const heads = names.map((flag) => `--${flag}${valueIn(flags[flag])}`)
  const width = Math.max(...heads.map((head) => head.length))
  const form = verb.rawBody ? 'text' : 'JSON, or text'
  const body = verb.usage.endsWith('[body]') ? `[body]: ${form}; - reads it from standard input.\n` : ''
  return `Usage: ${program} ${name} ${verb.usage} [flags]

${verb.summary}.
${body}${verb.notes === undefined ? '' : `${verb.notes}\n`}
Flags:
${names.map((flag, i) => `  ${heads[i]!.padEnd(width)}  ${flags[flag].help}`).join('\n')}

Examples:
${verb.examples.map((example) => `  ${program} ${name} ${example}`).join('\n')}

${ending}`
}

/** All verbs, for who names none. */
export function overview(program: string): string {
  const heads = [...verbs].map(([name, { usage }]) => `${program} ${name} ${usage}`)
  const width = Math.max(...heads.map((head) => head.length))
  return `${program}: one message from the command line, sealed with your own key

${[...verbs.values()].map(({ summary }, i) => `  ${heads[i]!.padEnd(width)}  ${summary}`).join('\n')}

\`${program} <verb> --help\` shows its flags, and examples.
${ending}`
}

const valueIn = (flag: Flag): string => (flag.value === undefined ? '' : ` ${flag.value}`)
