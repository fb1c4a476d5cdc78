import { type ChildProcess, fork, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { TestMediatorOptions } from './mediator'
import { testConfig } from './mediator'

const root = join(__dirname, '..', '..')

export interface ProcessState {
  /** Uncaught exceptions, unhandled rejections, and what was logged as an error. */
  readonly failures: readonly string[]
  /** Nodes whose links have ended, in order, and why. */
  readonly left: readonly { readonly node: string; readonly code: string }[]
  readonly links: { readonly [transport: string]: number }
  readonly linkCount: number
  readonly queuedBytes: number
  readonly counters: { readonly [outcome: string]: { readonly frames: number; readonly bytes: number } }
  readonly rssBytes: number
}

export interface ProcessMemory {
  readonly rss: number
  readonly heapUsed: number
  readonly arrayBuffers: number
  readonly external: number
}

/** A mediator in its own process, as it is built. `close()` it at the end of the test. */
export interface MediatorProcess {
  readonly url: string
  readonly ipcPath: string
  readonly jwtSecret: string
  state(): Promise<ProcessState>
  /** After its garbage was collected. */
  memory(): Promise<ProcessMemory>
  /** Set when the process ended by itself. */
  readonly exited: () => string | undefined
  close(): Promise<void>
}

export async function startMediatorProcess(
  options: TestMediatorOptions & { readonly ipcPath: string },
): Promise<MediatorProcess> {
  // `make test` has built it already; this is for who runs one test after a change.
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const built = spawnSync(process.execPath, [tsc, '-b', 'server'], { cwd: root, encoding: 'utf8' })
  if (built.status !== 0) throw new Error(`the build failed: ${built.stdout}${built.stderr}`)
  const jwtSecret = randomBytes(32).toString('base64url')
  const adminPassword = randomBytes(18).toString('base64url')
  const config = { ...testConfig(options, jwtSecret, adminPassword), jwtSecret, adminPassword }
  const child = fork(join(root, 'test/support/mediator-process.mjs'), [JSON.stringify(config)], {
    execArgv: ['--expose-gc'],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  const ask = questions(child)
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const { url } = (await ask('ports')) as { url: string }
  return {
    url,
    ipcPath: options.ipcPath,
    jwtSecret,
    state: () => ask('state') as Promise<ProcessState>,
    memory: () => ask('memory') as Promise<ProcessMemory>,
    exited: () =>
      child.exitCode === null && child.signalCode === null ? undefined : `${child.exitCode ?? child.signalCode}`,
    async close() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** Asks and waits for the answer. The first answer, where the ports are, comes unasked. */
function questions(child: ChildProcess): (question: string) => Promise<unknown> {
  let errors = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  const waiting = new Map<number, { resolve(answer: unknown): void; reject(error: Error): void }>()
  child.on('message', ({ id, answer }: { id: number; answer: unknown }) => {
    waiting.get(id)?.resolve(answer)
    waiting.delete(id)
  })
  child.once('close', (code, signal) => {
    for (const { reject } of waiting.values()) reject(new Error(`the mediator ended (${code ?? signal}): ${errors}`))
  })
  let last = -1
  return (question) =>
    new Promise((resolve, reject) => {
      const id = ++last
      waiting.set(id, { resolve, reject })
      if (id > 0) child.send({ id, question })
    })
}
