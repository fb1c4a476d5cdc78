import type { Command } from 'commander'
import { findProgram, runProgram } from './child.js'
import type { Io } from './io.js'

/**
 * Started as a program of its own, so that a mediator loads nothing of what asks and writes. Our own version comes
 * first: what it makes must fit this mediator.
 */
const scaffold = {
  package: 'create-sealway',
  program: 'create-sealway',
  need: 'this command makes a service with',
}

/** @param done takes the exit code of the program */
export function addCreate(program: Command, io: Io, done: (code: number) => void): void {
  program
    .command('create')
    .description('Make a service of your own, with a web page and a test: create [folder]')
    .argument('[arguments...]', 'a folder, and flags; --help shows them')
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (args: string[]) => {
      done(await runProgram(io, await findProgram(scaffold, [io.programFolder, io.folder]), args))
    })
}
