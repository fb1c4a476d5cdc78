import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { create } from './create.js'
import { ask } from './questions.js'

/** The one file that touches the process: everything else is handed what it needs of it. */
const home = fileURLToPath(new URL('..', import.meta.url)).replace(/[/\\]$/, '')
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }

// A reader that went away (`create-sealway --help | head -1`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))

process.exitCode = await create(process.argv.slice(2), {
  folder: process.cwd(),
  home,
  platform: process.platform,
  environment: process.env,
  ask: process.stdin.isTTY === true && process.stdout.isTTY === true ? ask : undefined,
  version,
  random: randomBytes,
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
})
