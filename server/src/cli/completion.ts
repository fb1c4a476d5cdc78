import { Argument, type Command } from 'commander'
import { bashCompletion } from './completion/bash.js'
import { fishCompletion } from './completion/fish.js'
import { type Place, placesOf } from './completion/words.js'
import { zshCompletion } from './completion/zsh.js'
import type { Io } from './io.js'
import { flagsOfVerbs } from './seal.js'

/** Flags of the commands that other programs run, which this one never loads; a test compares them with their help. */
export const flagsOfOthers: ReadonlyMap<string, readonly string[]> = new Map<string, readonly string[]>([
  ...flagsOfVerbs,
  [
    'create',
    [
      ...['--name', '--group', '--url', '--language', '--http', '--port', '--secrets', '--fresh-secrets'],
      ...['--packages', '--yes', '--force'],
    ],
  ],
])

type Shell = 'bash' | 'zsh' | 'fish'

const scripts: { readonly [shell in Shell]: (places: readonly Place[]) => string } = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
}

/** Prints the completion script of a shell, made from the commands as they are. */
export function addCompletion(program: Command, io: Io): void {
  program
    .command('completion')
    .description('Print the completion of a shell: bash, zsh or fish')
    .addArgument(new Argument('<shell>', 'the shell').choices(Object.keys(scripts)))
    .action((shell: Shell) => io.out(scripts[shell]([...placesOf(program, flagsOfOthers)])))
}
