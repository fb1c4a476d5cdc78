import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** How soon it is noticed that npm is gone, ms. */
const lookEveryMs = 500

interface Process {
  readonly parent: number
  readonly command: string
}

/** What is needed of Node's `process`. */
export interface OwnProcess {
  readonly ppid: number
  readonly env: { readonly [name: string]: string | undefined }
  kill(pid: number, signal: 0): unknown
}

/**
 * Calls `gone` when the npm that started this process has ended (`npx sealway start`, `npm start`): npm hands on no signal
 * when it is killed, and its shell waits for ever. A process that npm did not start is not watched.
 * @returns stops watching
 */
export function watchLauncher(own: OwnProcess, gone: () => void): () => void {
  const launcher = own.env.npm_command === undefined ? undefined : findNpm(own.ppid)
  if (launcher === undefined) return () => {}
  const timer = setInterval(() => {
    if (isAlive(own, launcher)) return
    clearInterval(timer)
    gone()
  }, lookEveryMs).unref()
  return () => clearInterval(timer)
}

/** npm is the parent of this process, or of the shell that is. */
function findNpm(parent: number): number | undefined {
  for (let pid = parent, steps = 0; pid > 1 && steps < 2; steps++) {
    const found = look(pid)
    if (!found) return undefined
    if (/^(?:npm|npx)\b|[/\\](?:npm|npx)(?:-cli)?(?:\.js)?\b/.test(found.command)) return pid
    pid = found.parent
  }
  return undefined
}

function look(pid: number): Process | undefined {
  try {
    // The name in parentheses may hold anything; the parent is the second field behind it (proc(5)).
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
    return { parent, command: readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ') }
  } catch {
    return lookByPs(pid)
  }
}

/** Where there is no /proc: macOS. */
function lookByPs(pid: number): Process | undefined {
  try {
    const text = execFileSync('ps', ['-o', 'ppid=,args=', '-p', String(pid)], { encoding: 'utf8', timeout: 2_000 })
    const [, parent, command] = /^\s*(\d+)\s+(.*)/.exec(text) ?? []
    return parent === undefined ? undefined : { parent: Number(parent), command: command! }
  } catch {
    return undefined
  }
}

function isAlive(own: OwnProcess, pid: number): boolean {
  try {
    own.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
