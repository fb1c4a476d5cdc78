import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import os from 'node:os'
import { findProgram } from './processes.mjs'

/** What the figures were taken on: nothing that names the machine or its owner. */
export function describeMachine() {
  const cpus = os.cpus()
  return {
    cpu: cpus[0]?.model ?? 'unknown',
    // Those that this process may use: it can be held to some of them.
    cores: os.availableParallelism(),
    memoryGiB: Math.round(os.totalmem() / 1024 ** 3),
    kernel: os.release(),
    node: process.version,
    loadBefore: Number(os.loadavg()[0]?.toFixed(2)),
  }
}

/**
 * @param {readonly import('../systems/index.mjs').System[]} systems
 * @returns {Record<string, string>} by system
 */
export function versionsOf(systems) {
  /** @type {Record<string, string>} */
  const versions = {}
  for (const { name, packages, server } of systems) {
    const parts = packages.map((dependency) => `${dependency.replace('../', '')} ${packageVersion(dependency)}`)
    if (server !== undefined) parts.unshift(`${server.name ?? server.program} ${programVersion(server)}`)
    versions[name] = parts.join(', ')
  }
  return versions
}

/** @param {string} name of a package of bench/, or a path of the workspace */
export function packageVersion(name) {
  const file = name.startsWith('../') ? `../${name}/package.json` : `../node_modules/${name}/package.json`
  try {
    return JSON.parse(readFileSync(new URL(file, import.meta.url), 'utf8')).version
  } catch {
    return '(not installed: npm ci --prefix bench)'
  }
}

/** @param {{ program: string, version: readonly string[] }} server */
function programVersion({ program, version }) {
  const binary = findProgram(program)
  if (binary === undefined) return '(not installed)'
  // mosquitto prints its version with its help, and ends with a failure; nginx on standard error.
  const { stdout, stderr } = spawnSync(binary, version, { encoding: 'utf8', timeout: 5_000 })
  return /\d+\.\d+(\.\d+)?/.exec(`${stdout}${stderr}`)?.[0] ?? '(unknown)'
}
