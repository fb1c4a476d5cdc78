// `make formation`: a mediator and three services together, each line with the name of who says it. Ctrl-C ends all.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseEnv } from 'node:util'
import { together } from './together.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const here = fileURLToPath(new URL('.', import.meta.url))
const main = join(root, 'server/dist/main.js')
/** Of their pages. */
const defaultPorts = { passive: 3001, active: 3002, standalone: 3003 }

// What a first start would do; the services need their secrets at the same time.
const { status } = spawnSync(process.execPath, [main, 'setup'], { cwd: process.cwd(), stdio: 'inherit' })
if (status !== 0) process.exit(status ?? 1)

const fromFile = (name) => (existsSync(name) ? parseEnv(readFileSync(name, 'utf8')) : {})
const settings = { ...fromFile('.env'), ...process.env }
const secrets = fromFile('.env.node')
const mediatorUrl = process.env.PORT ? `http://127.0.0.1:${process.env.PORT}` : secrets.SEALWAY_URL

process.exitCode = await together(
  [
    {
      name: 'mediator',
      args: [main, 'start'],
      // Where its .env is. It must not see what the services are given.
      cwd: process.cwd(),
      env: { ...process.env, LOG_FORMAT: settings.LOG_FORMAT || 'text' },
      isReady: /is running/,
    },
    ...Object.entries(defaultPorts).map(([name, port]) => ({
      name,
      args: [join(here, `${name}.mjs`)],
      // Not where the mediator's .env is.
      cwd: here,
      env: { ...secrets, ...(mediatorUrl ? { SEALWAY_URL: mediatorUrl } : {}), ...process.env, ...portOf(name, port) },
    })),
  ],
  process,
)

function portOf(name, fallback) {
  const setting = `FORMATION_${name.toUpperCase()}_PORT`
  return { [setting]: settings[setting] || String(fallback) }
}
