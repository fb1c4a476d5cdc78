import { fork, spawn } from 'node:child_process'
import { accessSync, constants, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** A server that does not accept connections by then has failed, ms. */
const startMs = 30_000
/** From the polite signal to the other one, ms. */
const stopMs = 3_000
/** What is kept of a child's output, for the message when it fails, characters. */
const keptOutput = 4_000

/** A program that has to come from a Debian package, and is not there. */
export class NotInstalled extends Error {
  /** @param {string} install the line that installs it */
  constructor(install) {
    super(`not installed: ${install}`)
    this.install = install
  }
}

/**
 * @typedef {object} Running
 * @property {number} pid
 * @property {() => boolean} alive
 * @property {() => string} output the last of what it printed
 * @property {() => Promise<void>} stop by process id; waits until it is gone
 */

/** Starts processes and knows every one it started, so that all of them end, also after a failure or Ctrl-C. */
export class Processes {
  /** @type {Set<import('node:child_process').ChildProcess>} */
  #children = new Set()
  #folders = 0
  #stopping = false

  /** What is measured now: it begins the names of profiles. */
  stage = 'start'

  /** @param {{ profileFolder?: string | undefined }} options Node processes are profiled into that folder */
  constructor({ profileFolder } = {}) {
    this.root = mkdtempSync(path.join(os.tmpdir(), 'sealway-bench-'))
    this.profileFolder = profileFolder
    // Whatever ends the bench, an exception too: nothing of it goes on.
    process.once('exit', () => {
      for (const child of this.#children) child.kill('SIGKILL')
    })
  }

  /** @param {string} name @returns {string} a new private folder */
  folder(name) {
    const folder = path.join(this.root, `${name}-${++this.#folders}`)
    mkdirSync(folder, { mode: 0o700 })
    return folder
  }

  /** @returns {Promise<number>} a TCP port that is free now */
  freePort() {
    return new Promise((resolve, reject) => {
      const server = net.createServer().once('error', reject)
      server.listen(0, '127.0.0.1', () => {
        const { port } = /** @type {net.AddressInfo} */ (server.address())
        server.close(() => resolve(port))
      })
    })
  }

  /**
   * A Node process with an IPC channel.
   *
   * @param {string} label names its profile
   * @param {string} script
   * @param {{ args?: readonly string[], env?: Record<string, string>, cwd?: string }} options
   */
  node(label, script, { args = [], env = {}, cwd = process.cwd() } = {}) {
    const profiling = this.profileFolder
      ? ['--cpu-prof', `--cpu-prof-dir=${this.profileFolder}`, `--cpu-prof-name=${this.stage}.${label}.cpuprofile`]
      : []
    const child = fork(script, args, {
      cwd,
      env: { ...process.env, ...env },
      execArgv: profiling,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    return { child, running: this.#adopt(child) }
  }

  /**
   * A Node process that says `{ listening: endpoint }` over IPC once it accepts connections.
   *
   * @param {string} label
   * @param {string} script
   * @param {readonly string[]} args
   * @returns {Promise<{ endpoint: Record<string, unknown>, running: Running }>}
   */
  async nodeServer(label, script, args = []) {
    const { child, running } = this.node(label, script, { args })
    const endpoint = await new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${label} did not start\n${running.output()}`)), startMs)
      child.once('message', (/** @type {{ listening: Record<string, unknown> }} */ { listening }) => {
        clearTimeout(timer)
        resolve(listening)
      })
      child.once('exit', () => {
        clearTimeout(timer)
        reject(new Error(`${label} ended at its start\n${running.output()}`))
      })
    })
    return { endpoint, running }
  }

  /**
   * A program that runs on Node, once it accepts connections on its port.
   *
   * @param {string} label names its profile
   * @param {string} script
   * @param {{ args: readonly string[], env: Record<string, string>, cwd: string, port: number }} options
   * @returns {Promise<Running>}
   */
  async nodeProgram(label, script, { port, ...options }) {
    const { running } = this.node(label, script, options)
    await untilAccepts(running, label, port)
    return running
  }

  /**
   * A server from a Debian package, once it accepts connections on its port.
   *
   * @param {{ program: string, package: string, args: readonly string[], port: number, env?: Record<string, string> }} server
   * @returns {Promise<Running>}
   */
  async packaged({ program, package: debianPackage, args, port, env = {} }) {
    const binary = findProgram(program)
    if (binary === undefined) throw new NotInstalled(`apt-get install ${debianPackage}`)
    const child = spawn(binary, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    const running = this.#adopt(child)
    await untilAccepts(running, program, port)
    return running
  }

  /** Whoever ends the bench ends what it started, too. */
  stopAtSignals() {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
      process.once(signal, async () => {
        console.error(`\n${signal}: stopping what was started`)
        await this.stopAll()
        process.exit(130)
      })
    }
  }

  async stopAll() {
    this.#stopping = true
    await Promise.all([...this.#children].map((child) => stop(child)))
    rmSync(this.root, { recursive: true, force: true })
  }

  /** @param {import('node:child_process').ChildProcess} child @returns {Running} */
  #adopt(child) {
    if (this.#stopping) {
      child.kill('SIGKILL')
      throw new Error('the bench is stopping')
    }
    let output = ''
    const keep = (/** @type {Buffer} */ text) => {
      output = (output + text).slice(-keptOutput)
    }
    child.stdout?.on('data', keep)
    child.stderr?.on('data', keep)
    child.on('error', (error) => keep(Buffer.from(`${error.message}\n`)))
    this.#children.add(child)
    child.once('exit', () => this.#children.delete(child))
    return {
      pid: child.pid ?? 0,
      alive: () => isAlive(child),
      output: () => output,
      stop: () => stop(child),
    }
  }
}

/** @param {import('node:child_process').ChildProcess} child */
function isAlive(child) {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null
}

/** @param {import('node:child_process').ChildProcess} child */
async function stop(child) {
  if (!isAlive(child)) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const forced = setTimeout(() => child.kill('SIGKILL'), stopMs)
  await gone
  clearTimeout(forced)
}

/**
 * @param {string} program
 * @returns {string | undefined} its path; daemons live in sbin, which is not on everybody's PATH; an absolute path stays
 */
export function findProgram(program) {
  const folders = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/sbin', '/usr/local/sbin', '/sbin']
  for (const folder of folders) {
    const candidate = path.resolve(folder, program)
    try {
      accessSync(candidate, constants.X_OK)
      return candidate
    } catch {}
  }
  return undefined
}

/** @param {Running} running @param {string} name @param {number} port */
async function untilAccepts(running, name, port) {
  const deadline = Date.now() + startMs
  while (!(await accepts(port))) {
    if (!running.alive() || Date.now() > deadline) {
      await running.stop()
      throw new Error(`${name} did not start\n${running.output()}`)
    }
    await sleep(20)
  }
}

/** @param {number} port */
function accepts(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
