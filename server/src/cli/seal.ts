import { spawn } from 'node:child_process'
import { readFile, stat } from 'node:fs/promises'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { SealwayError } from '@sealway/protocol'
import type { Command } from 'commander'
import type { Io } from './io.js'

/**
 * The verbs that seal run in a program of their own, with the keys of who calls them. It is looked up, never imported:
 * no code that opens payloads is ever loaded by the mediator (ARCHITECTURE, "What proves that the mediator cannot read").
 */
const clientPackage = '@sealway/client'
const clientProgram = 'sealway-node'

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
      .argument('[arguments...]', `as \`${clientProgram} ${verb}\` takes them; --help shows them`)
      .helpOption(false)
      .allowUnknownOption()
      .passThroughOptions()
      .action(async (args: string[]) => {
        done(await runProgram(io, await findProgram([io.folder, io.programFolder]), [verb, ...args]))
      })
  }
}

/** The path of `sealway-node`, as Node would find the package from one of these folders. @throws SealwayError */
async function findProgram(from: readonly string[]): Promise<string> {
  for (const folder of from) {
    for (let at = folder; ; at = dirname(at)) {
      const home = join(at, 'node_modules', clientPackage)
      const program = await programIn(home)
      if (program !== undefined) return program
      if (dirname(at) === at) break
    }
  }
  throw new SealwayError('CONFIG_INVALID', {
    message: `this command seals with your own key and needs ${clientPackage}, which is not installed: npm install ${clientPackage}`,
    outcome: 'not-delivered',
  })
}

/** Undefined where the package is not there. @throws SealwayError where it is, but was not built */
async function programIn(home: string): Promise<string | undefined> {
  const manifest = await readFile(join(home, 'package.json'), 'utf8').catch(() => undefined)
  if (manifest === undefined) return undefined
  const { bin } = JSON.parse(manifest) as { bin?: { [name: string]: string } }
  const program = join(home, bin?.[clientProgram] ?? clientProgram)
  if (await stat(program).catch(() => undefined)) return program
  throw new SealwayError('CONFIG_INVALID', {
    message: `${clientPackage} is here, but its program ${clientProgram} is not: build it (\`make build\`), or install it anew`,
    outcome: 'not-delivered',
  })
}

/** Runs it in our place: same terminal, same environment, its exit code (128 + n where signal n ended it). */
function runProgram(io: Io, program: string, args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(io.node, [program, ...args], {
      cwd: io.folder,
      env: { ...io.environment },
      stdio: 'inherit',
    })
    // Ctrl-C reaches the child by the terminal; we stay to pass on how it ends. SIGTERM is sent to us alone.
    const silence = io.onSignal((signal) => {
      if (signal === 'SIGTERM') child.kill(signal)
    })
    child.once('error', (error) => {
      silence()
      reject(error)
    })
    child.once('exit', (code, signal) => {
      silence()
      resolve(code ?? 128 + (signal ? constants.signals[signal] : 0))
    })
  })
}
