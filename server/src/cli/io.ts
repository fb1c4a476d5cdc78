import type { Processes } from '../registry/lease.js'
import type { EnvFile } from '../settings/env-file.js'
import { mediatorFile, readEnvFile } from '../settings/setup.js'

/** The world, as commands see it. main.ts makes the real one; tests make their own. */
export interface Io {
  readonly environment: { readonly [name: string]: string | undefined }
  /** Where `.env` is looked for, and relative paths begin. */
  readonly folder: string
  /** The program that runs JavaScript, and the folder in which this program lies. */
  readonly node: string
  readonly programFolder: string
  /** Standard output: what was asked for. Standard error: everything else. */
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  /** Whether a person reads standard error. */
  readonly isTerminal: boolean
  /** SIGINT and SIGTERM, and SIGTERM when the npm that started this has ended, until the function that is returned is called. */
  readonly onSignal: (listener: (signal: 'SIGINT' | 'SIGTERM') => void) => () => void
  /** Of the terminal that shows standard output; absent: nobody looks at it. */
  readonly screen?: () => { readonly rows: number; readonly columns: number }
  /**
   * Keys that are pressed, one by one and unseen, until the function that is returned is called; Ctrl-C is a key then.
   * Absent: nobody sits at a keyboard.
   */
  readonly onKey?: (listener: (key: string) => void) => () => void
  /** Of this process, bytes; absent: nobody is told. */
  readonly memory?: () => { readonly rssBytes: number; readonly heapBytes: number }
  /** That this process may use, in fractions; absent: not known. */
  readonly processors?: () => number
  /** Of this machine; absent: not known. */
  readonly processes?: Processes
  /** Of this software. */
  readonly version: string
}

/** Exit codes of every command. */
export const exitCode = { done: 0, failed: 1, usage: 2 } as const

export const envFileOf = (io: Io): Promise<EnvFile | undefined> => readEnvFile(io.folder, mediatorFile)

export const printJson = (io: Io, value: unknown): void => io.out(`${JSON.stringify(value, null, 2)}\n`)

/** Columns as wide as their longest cell. */
export function printTable(io: Io, head: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)))
  for (const row of [head, ...rows])
    io.out(
      `${row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd()}\n`,
    )
}
