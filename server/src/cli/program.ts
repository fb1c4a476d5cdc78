import { Command } from 'commander'
import { addCompletion } from './completion.js'
import { addConfig } from './config.js'
import { addCreate } from './create.js'
import { addDoctor } from './doctor.js'
import { addExamples } from './examples.js'
import { reportFailure } from './failure.js'
import { addFixtures } from './fixtures.js'
import { addGroups } from './groups.js'
import { exitCode, type Io } from './io.js'
import { addMigrate } from './migrate.js'
import { addNodes } from './nodes.js'
import { addPolicies } from './policies.js'
import { addSealingVerbs } from './seal.js'
import { addSetup } from './setup.js'
import { addStart } from './start.js'
import { addTail } from './tail.js'
import { addToken } from './token.js'
import { addTop } from './top.js'

const examples = `
Examples:
  sealway start                              run the mediator here, on SQLite; makes its secrets the first time
  PORT=5000 sealway start                    the environment wins over .env
  sealway config print                       settings in effect, and where each came from
  sealway nodes --group orders --online      who is connected
  sealway top                                nodes, traffic and health, live
  sealway tail --outcome BUSY                frames as they pass, without what is in them
  sealway doctor                             what is wrong here, and what to do
  sealway call any:orders quote '{"sku":1}'  ask one member of a group; sealed with the key of .env.node
  sealway token orders-1 --group orders      a token for a node that has no secret of its own
  sealway create ../my-service               a service of your own, with a web page and a test

Settings are read from the environment and from .env in the current folder (sealway config template lists them).
Exit code: 0 done, 1 failed, 2 wrong usage. Errors go to standard error: \`sealway: CODE: what and what to do\`,
or with --json \`{ "error": { "code", "message" } }\`.
`

/**
 * Runs one command line. What takes long to load, the mediator, the database and socket.io, is loaded by the command
 * that needs it, so that the others answer at once. Never throws.
 * @returns the exit code
 */
export async function run(args: readonly string[], io: Io): Promise<number> {
  const json = args.includes('--json')
  let code: number = exitCode.done
  const program = new Command('sealway')
    .description('The mediator that relays sealed messages between named nodes, and cannot read them.')
    .version(io.version)
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .addHelpText('after', examples)
    // What is wrong is reported below, in one place and one form.
    .configureOutput({ writeOut: io.out, writeErr: io.out, outputError: () => {} })
    .exitOverride()
  for (const add of [
    addStart,
    addSetup,
    addMigrate,
    addFixtures,
    addConfig,
    addToken,
    addNodes,
    addGroups,
    addPolicies,
    addTop,
    addTail,
    addCompletion,
  ])
    add(program, io)
  const childEnded = (childCode: number): void => {
    code = childCode
  }
  addCreate(program, io, childEnded)
  addSealingVerbs(program, io, childEnded)
  addDoctor(program, io, childEnded)
  addExamples(program)
  try {
    if (args.length === 0) {
      program.outputHelp()
      return exitCode.usage
    }
    await program.parseAsync([...args], { from: 'user' })
    return code
  } catch (error) {
    return reportFailure(io, json, error, commandOf(program, args))
  }
}

/** The words of the command that was called, so that its own help can be named. */
function commandOf(program: Command, args: readonly string[]): string {
  let at = program
  const words = [program.name()]
  for (const word of args) {
    const child = at.commands.find((command) => command.name() === word)
    if (!child) break
    words.push(word)
    at = child
  }
  return words.join(' ')
}
