#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import type { Io } from './cli/io.js'
import { watchLauncher } from './cli/launcher.js'
import { processors } from './cli/processors.js'
import { run } from './cli/program.js'

/** The one file that touches the process: everything else is handed what it needs of it. */
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }

const io: Io = {
  environment: process.env,
  folder: process.cwd(),
  node: process.execPath,
  programFolder: dirname(fileURLToPath(import.meta.url)),
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  isTerminal: process.stderr.isTTY === true,
  onSignal(listener) {
    process.on('SIGINT', listener)
    process.on('SIGTERM', listener)
    const stopWatching = watchLauncher(process, () => listener('SIGTERM'))
    return () => {
      stopWatching()
      process.off('SIGINT', listener)
      process.off('SIGTERM', listener)
    }
  },
  ...(process.stdout.isTTY ? { screen: () => ({ rows: process.stdout.rows, columns: process.stdout.columns }) } : {}),
  ...(process.stdin.isTTY && process.stdout.isTTY ? { onKey } : {}),
  memory() {
    const { rss, heapUsed } = process.memoryUsage()
    return { rssBytes: rss, heapBytes: heapUsed }
  },
  processors: () => processors(availableParallelism(), readLimit),
  processes: { own: process.pid, isRunning },
  version,
}

function onKey(listener: (key: string) => void): () => void {
  const { stdin } = process
  const hear = (text: string): void => {
    for (const key of text) listener(key)
  }
  stdin.setRawMode(true).setEncoding('utf8').resume().on('data', hear)
  return () => {
    stdin.off('data', hear).pause().setRawMode(false)
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

function readLimit(file: string): string | undefined {
  try {
    return readFileSync(`/sys/fs/cgroup/${file}`, 'utf8')
  } catch {
    return undefined
  }
}

// A reader that went away (`sealway nodes | head -1`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))

const code = await run(process.argv.slice(2), io)
// Not only process.exitCode: what a command left open must not keep a drained mediator alive.
process.stdout.write('', () => process.exit(code))
