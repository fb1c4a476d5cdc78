import type { Command } from 'commander'
import { findProgram, runProgram } from './child.js'
import type { Io } from './io.js'

/**
 * The verbs that seal run in a program of their own, with the keys of who calls them. It is looked up, never imported:
 * no code that opens payloads is ever loaded by the mediator (ARCHITECTURE, "What proves that the mediator cannot read").
 */
const client = {
  package: '@sealway/client',
  program: 'sealway-node',
  need: 'this command seals with your own key and needs',
}

/** Flags of every verb; that program's help has the same, and a test compares them. */
const common = ['--url', '--name', '--reach', '--group', '--timeout', '--token', '--json', '--insecure']

/** Verb, what it does, and its own flags. */
const verbs: readonly (readonly [verb: string, description: string, flags: readonly string[]])[] = [
  ['send', 'Send one message to a node: send <to> <action> [body]', ['--acked', '--id', '--text']],
  ['call', 'Call a node and print its answer: call <to> <action> [body]', ['--text']],
  ['stream', 'Print the items of an answer as they come: stream <to> <action> [body]', ['--limit', '--text']],
  ['broadcast', 'Send to every member of a group: broadcast <group> <action> [body]', ['--want', '--text']],
  ['gather', 'Ask every member of a group: gather <group> <action> [body]', ['--need', '--text']],
  ['publish', 'Publish an event in a group: publish <event> [body]', ['--want', '--text']],
  ['subscribe', 'Print the events of a group: subscribe <pattern>', ['--limit', '--consumer']],
  ['fetch', 'Ask the HTTP app of a node, sealed: fetch <url> [body]', ['--method', '--header']],
  ['peers', 'Who is connected in a group: peers <group>', []],
]

/** By verb. */
export const flagsOfVerbs: ReadonlyMap<string, readonly string[]> = new Map(
  verbs.map(([verb, , flags]) => [verb, [...common, ...flags]]),
)

/** @param done takes the exit code of the program */
export function addSealingVerbs(program: Command, io: Io, done: (code: number) => void): void {
  for (const [verb, description] of verbs) {
    program
      .command(verb)
      .description(description)
      .argument('[arguments...]', `as \`${client.program} ${verb}\` takes them; --help shows them`)
      .helpOption(false)
      .allowUnknownOption()
      .passThroughOptions()
      .action(async (args: string[]) => {
        const found = await findProgram(client, [io.folder, io.programFolder])
        done(await runProgram(io, found, [verb, ...args], { SEALWAY_PROGRAM: 'sealway' }))
      })
  }
}
