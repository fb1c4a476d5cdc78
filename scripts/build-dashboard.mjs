// `npm run build`: builds the dashboard into server/dist/dashboard, unless what is there is newer than all it is made of.
// Vite takes seconds, and the tests build often.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync, utimesSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
/** Vite writes it among the first; it is given the time of the end. */
const built = `${root}server/dist/dashboard/index.html`
/** Folders count too: theirs is the time that changes when a source is deleted. */
const parts = [
  ...['dashboard/src', 'dashboard/index.html', 'dashboard/vite.config.js', 'dashboard/package.json'],
  ...['protocol/src', 'client-lib/src', 'server/src/live/events.ts', 'package-lock.json'],
]

const newest = Math.max(...parts.map((part) => timeOf(`${root}${part}`)))
if (existsSync(built) && statSync(built).mtimeMs > newest) process.exit(0)
const { status } = spawnSync('npm', ['run', '--silent', 'build', '--workspace', 'dashboard'], {
  cwd: root,
  stdio: 'inherit',
  // npm is a .cmd file on Windows, which only a shell can start.
  shell: process.platform === 'win32',
})
if (status === 0) {
  const now = new Date()
  utimesSync(built, now, now)
}
process.exit(status ?? 1)

function timeOf(path) {
  const stat = statSync(path)
  if (!stat.isDirectory()) return stat.mtimeMs
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => timeOf(`${path}/${name}`)))
}
