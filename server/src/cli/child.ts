import { spawn } from 'node:child_process'
import { readFile, stat } from 'node:fs/promises'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { SealwayError } from '@sealway/protocol'
import type { Io } from './io.js'

/** A program of another package, which is looked up and started, and never imported. */
export interface ChildProgram {
  readonly package: string
  /** Its name in `bin` of that package. */
  readonly program: string
  /** What the command does that needs it, for messages. */
  readonly need: string
}

/**
 * The path of a program, as Node would find its package from one of these folders.
 * @throws SealwayError `CONFIG_INVALID` where it is not there, or was not built
 */
export async function findProgram(wanted: ChildProgram, from: readonly string[]): Promise<string> {
  for (const folder of from) {
    for (let at = folder; ; at = dirname(at)) {
      const program = await programIn(join(at, 'node_modules', wanted.package), wanted)
      if (program !== undefined) return program
      if (dirname(at) === at) break
    }
  }
  throw new SealwayError('CONFIG_INVALID', {
    message: `${wanted.need} ${wanted.package}, which is not installed: npm install ${wanted.package}`,
    outcome: 'not-delivered',
  })
}

/** Undefined where the package is not there. @throws SealwayError where it is, but was not built */
async function programIn(home: string, wanted: ChildProgram): Promise<string | undefined> {
  const manifest = await readFile(join(home, 'package.json'), 'utf8').catch(() => undefined)
  if (manifest === undefined) return undefined
  const { bin } = JSON.parse(manifest) as { bin?: { [name: string]: string } }
  const program = join(home, bin?.[wanted.program] ?? wanted.program)
  if (await stat(program).catch(() => undefined)) return program
  throw new SealwayError('CONFIG_INVALID', {
    message: `${wanted.package} is here, but its program ${wanted.program} is not: build it (\`make build\`), or install it anew`,
    outcome: 'not-delivered',
  })
}

/** Runs it in our place: same terminal, same environment with these names added, its exit code (128 + n where signal n ended it). */
export function runProgram(
  io: Io,
  program: string,
  args: readonly string[],
  environment: { readonly [name: string]: string } = {},
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(io.node, [program, ...args], {
      cwd: io.folder,
      env: { ...io.environment, ...environment },
      // By the channel the child learns that this process has ended, even by SIGKILL.
      stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    })
    // Ctrl-C reaches the child by the terminal; we stay to pass on how it ends. SIGTERM is sent to us alone.
    const silence = io.onSignal((signal) => {
      if (signal === 'SIGTERM' || !io.isTerminal) child.kill(signal)
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
