import { spawn, spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'
import { join } from 'node:path'

export const repositoryRoot = join(__dirname, '..', '..')

/** A process that a test started, and what it says. */
export interface Program {
  readonly pid: number
  /** Everything so far, standard output and error as they came. */
  output(): string
  /** Resolves with the match when this was said, now or later. Rejects if the process ends without. */
  saw(what: RegExp): Promise<RegExpExecArray>
  /** The same, of what is said from now on. */
  seesNext(what: RegExp): Promise<RegExpExecArray>
  signal(name: NodeJS.Signals): void
  readonly ended: Promise<{ readonly code: number | null; readonly output: string }>
}

/** Starts a Node program. Its environment is what is given, and the path. `stop()` of what was started is the test's. */
export function startProgram(
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: { readonly [name: string]: string } } = {},
): Program {
  const child = spawn(process.execPath, args, {
    cwd: options.cwd ?? repositoryRoot,
    env: { PATH: process.env.PATH, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const looks = new Set<() => void>()
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
      for (const look of [...looks]) look()
    })
  }
  const ended = new Promise<{ code: number | null; output: string }>((resolve) => {
    child.once('close', (code) => resolve({ code, output }))
  })
  const sawFrom = (start: number, what: RegExp) =>
    new Promise<RegExpExecArray>((resolve, reject) => {
      const look = () => {
        const found = what.exec(output.slice(start))
        if (!found) return
        looks.delete(look)
        resolve(found)
      }
      looks.add(look)
      look()
      void ended.then(() => reject(new Error(`${args.join(' ')} ended without saying ${what}:\n${output}`)))
    })
  return {
    pid: child.pid!,
    output: () => output,
    saw: (what) => sawFrom(0, what),
    seesNext: (what) => sawFrom(output.length, what),
    signal: (name) => void child.kill(name),
    ended,
  }
}

/** Brings all that is compiled up to date, under the lock that other suites and `make` respect too. */
export function build(): void {
  const { status, output } = runProgram('node', ['scripts/prepare.mjs', 'build'])
  if (status !== 0) throw new Error(`the build failed:\n${output}`)
}

/** Runs a program to its end. */
export function runProgram(
  command: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: { readonly [name: string]: string } } = {},
): { readonly status: number | null; readonly output: string } {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd: options.cwd ?? repositoryRoot,
    encoding: 'utf8',
    env: { ...process.env, ...options.env },
  })
  return { status, output: `${stdout}${stderr}` }
}

/** Below those that systems give away by themselves: there nobody gets one in between without having asked for it. */
const firstPort = 10_000
const ports = 20_000

/** A port that was free just now, for what must come back on the same one. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = firstPort + randomInt(ports)
    if (await isFree(port)) return port
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
