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

const verbs = [
  ['send', 'Send one message to a node: send <to> <action> [body]'],
  ['call', 'Call a node and print its answer: call <to> <action> [body]'],
  ['broadcast', 'Send to every member of a group: broadcast <group> <action> [body]'],
  ['peers', 'Who is connected in a group: peers <group>'],
] as const

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
        done(await runProgram(io, await findProgram(client, [io.folder, io.programFolder]), [verb, ...args]))
      })
  }
}
