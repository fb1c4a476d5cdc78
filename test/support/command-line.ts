import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Io } from '../../server/src/cli/io'
import { run } from '../../server/src/cli/program'

export interface Screen {
  rows: number
  columns: number
}

type Listener = Parameters<Io['onSignal']>[0]

/** The `sealway` command in this process, in a folder of its own. */
export function commandLine() {
  const folder = mkdtempSync(join(tmpdir(), 'sealway-cli-'))
  const listeners = new Set<Listener>()
  const keyListeners = new Set<(key: string) => void>()
  /** @param screen a terminal that shows standard output; it may be resized meanwhile */
  const start = (environment: { [name: string]: string }, args: readonly string[], screen?: Screen) => {
    const output = { out: '', err: '' }
    const waiting = new Set<() => void>()
    const io: Io = {
      environment,
      folder,
      node: process.execPath,
      programFolder: join(folder, 'program'),
      out(text) {
        output.out += text
        for (const wake of waiting) wake()
      },
      err: (text) => {
        output.err += text
      },
      isTerminal: screen !== undefined,
      ...(screen ? { screen: () => screen } : {}),
      ...(screen
        ? {
            onKey(listener: (key: string) => void) {
              keyListeners.add(listener)
              return () => keyListeners.delete(listener)
            },
          }
        : {}),
      onSignal(listener) {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
      version: '9.9.9',
    }
    const ended = run(args, io).then((code) => ({ code, ...output }))
    return {
      ended,
      /** When something was printed to standard output, or the command ended. */
      printed: Promise.race([new Promise<void>((resolve) => waiting.add(resolve)), ended]).then(() => output),
    }
  }
  return {
    folder,
    start,
    run: (args: readonly string[], environment: { [name: string]: string } = {}) => start(environment, args).ended,
    signal: (name: 'SIGINT' | 'SIGTERM' = 'SIGTERM') => {
      for (const listener of [...listeners]) listener(name)
    },
    listeners,
    keyListeners,
    press: (key: string) => {
      for (const listener of [...keyListeners]) listener(key)
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
