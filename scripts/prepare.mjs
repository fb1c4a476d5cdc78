// What `make` needs before it runs anything: `node scripts/prepare.mjs install [folder]`, `... build`.
// Three terminals that say `make start`, `make client` and `make sender` at once in a fresh clone must not install
// into each other's feet, so both steps hold a lock: a file with the process id of who holds it.
import { spawnSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const lockPath = `${root}.prepare.lock`
const built = `${root}server/dist/.built`

const startedAt = Date.now()

const steps = { install, build }
const [name, folder = '.'] = process.argv.slice(2)
const step = steps[name]
if (!step) {
  console.error('usage: node scripts/prepare.mjs install [folder] | build')
  process.exit(2)
}
await takeLock()
let code = 1
try {
  code = await step()
} finally {
  rmSync(lockPath, { force: true })
}
process.exit(code)

async function install() {
  const where = `${root}${folder}/`
  // npm writes it last, so an install that was interrupted leaves none.
  const installed = `${where}node_modules/.package-lock.json`
  if (isNewer(installed, `${where}package-lock.json`)) return 0
  console.log('Installing (once; some seconds) ...')
  // Deprecation notices of dependencies of dependencies are nothing that a newcomer can act on.
  // The lock of the benchmarks may lack platforms, which `npm ci` does not forgive.
  const command = folder === '.' ? ['ci'] : ['install', '--no-save']
  const npm = () => run('npm', [...command, '--loglevel=error', '--no-progress'], where)
  let code = npm()
  if (code !== 0) {
    console.log('The installation failed; registries hiccup, so once more ...')
    await sleep(3_000)
    code = npm()
  }
  if (code === 0) touch(installed)
  return code
}

function build() {
  // Somebody else has built while this one waited for the lock.
  if (existsSync(built) && statSync(built).mtimeMs >= startedAt) return 0
  console.log('Building ...')
  const code = run('npm', ['run', '--silent', 'build'])
  if (code === 0) writeFileSync(built, '')
  return code
}

async function takeLock() {
  for (let told = false; ; ) {
    try {
      const file = openSync(lockPath, 'wx')
      writeSync(file, String(process.pid))
      closeSync(file)
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
        process.once(signal, () => {
          rmSync(lockPath, { force: true })
          process.exit(130)
        })
      }
      return
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
    if (!isHeld()) rmSync(lockPath, { force: true })
    else if (!told) {
      told = true
      console.log('Another make is installing or building here; waiting for it ...')
    }
    await sleep(200)
  }
}

/** False where the process that made the lock is gone. A lock without an id is just being made, unless it is old. */
function isHeld() {
  try {
    const pid = Number(readFileSync(lockPath, 'utf8'))
    if (!pid) return Date.now() - statSync(lockPath).mtimeMs < 5_000
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

function run(command, args, cwd = root) {
  // npm is a .cmd file on Windows, which only a shell can start.
  const { status, error } = spawnSync(command, args, {
    cwd,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  })
  if (error) console.error(`${command} cannot be run: ${error.message}`)
  return status ?? 1
}

function isNewer(path, other) {
  return existsSync(path) && statSync(path).mtimeMs >= statSync(other).mtimeMs
}

function touch(path) {
  const now = new Date()
  utimesSync(path, now, now)
}
