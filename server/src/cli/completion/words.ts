import type { Command } from 'commander'

/** A word that can be completed, and what it is for. */
export type Word = readonly [text: string, description: string]

/** What can follow one command. */
export interface Place {
  /** The words that lead to the command, without the program's name. */
  readonly path: readonly string[]
  /** Commands below this one, or the values that its argument can have. */
  readonly words: readonly Word[]
  readonly flags: readonly Word[]
}

/** @param flagsOfOthers long flags of commands that another program runs, by path */
export function* placesOf(
  command: Command,
  flagsOfOthers: ReadonlyMap<string, readonly string[]>,
  path: readonly string[] = [],
): Generator<Place> {
  yield {
    path,
    words: [
      ...command.commands.map((child): Word => [child.name(), firstLine(child.description())]),
      ...command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []).map((choice): Word => [choice, '']),
    ],
    flags: [
      ...command.options.map((option): Word => [option.long ?? option.flags, firstLine(option.description)]),
      ...(flagsOfOthers.get(path.join(' ')) ?? []).map((flag): Word => [flag, '']),
      ['--help', 'show how it is used'],
    ],
  }
  for (const child of command.commands) yield* placesOf(child, flagsOfOthers, [...path, child.name()])
}

const firstLine = (text: string): string => text.split('\n')[0]!
