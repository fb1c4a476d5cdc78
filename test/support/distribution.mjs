// Programs that tests need besides Node: found, or installed from the distribution where that is possible.
// Plain JavaScript without dependencies: test/run.mjs uses it before anything is built.
import { execFile } from 'node:child_process'
import { accessSync, constants, existsSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const installWithinMs = 15 * 60_000

/** Where programs live besides PATH: Debian, Fedora, Homebrew. */
const folders = [
  ...(process.env.PATH ?? '').split(delimiter),
  '/usr/sbin',
  '/usr/libexec',
  '/usr/local/sbin',
  '/opt/homebrew/bin',
  '/usr/local/mysql/bin',
]

/** @returns the path of a program, or undefined */
export function findProgram(name) {
  for (const folder of folders) {
    const path = join(folder, name)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // not there
    }
  }
  return undefined
}

/**
 * Installs a package where this is root's run on Debian or Ubuntu. The package's own service is not started.
 * @param {string} name the package
 * @param {string} need what to say where it cannot be installed
 */
export async function installPackage(name, need, say) {
  if (process.getuid?.() !== 0 || !findProgram('apt-get') || !existsSync('/etc/debian_version')) throw new Error(need)
  say(`test: installing ${name} from the distribution (apt-get)`)
  const policy = '/usr/sbin/policy-rc.d'
  const ours = !existsSync(policy)
  // 101: "action forbidden by policy"; Debian asks this file before it starts a service.
  if (ours) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    const options = {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      timeout: installWithinMs,
      maxBuffer: 64 * 1024 * 1024,
    }
    const lock = ['-o', 'DPkg::Lock::Timeout=120']
    await run('apt-get', [...lock, 'update', '-q'], options)
    await run('apt-get', [...lock, 'install', '-y', '-q', '--no-install-recommends', name], options)
  } catch (error) {
    const output = String(error.stderr || error.message)
      .trim()
      .split('\n')
      .slice(-5)
      .join('\n')
    throw new Error(`${name} could not be installed:\n${output}`)
  } finally {
    if (ours) rmSync(policy, { force: true })
  }
}
