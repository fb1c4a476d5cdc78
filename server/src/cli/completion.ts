import { quote } from '@sealway/protocol'
import type { Command } from 'commander'
import { UsageError } from './failure.js'
import type { Io } from './io.js'

interface Words {
  readonly path: readonly string[]
  readonly commands: readonly (readonly [name: string, description: string])[]
  readonly options: readonly (readonly [flag: string, description: string])[]
}

/** Flags of the commands that other programs run, which this one never loads; a test compares them with their help. */
const sealing: readonly string[] = ['--url', '--name', '--group', '--timeout', '--token', '--json', '--insecure']
export const flagsOfOthers: ReadonlyMap<string, readonly string[]> = new Map<string, readonly string[]>([
  ['send', sealing],
  ['call', sealing],
  ['broadcast', [...sealing, '--want']],
  ['peers', sealing],
  [
    'create',
    [
      ...['--name', '--group', '--url', '--language', '--http', '--port', '--secrets', '--fresh-secrets'],
      ...['--packages', '--yes', '--force'],
    ],
  ],
])

export const shells = ['bash', 'zsh', 'fish'] as const

/** Prints what a shell needs to complete this command line, made from the commands as they are. */
export function addCompletion(program: Command, io: Io): void {
  program
    .command('completion')
    .description('Print the completion of a shell: bash, zsh or fish')
    .argument('<shell>', shells.join(', '))
    .action((shell: string) => {
      const words = [...wordsOf(program, [])]
      if (shell === 'bash') io.out(bash(words))
      else if (shell === 'zsh') io.out(`#compdef sealway\nautoload -U +X bashcompinit && bashcompinit\n${bash(words)}`)
      else if (shell === 'fish') io.out(fish(words))
      else throw new UsageError(`${quote(shell)} is none of ${shells.join(', ')}`)
    })
}

function* wordsOf(command: Command, path: readonly string[]): Generator<Words> {
  yield {
    path,
    commands: command.commands.map((child) => [child.name(), child.description()] as const),
    options: [
      ...command.options.map((option) => [option.long ?? option.flags, option.description] as const),
      ...(flagsOfOthers.get(path.join(' ')) ?? []).map((flag) => [flag, ''] as const),
      ['--help', 'show how it is used'] as const,
    ],
  }
  for (const child of command.commands) yield* wordsOf(child, [...path, child.name()])
}

/** The words of the longest path of commands that the line begins with. */
function bash(words: readonly Words[]): string {
  const cases = words.map(({ path, commands, options }) => {
    const all = [...commands.map(([name]) => name), ...options.map(([flag]) => flag)]
    return `    '${path.join(' ')}') words='${all.join(' ')}' ;;`
  })
  return `_sealway() {
  local path='' words='' word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$path $word" in
${words
  .filter(({ path }) => path.length > 0)
  .map(({ path }) => `      '${path.length === 1 ? ' ' : ''}${path.join(' ')}') path='${path.join(' ')}' ;;`)
  .join('\n')}
    esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _sealway sealway
`
}

function fish(words: readonly Words[]): string {
  const text = (description: string): string => description.replaceAll("'", "\\'").split('\n')[0]!
  const lines = words.flatMap(({ path, commands, options }) => {
    const when =
      path.length === 0
        ? '__fish_use_subcommand'
        : path.map((name) => `__fish_seen_subcommand_from ${name}`).join('; and ')
    return [
      ...commands.map(
        ([name, description]) => `complete -c sealway -f -n '${when}' -a ${name} -d '${text(description)}'`,
      ),
      ...options.map(
        ([flag, description]) =>
          `complete -c sealway -n '${when}' -l ${flag.replace(/^--/, '')} -d '${text(description)}'`,
      ),
    ]
  })
  return `${lines.join('\n')}\n`
}
